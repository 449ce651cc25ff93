"""What a user is told of a disk that cannot be used: whose fault it looks like, and the way out. One line each."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from swarmlet.errors import DiskError

_ENVIRONMENT = {
    sqlite3.SQLITE_CANTOPEN: "make it readable and writable for the daemon's user",
    sqlite3.SQLITE_READONLY: "make it writable for the daemon's user; is its file system mounted read-only?",
    sqlite3.SQLITE_PERM: "make it readable and writable for the daemon's user",
    sqlite3.SQLITE_FULL: "make room on its file system",
    sqlite3.SQLITE_IOERR: "look at the disk: `dmesg` says what it did",
    sqlite3.SQLITE_BUSY: "end the other program that has it open",
    sqlite3.SQLITE_LOCKED: "end the other program that has it open",
    sqlite3.SQLITE_NOMEM: "make memory free",
}
"""SQLite's complaints about the machine it runs on, and what to do: the database itself may be sound."""
_PRIMARY = 0xFF
"""The part of an extended result code that says which of those it is."""


def unusable(path: Path, error: Exception) -> DiskError:
    """Return what to raise where a database could not be opened or read."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if isinstance(error, OSError):
        return _environment(path, error.strerror or str(error), "look at its permissions and at the disk")
    if code in _ENVIRONMENT:
        return _environment(path, str(error), _ENVIRONMENT[code])
    return damaged(path, str(error))


def unwritable(path: Path, error: Exception) -> DiskError:
    """Return what to raise where a batch could not be made durable: the daemon ends, and its next start decides."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    remedy = _ENVIRONMENT.get(code, "`swarmlet check` looks at what is there")
    return DiskError(f"{path}: cannot write the consensus log ({error}); {remedy}, then start the daemon again")


def damaged(path: Path, finding: str) -> DiskError:
    """Return what to raise where the disk holds what we did not write, or not all that we wrote."""
    what = " ".join(finding.split())  # SQLite tells what it found on several lines
    return DiskError(
        f"{path}: damaged ({what}); this machine must not vote with it. Where the others have a quorum: "
        "`swarmlet node rm NAME --force` on one of them, then here move the data folder aside and `swarmlet join`. "
        "Where they have not: `swarmlet recover`, or `restore`. See docs/recovery.md; `swarmlet check` says more"
    )


def _environment(path: Path, what: str, remedy: str) -> DiskError:
    return DiskError(f"{path}: cannot be used ({what}); {remedy}, then start again")
