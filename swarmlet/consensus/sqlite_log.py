"""The log, hard state and ids in one SQLite database: one durable transaction a batch.

Every method blocks and runs in the disk's writer thread.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from swarmlet.consensus import damage, log_rows, wal
from swarmlet.consensus.disk import NO_SNAPSHOT, Batch, Contents
from swarmlet.consensus.files import Files, SystemFiles
from swarmlet.consensus.log_rows import State
from swarmlet.consensus.snapshot_file import Header
from swarmlet.consensus.watermark import Watermark
from swarmlet.raft.messages import Entry

WAL_BYTES_KEPT = 16 * 1024 * 1024
WATERMARK = "watermark"
TRIM_ENTRIES = 256
"""Entries deleted in one transaction: while they are, no batch becomes durable."""

_TABLES = {
    "entries": """CREATE TABLE entries (position INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL,
                                    data BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT""",
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
}
_INSERT = "INSERT INTO entries (position, term, kind, data, checksum) VALUES (?, ?, ?, ?, ?)"
_SELECT = "SELECT position, term, kind, data, checksum FROM entries WHERE position > ? ORDER BY position"
_TRIM = "DELETE FROM entries WHERE position IN (SELECT position FROM entries WHERE position <= ? LIMIT ?)"
_SET = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"


class SqliteLog:
    """The database of one data folder, opened by `load`.

    Args:
        path: the database's file; the watermark lies beside it.
        files: what lies under it.
        claimed: whether a node has written here before: then an empty database is a lost one.
    """

    def __init__(self, path: Path, files: Files | None = None, *, claimed: bool = False) -> None:
        self._path = path
        self._files = files or SystemFiles()
        self._claimed = claimed
        self._db: sqlite3.Connection | None = None
        self._watermark = Watermark(path.with_name(WATERMARK), self._files)
        self.lost = 0
        self._state = State()
        self._snapshot = NO_SNAPSHOT

    @property
    def snapshot(self) -> Header:
        """The current snapshot, as the last transaction left it."""
        return self._snapshot

    def load(self, *, accept_loss: bool = False) -> Contents:
        """Open the database and return what it holds.

        Raises `DiskError` where it is damaged, or where writes that this machine has acknowledged are gone from it;
        with `accept_loss` the latter are only counted in `lost`, and given up for good by the next transaction.
        """
        try:
            frames = wal.scan(self._path.with_name(self._path.name + "-wal"), self._files)
            promised = self._watermark.read()
            self._db = self._files.connect(self._path)
            _configure(self._db)
            promised = max(promised, self._found(frames))
            contents = self._read(self._db)
        except (sqlite3.Error, OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
            # TypeError: a flipped bit in a row's type makes text of bytes.
            raise damage.unusable(self._path, error) from error
        self.lost = max(promised - self._state.serial, 0)
        if self.lost and not accept_loss:
            raise damage.damaged(self._path, f"at least {self.lost} acknowledged writes are gone from its end")
        if self._claimed and not contents.node_id:
            raise damage.damaged(self._path, "it is empty, and this machine's log was in it")
        return contents

    def _found(self, frames: wal.Frames) -> int:
        """Put what the write-ahead log holds where it belongs; return the serial number that it proves.

        Truncated, it starts a new generation, in which nothing of an older crash is left to be mistaken.
        """
        assert self._db is not None
        _check(self._db)
        _, read, _ = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        lost = frames.lost_commits(max(read, 0))
        serial = log_rows.state_of(_meta(self._db)).serial + lost
        if lost:
            self._watermark.keep(serial)
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return serial

    def _read(self, db: sqlite3.Connection) -> Contents:
        values = _meta(db)
        state, snapshot = log_rows.state_of(values), log_rows.snapshot_of(values)
        rows = db.execute(_SELECT, (snapshot.meta.index,))
        contents = Contents(
            cluster_id=values.get(log_rows.CLUSTER_KEY, b"").decode(),
            node_id=values.get(log_rows.NODE_KEY, b"").decode(),
            hard_state=state.hard_state,
            snapshot=snapshot,
            entries=tuple(log_rows.entries_after(snapshot, rows)),
        )
        log_rows.check_whole(state, contents)
        self._state, self._snapshot = state, snapshot
        return contents

    def claim(self, cluster_id: str, node_id: str) -> None:
        with self._transaction() as db:
            ids = ((log_rows.CLUSTER_KEY, cluster_id), (log_rows.NODE_KEY, node_id))
            db.executemany(_SET, [log_rows.text_row(*row) for row in ((log_rows.FORMAT_KEY, log_rows.FORMAT), *ids)])

    def persist(self, batch: Batch) -> None:
        state = self._state
        last = batch.snapshot.meta.index if batch.snapshot else state.last_index
        after = State(
            hard_state=batch.hard_state or state.hard_state,
            last_index=batch.entries[-1].index if batch.entries else last,
            snapshot_index=batch.snapshot.meta.index if batch.snapshot else state.snapshot_index,
        )
        with self._transaction(after) as db:
            if batch.snapshot:
                _install(db, batch.snapshot)
            if batch.entries:
                _append(db, batch.entries, last)
        self._snapshot = batch.snapshot or self._snapshot

    def save_snapshot(self, header: Header) -> bool:
        """Make `header` the current snapshot; False, and nothing done, where a newer one is."""
        index = header.meta.index
        if index <= self._snapshot.meta.index:
            return False
        last = max(self._state.last_index, index)
        with self._transaction(msgspec.structs.replace(self._state, snapshot_index=index, last_index=last)) as db:
            db.execute(_SET, log_rows.snapshot_row(header))
        self._snapshot = header
        return True

    def trim(self, index: int) -> bool:
        """Delete some of the entries up to `index`, which a snapshot covers; return whether some are left.

        Entries that have been trimmed half the way, when a crash comes between, are nobody's; the next snapshot's trim
        takes them.
        """
        assert index <= self._snapshot.meta.index, "only what a snapshot covers may go"
        with self._transaction() as db:
            return db.execute(_TRIM, (index, TRIM_ENTRIES)).rowcount == TRIM_ENTRIES

    def close(self) -> None:
        self._watermark.close()
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextlib.contextmanager
    def _transaction(self, after: State | None = None) -> Iterator[sqlite3.Connection]:
        """Commit what the body writes and, with the next serial number, the state that it leaves."""
        assert self._db is not None, "load() comes first"
        after = msgspec.structs.replace(after or self._state, serial=self._state.serial + 1)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute(_SET, log_rows.state_row(after))
            self._db.execute("COMMIT")
            self._watermark.write(after.serial)
        except (sqlite3.Error, OSError) as error:
            raise damage.unwritable(self._path, error) from error
        self._state = after


def _configure(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA locking_mode = EXCLUSIVE")  # no shared-memory file; only the lock's holder is here anyway
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")


def _check(db: sqlite3.Connection) -> None:
    finding = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise ValueError(finding)
    tables = dict(db.execute("SELECT name, sql FROM sqlite_schema"))
    if not tables:
        db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.values():
            db.execute(statement)
        db.execute("COMMIT")
    elif tables != _TABLES:
        raise ValueError("its tables are not those that swarmlet makes")


def _meta(db: sqlite3.Connection) -> dict[str, bytes]:
    return log_rows.opened(db.execute("SELECT key, value FROM meta"))


def _append(db: sqlite3.Connection, entries: tuple[Entry, ...], last: int) -> None:
    first = entries[0].index
    if first <= last:
        db.execute("DELETE FROM entries WHERE position >= ?", (first,))
    db.executemany(_INSERT, [log_rows.entry_row(entry) for entry in entries])


def _install(db: sqlite3.Connection, header: Header) -> None:
    """Let a snapshot take the whole log's place; the core keeps no suffix where it asks for this (Raft §7)."""
    db.execute(_SET, log_rows.snapshot_row(header))
    db.execute("DELETE FROM entries")
