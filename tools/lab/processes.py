"""Processes as seen from the box: named by pid and start time, and found by the PID namespace they live in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

NS_GET_PARENT = 0xB702
T = TypeVar("T")


class LabError(Exception):
    """The lab cannot do what was asked; the message says what failed."""


@dataclass(frozen=True)
class Process:
    """One process for good: a pid alone may be given to another one later."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the process that has `pid` now."""
        return cls(pid, start_time(pid) or "gone")

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        wait_until(lambda: not self.alive, 20, f"process {self.pid} is gone")


def start_time(pid: int) -> str | None:
    """Return the start time in clock ticks, or None for a process that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def namespace_inode(pid: int | str, kind: str) -> int | None:
    """Return the number that names a process' namespace of a kind ("net", "pid", ...)."""
    try:
        return Path(f"/proc/{pid}/ns/{kind}").stat().st_ino
    except OSError:
        return None


def inside(pid_namespace: int) -> list[Process]:
    """Return the processes in a PID namespace or in one nested in it (its containers)."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [Process.of(pid) for pid in pids if _is_inside(pid, pid_namespace) and start_time(pid)]


def _is_inside(pid: int, pid_namespace: int) -> bool:
    try:
        handle = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
    except OSError:
        return False
    try:
        while os.fstat(handle).st_ino != pid_namespace:
            parent = fcntl.ioctl(handle, NS_GET_PARENT)
            os.close(handle)
            handle = parent
    except OSError:  # EPERM: the parent is outside our own view
        return False
    else:
        return True
    finally:
        os.close(handle)


def wait_until(condition: Callable[[], T], seconds: float, what: str, *, step_seconds: float = 0.01) -> T:
    """Return the first true value of `condition`; raise LabError after `seconds`, naming what was waited for."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise LabError(f"timed out after {seconds:g} s: {what}")
        time.sleep(step_seconds)
    return value


def run(*argv: str, stdin: str | None = None, check: bool = True) -> str:
    """Run a command of the box and return its output."""
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False)
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def run_ip(lines: list[str], *, netns: str = "") -> None:
    """Run a batch of `ip` commands, in a network namespace or in the box's own."""
    where = ["-n", netns] if netns else []
    run("ip", *where, "-batch", "-", stdin="\n".join(lines) + "\n")
