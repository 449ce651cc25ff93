"""What ends one part of a run, and leaves the others."""

from __future__ import annotations

import subprocess

import aiohttp

from tools.bench.network_ground import GroundError
from tools.bench.wrk import LoadError
from tools.lab import LabError

FAILURES = (GroundError, LabError, LoadError, OSError, aiohttp.ClientError, subprocess.SubprocessError)
"""With `TimeoutError` and `ConnectionError`, which are of `OSError`."""
