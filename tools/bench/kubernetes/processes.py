"""The processor time that another process took, exactly: /proc counts it in nanoseconds for each thread."""

from __future__ import annotations

from pathlib import Path

NANOSECONDS = 1e9


def process_seconds(pid: int) -> float:
    """Return what all threads took that are alive now."""
    return sum(_seconds(task) for task in Path(f"/proc/{pid}/task").iterdir())


def main_thread_seconds(pid: int) -> float:
    """Return what the main thread took: in a daemon, the one that its event loop runs in."""
    return _seconds(Path(f"/proc/{pid}/task/{pid}"))


def _seconds(task: Path) -> float:
    return int((task / "schedstat").read_text(encoding="ascii").split()[0]) / NANOSECONDS
