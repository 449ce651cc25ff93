"""The load generator `wrk`: requests a second, and how long they took. Source: github.com/wg/wrk, src/wrk.c."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = 32
"""At a time."""
SPARE_SECONDS = 10.0
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class LoadError(Exception):
    """Nobody answered at all."""


@dataclass(frozen=True)
class Load:
    """Requests a second, the 99th percentile of their times in milliseconds, and how many were not answered well."""

    per_second: float
    p99_ms: float
    failed: int = 0


def ask(enter: Sequence[str], url: str, *, kept: bool, seconds: int) -> Load:
    """Ask for a while, on connections that are kept or on one for each request; `enter` stands before the command."""
    argv = [*enter, "wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s", "--latency"]
    if not kept:
        argv.append("--header=Connection: close")
    done = subprocess.run([*argv, url], capture_output=True, text=True, timeout=seconds + SPARE_SECONDS, check=False)
    return read(done.stdout if done.returncode == 0 else done.stderr, url)


def read(told: str, url: str) -> Load:
    """Return what wrk told of a run; raise `LoadError` where it told of no answer."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", told)
    if not rate or not p99:
        raise LoadError(f"{url}: {told.strip() or 'no answer'}")
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", told)))
    return Load(float(rate[1]), float(p99[1]) * _UNITS[p99[2]], failed)
