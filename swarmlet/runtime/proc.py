"""What the machine and its processes use, as the kernel tells it in /proc. Source: proc(5)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from swarmlet.runtime.runtime import Usage

PROC = Path("/proc")
SECOND = 1_000_000_000
"""In nanoseconds."""
KIBIBYTE = 1024
IDLE_COLUMNS = (3, 4, 7)
"""Of the line "cpu" in /proc/stat: idle, waiting for a disk, and what the hypervisor gave to others."""
COLUMNS = 8
"""The rest, guests' time, is in the others already."""

# The columns of /proc/[pid]/stat behind the command's name, which may hold anything.
SESSION = 3
TICKS = slice(11, 15)
"""In user mode, in the kernel, and the same of children that have ended."""
RESIDENT_PAGES = 21


def machine(proc: Path = PROC) -> Usage:
    """Return what all of this machine uses: processor time since it started, and memory that is not available."""
    columns = [
        int(each) for each in (proc / "stat").read_text(encoding="ascii").splitlines()[0].split()[1 : COLUMNS + 1]
    ]
    busy = sum(ticks for number, ticks in enumerate(columns) if number not in IDLE_COLUMNS)
    memory = dict(line.split(":", 1) for line in (proc / "meminfo").read_text(encoding="ascii").splitlines())
    total, available = (int(memory[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    return Usage(_nanoseconds(busy), (total - available) * KIBIBYTE)


def sessions(leaders: Collection[int], proc: Path = PROC) -> dict[int, Usage]:
    """Return what the processes of each session use together, by its leader; one that has ended is left out.

    Pages that several of its processes share are counted for each.
    """
    found: dict[int, Usage] = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for columns in _processes(proc) if leaders else ():
        session = int(columns[SESSION])
        if session in leaders:
            before = found.get(session, Usage(0, 0))
            ticks = sum(int(each) for each in columns[TICKS])
            memory = int(columns[RESIDENT_PAGES]) * page
            found[session] = Usage(before.cpu_nanoseconds + _nanoseconds(ticks), before.memory_bytes + memory)
    return found


def _processes(proc: Path) -> Iterator[Sequence[bytes]]:
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_bytes()
            except OSError:  # it has ended
                continue
            yield text.rpartition(b")")[2].split()


def _nanoseconds(ticks: int) -> int:
    return ticks * SECOND // os.sysconf("SC_CLK_TCK")
