"""The few operations on files that consensus rests on: the seam at which a simulator puts files that lose and fail.

Every operation blocks, and raises `OSError` (a database: `sqlite3.Error`) where the machine refuses it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

FOLDER_MODE = 0o700
FILE_MODE = 0o600
DATABASE_LOCK_SECONDS_MAX = 5.0


class Files(Protocol):
    """One machine's files. What is written or renamed survives a power cut only after `sync` and `sync_folder`."""

    def lock(self, folder: Path) -> AbstractContextManager[None]:
        """Make the folder where it is missing and take it for this process, until the context ends or the process does.

        Raises `BlockingIOError` where another process has it.
        """

    def open(self, path: Path, mode: str) -> BinaryIO:
        """Open a file in a binary mode; one that is made is readable by this user alone."""

    def sync(self, file: BinaryIO) -> None:
        """Return once what was written to the file is on the platter."""

    def replace(self, old: Path, new: Path) -> None:
        """Give a file another name, in place of the one that has it."""

    def sync_folder(self, folder: Path) -> None:
        """Return once the names of the folder's files are on the platter."""

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, sorted."""

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open an SQLite database, made where it is missing, in autocommit mode, for one thread at a time."""


class SystemFiles:
    """The operating system's."""

    @contextlib.contextmanager
    def lock(self, folder: Path) -> Iterator[None]:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(lock)

    def open(self, path: Path, mode: str) -> BinaryIO:
        file: BinaryIO = open(path, mode, opener=_private)  # type: ignore[assignment]  # noqa: SIM115
        return file

    def sync(self, file: BinaryIO) -> None:
        file.flush()
        os.fsync(file.fileno())

    def replace(self, old: Path, new: Path) -> None:
        old.replace(new)

    def sync_folder(self, folder: Path) -> None:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def names(self, folder: Path) -> list[str]:
        return sorted(os.listdir(folder))  # noqa: PTH208  names are all that is asked for

    def connect(self, path: Path) -> sqlite3.Connection:
        path.touch(mode=FILE_MODE)
        path.chmod(FILE_MODE)
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=DATABASE_LOCK_SECONDS_MAX)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)
