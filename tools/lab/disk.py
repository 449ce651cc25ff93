"""A machine's disk as a file system of its own, small enough to be filled: ext4 in a file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tools.lab import processes

FILLER = "filler"
_PIECE_BYTES = (1024 * 1024, 4096)


def mount(folder: Path, mebibytes: int) -> None:
    """Mount a fresh file system of so many MiB at `folder`; nothing where one is mounted already."""
    if folder.is_mount():
        return
    folder.mkdir()
    file = folder.with_suffix(".img")
    with file.open("wb") as image:
        image.truncate(mebibytes * 1024 * 1024)
    # No block is kept for root: what is full is full for the daemon too.
    processes.run("mkfs.ext4", "-q", "-m", "0", str(file))
    processes.run("mount", "-o", "loop", str(file), str(folder))


def fill(folder: Path) -> int:
    """Take all the room that is left, without writing there: the machines share one real disk. Return the bytes."""
    filled = 0
    with (folder / FILLER).open("wb") as filler:
        for size in _PIECE_BYTES:
            with contextlib.suppress(OSError):
                while True:
                    os.posix_fallocate(filler.fileno(), filled, size)
                    filled += size
    return filled


def free(folder: Path) -> None:
    """Give back what `fill` took."""
    (folder / FILLER).unlink(missing_ok=True)
