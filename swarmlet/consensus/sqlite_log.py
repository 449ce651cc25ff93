"""The log, hard state and ids in one SQLite database: one durable transaction a batch.

Every method blocks and runs in the disk's writer thread.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from swarmlet.consensus import snapshot_file
from swarmlet.consensus.disk import NO_SNAPSHOT, Batch, Contents
from swarmlet.consensus.files import Files, SystemFiles
from swarmlet.consensus.snapshot_file import Header
from swarmlet.errors import DiskError
from swarmlet.raft.messages import Entry, EntryKind, HardState

FORMAT = b"swarmlet-log/1"
WAL_BYTES_KEPT = 16 * 1024 * 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL,
                                    data BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""
_INSERT = "INSERT INTO entries (position, term, kind, data, checksum) VALUES (?, ?, ?, ?, ?)"
_SET = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"

_encode = msgspec.msgpack.Encoder().encode
_hard_state = msgspec.msgpack.Decoder(HardState)


class SqliteLog:
    """The database of one data folder, opened by `load`."""

    def __init__(self, path: Path, files: Files | None = None) -> None:
        self._path = path
        self._files = files or SystemFiles()
        self._db: sqlite3.Connection | None = None
        self._last = 0
        self._snapshot = NO_SNAPSHOT

    @property
    def snapshot(self) -> Header:
        """The current snapshot, as the last transaction left it."""
        return self._snapshot

    def load(self) -> Contents:
        """Open the database and return what it holds; raise `DiskError` where it is damaged."""
        try:
            self._db = self._files.connect(self._path)
            _configure(self._db)
            _check(self._db)
            contents = _read(self._db)
        except (sqlite3.Error, OSError, ValueError, msgspec.MsgspecError) as error:
            raise DiskError(
                f"{self._path}: the consensus database is damaged or unreadable ({error}); remove this node from the "
                "cluster and let the machine join anew with an empty data folder"
            ) from error
        self._snapshot = contents.snapshot
        self._last = contents.entries[-1].index if contents.entries else contents.snapshot.meta.index
        return contents

    def claim(self, cluster_id: str, node_id: str) -> None:
        with self._transaction() as db:
            db.execute(_SET, ("format", FORMAT))
            db.execute(_SET, ("cluster_id", cluster_id.encode()))
            db.execute(_SET, ("node_id", node_id.encode()))

    def persist(self, batch: Batch) -> None:
        last, snapshot = self._last, self._snapshot
        with self._transaction() as db:
            if batch.snapshot:
                last = _install(db, batch.snapshot)
                snapshot = batch.snapshot
            if batch.entries:
                last = _append(db, batch.entries, last)
            if batch.hard_state:
                db.execute(_SET, ("hard_state", _encode(batch.hard_state)))
        self._last, self._snapshot = last, snapshot

    def save_snapshot(self, header: Header, *, trim_to: int) -> bool:
        """Make `header` the current snapshot and trim the log; False, and nothing done, where a newer one is."""
        if header.meta.index <= self._snapshot.meta.index:
            return False
        with self._transaction() as db:
            db.execute(_SET, ("snapshot", snapshot_file.encode_header(header)))
            db.execute("DELETE FROM entries WHERE position <= ?", (min(trim_to, header.meta.index),))
        self._snapshot = header
        return True

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        assert self._db is not None, "load() comes first"
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise DiskError(f"{self._path}: cannot write the consensus log: {error}") from error


def _configure(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA locking_mode = EXCLUSIVE")  # no shared-memory file; only the lock's holder is here anyway
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")


def _check(db: sqlite3.Connection) -> None:
    finding = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise ValueError(finding)
    db.executescript(_SCHEMA)
    row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if row and row[0] != FORMAT:
        raise ValueError(f"written by another version: {row[0]!r}")


def _read(db: sqlite3.Connection) -> Contents:
    meta = dict(db.execute("SELECT key, value FROM meta"))
    snapshot = snapshot_file.decode_header(meta["snapshot"]) if "snapshot" in meta else NO_SNAPSHOT
    return Contents(
        cluster_id=meta.get("cluster_id", b"").decode(),
        node_id=meta.get("node_id", b"").decode(),
        hard_state=_hard_state.decode(meta["hard_state"]) if "hard_state" in meta else HardState(),
        snapshot=snapshot,
        entries=tuple(_entries_after(db, snapshot)),
    )


def _entries_after(db: sqlite3.Connection, snapshot: Header) -> Iterator[Entry]:
    """Yield the entries after the snapshot; raise `ValueError` at a gap, a term that goes back or a wrong checksum."""
    index, term = snapshot.meta.index, snapshot.meta.term
    rows = db.execute("SELECT * FROM entries WHERE position > ? ORDER BY position", (index,))
    for position, entry_term, kind, data, checksum in rows:
        if position != index + 1 or entry_term < term:
            raise ValueError(f"entry {position} of term {entry_term} follows entry {index} of term {term}")
        if zlib.crc32(data) != checksum:
            raise ValueError(f"entry {position} does not match its checksum")
        yield Entry(position, entry_term, data, EntryKind(kind))
        index, term = position, entry_term


def _append(db: sqlite3.Connection, entries: tuple[Entry, ...], last: int) -> int:
    first = entries[0].index
    if first <= last:
        db.execute("DELETE FROM entries WHERE position >= ?", (first,))
    rows = [(entry.index, entry.term, int(entry.kind), entry.data, zlib.crc32(entry.data)) for entry in entries]
    db.executemany(_INSERT, rows)
    return entries[-1].index


def _install(db: sqlite3.Connection, header: Header) -> int:
    """Let a snapshot take the whole log's place; the core keeps no suffix where it asks for this (Raft §7)."""
    db.execute(_SET, ("snapshot", snapshot_file.encode_header(header)))
    db.execute("DELETE FROM entries")
    return header.meta.index
