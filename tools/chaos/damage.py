"""Damages the data folder of a stopped daemon, as a bad disk or a careless hand would."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import tempfile
from pathlib import Path

FOLDER = "raft"
DATABASE = "raft.db"
CUT_SHARE_MAX = 0.5
FLIPPED_BYTES = 8


def inflict(data_dir: Path, how: str, rng: random.Random) -> bool:
    """Cut the end of the write-ahead log, or flip bytes of it or of the newest snapshot; False: there is none."""
    target = _target(data_dir / FOLDER, how)
    if target is None:
        return False
    content = bytearray(target.read_bytes())
    if how == "cut":
        del content[len(content) - rng.randint(1, max(1, int(len(content) * CUT_SHARE_MAX))) :]
    else:
        for _ in range(FLIPPED_BYTES):
            content[rng.randrange(len(content) // 2, len(content))] ^= rng.randint(1, 255)
    target.write_bytes(content)
    return True


def last_entry(data_dir: Path) -> int:
    """Return the index of the last entry that a stopped daemon's database gives to a reader; 0 where it cannot be read.

    Read from a copy: a reader that opens the database itself would tidy it up.
    """
    with tempfile.TemporaryDirectory() as folder:
        for path in (data_dir / FOLDER).glob(f"{DATABASE}*"):
            shutil.copy(path, folder)
        try:
            with contextlib.closing(sqlite3.connect(Path(folder) / DATABASE)) as db:
                return int(db.execute("SELECT max(position) FROM entries").fetchone()[0] or 0)
        except sqlite3.Error:
            return 0


def _target(folder: Path, how: str) -> Path | None:
    pattern = "snapshot-*" if how == "snapshot" else "*-wal"
    files = [path for path in folder.glob(pattern) if path.stat().st_size]
    return max(files, key=lambda path: path.stat().st_mtime, default=None)
