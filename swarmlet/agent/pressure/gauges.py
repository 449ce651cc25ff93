"""What this machine has left of what its Pods share: memory, disks, processes; read from the kernel. All calls block.

A machine in a container of its own (a demo, a lab) has as much memory as its cgroup allows, where the kernel tells.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

from swarmlet.agent.pressure.pressures import Gauge, Readings
from swarmlet.model import thresholds

KIB = 1024
CGROUP = Path("sys/fs/cgroup")


class Gauges(Protocol):
    """Reads what a machine has left. `data_root` is where its engine keeps images and containers, "" where unknown."""

    def read(self, data_root: str) -> Readings: ...


class NoGauges:
    """Of a machine of which nothing is measured."""

    def read(self, data_root: str) -> Readings:  # noqa: ARG002  the protocol's
        """Return nothing."""
        return {}


class KernelGauges:
    """Reads /proc and the file systems. `data_dir` is the daemon's own folder, where emptyDirs lie."""

    def __init__(self, data_dir: Path, root: Path = Path("/")) -> None:
        self._data_dir = data_dir
        self._root = root

    def read(self, data_root: str) -> Readings:
        """Return all that can be read."""
        found: dict[str, Gauge] = {}
        with contextlib.suppress(OSError, ValueError, LookupError):
            found[thresholds.MEMORY_AVAILABLE] = self._memory()
        with contextlib.suppress(OSError, ValueError, LookupError):
            found[thresholds.PID_AVAILABLE] = self._pids()
        for folder, space, inodes in (
            (str(self._data_dir), thresholds.NODEFS_AVAILABLE, thresholds.NODEFS_INODES_FREE),
            (data_root, thresholds.IMAGEFS_AVAILABLE, thresholds.IMAGEFS_INODES_FREE),
        ):
            with contextlib.suppress(OSError):
                if folder:
                    found |= _disk(folder, space, inodes)
        return found

    def _memory(self) -> Gauge:
        lines = (self._root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        told = {name: int(rest.split()[0]) * KIB for name, _, rest in (line.partition(":") for line in lines)}
        capacity, available = told["MemTotal"], told["MemAvailable"]
        with contextlib.suppress(OSError, ValueError, LookupError):
            limit = int(self._text(CGROUP / "memory.max"))  # absent in the first cgroup of a machine, else often "max"
            stat = dict(line.split() for line in self._text(CGROUP / "memory.stat").splitlines())
            used = int(self._text(CGROUP / "memory.current")) - int(stat["inactive_file"])
            if limit < capacity:
                capacity, available = limit, min(available, max(0, limit - used))
        return Gauge(capacity, available)

    def _pids(self) -> Gauge:
        limits = (int(self._text(Path("proc/sys/kernel") / name)) for name in ("pid_max", "threads-max"))
        capacity = min(limits)
        running = int(self._text(Path("proc/loadavg")).split()[3].partition("/")[2])
        return Gauge(capacity, max(0, capacity - running))

    def _text(self, path: Path) -> str:
        return (self._root / path).read_text(encoding="ascii")


def _disk(folder: str, space: str, inodes: str) -> dict[str, Gauge]:
    """Read a file system; those that make inodes as they need them (btrfs) tell of none."""
    found = os.statvfs(folder)
    readings = {space: Gauge(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)}
    if found.f_files:
        readings[inodes] = Gauge(found.f_files, found.f_favail)
    return readings
