"""Ending what `exec` began and nobody waits for any more: the Engine itself lets such a process run on for ever."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
FAMILY_MAX = 1_000


def kill(pid: int, container_id: str) -> None:
    """Kill a process and its descendants, if it is one of the container's on this machine.

    The Engine tells numbers of its own machine, which need not be this one: what the process belongs to decides.
    """
    with contextlib.suppress(OSError):
        if pid > 1 and container_id in (PROC / str(pid) / "cgroup").read_text(encoding="ascii"):
            os.kill(pid, signal.SIGSTOP)  # so that it begets no more of them
            for each in [*_descendants(pid), pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    family = [pid]
    for each in family:
        for path in (PROC / str(each) / "task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = [int(word) for word in path.read_text(encoding="ascii").split()]
                family += children[: FAMILY_MAX - len(family)]
                yield from children
