"""Fixtures that several rooms share, and what a process needs that is many daemons and simulations in turn."""

from __future__ import annotations

import functools
import signal
from collections.abc import Iterator

import pytest

from swarmlet.telemetry import logs
from tests.dockerd import dockerd
from tests.machines import cluster, machines, three_machines

__all__ = ["cluster", "dockerd", "machines", "three_machines"]

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Where tests run in the background SIGINT may be ignored, and what they start would inherit that."""


@pytest.fixture(scope="session", autouse=True)
def loggers_are_not_cached() -> Iterator[None]:
    """Let a daemon's loggers outlive it in no module: a simulation later on would not hear them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "configure", functools.partial(logs.configure, cached=False))
        yield
