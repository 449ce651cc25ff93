"""The real disk: what it promises across crashes, damage and failure."""

from __future__ import annotations

import asyncio
import errno
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from swarmlet.consensus import sqlite_log
from swarmlet.consensus.disk import Batch, Contents
from swarmlet.consensus.snapshot_file import Header, SnapshotFolder
from swarmlet.consensus.sqlite_disk import DATABASE, SqliteDisk
from swarmlet.consensus.sqlite_log import WATERMARK
from swarmlet.errors import ConfigError, DiskError, InvalidError
from swarmlet.raft.messages import Entry, EntryKind, HardState, Membership, SnapshotMeta

MEMBERSHIP = Membership(voters=frozenset({"n1"}))


def entries(first: int, last: int, term: int = 1) -> tuple[Entry, ...]:
    return tuple(Entry(index, term, f"{index}.{term}".encode()) for index in range(first, last + 1))


def header(index: int, term: int = 1) -> Header:
    return Header(SnapshotMeta(index, term, MEMBERSHIP), {"n1": "h:1"})


def files(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.glob(pattern))


async def loaded(folder: Path) -> Contents:
    disk = SqliteDisk(folder)
    try:
        return await disk.load()
    finally:
        disk.close()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[SqliteDisk]:
    disk = SqliteDisk(tmp_path)
    await disk.load()
    yield disk
    disk.close()


@pytest.fixture
def crashed(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place to which a live folder is copied: what a machine finds after the power was cut."""
    return tmp_path_factory.mktemp("crashed") / "raft"


async def test_what_was_persisted_is_there_after_a_restart(disk: SqliteDisk, tmp_path: Path) -> None:
    await disk.claim("c1", "n1")
    membership = Entry(3, 2, b"\x00change", EntryKind.MEMBERSHIP)
    await disk.persist(Batch(entries=(*entries(1, 2), membership), hard_state=HardState(2, "n1", 1)))
    disk.close()
    contents = await loaded(tmp_path)
    assert (contents.cluster_id, contents.node_id) == ("c1", "n1")
    assert contents.entries == (*entries(1, 2), membership)
    assert contents.hard_state == HardState(2, "n1", 1)


async def test_what_was_persisted_is_there_after_a_crash(disk: SqliteDisk, tmp_path: Path, crashed: Path) -> None:
    for index in range(1, 50):
        await disk.persist(Batch(entries=entries(index, index)))
    shutil.copytree(tmp_path, crashed)
    assert (await loaded(crashed)).entries == entries(1, 49)


async def test_a_torn_last_write_loses_only_what_it_wrote(disk: SqliteDisk, tmp_path: Path, crashed: Path) -> None:
    await disk.persist(Batch(entries=entries(1, 10), hard_state=HardState(1, "n1", 0)))
    promised = (tmp_path / WATERMARK).read_bytes()
    await disk.persist(Batch(entries=entries(11, 20), hard_state=HardState(2, "n2", 5)))
    shutil.copytree(tmp_path, crashed)
    (crashed / WATERMARK).write_bytes(promised)  # the write was torn, so nobody was told of it
    log = crashed / f"{DATABASE}-wal"
    with log.open("rb+") as file:
        file.truncate(log.stat().st_size - 100)
    contents = await loaded(crashed)
    assert (contents.entries, contents.hard_state) == (entries(1, 10), HardState(1, "n1", 0))


async def test_entries_replace_what_stands_at_and_after_them(disk: SqliteDisk, tmp_path: Path) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.persist(Batch(entries=entries(4, 5, term=2)))
    disk.close()
    assert (await loaded(tmp_path)).entries == (*entries(1, 3), *entries(4, 5, term=2))


async def test_a_snapshot_takes_the_place_of_what_it_covers(disk: SqliteDisk, tmp_path: Path) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(8), [b"state", b"more"], trim_to=5)
    assert await disk.read_state() == (b"state", b"more")
    disk.close()
    contents = await loaded(tmp_path)
    assert (contents.snapshot, contents.entries) == (header(8), entries(9, 10))


async def test_a_long_log_is_trimmed_in_parts_and_batches_come_between(
    disk: SqliteDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_log, "TRIM_ENTRIES", 10)
    await disk.persist(Batch(entries=entries(1, 100)))
    saving = asyncio.create_task(disk.save_snapshot(header(95), [b"state"], trim_to=90))
    order = []
    saving.add_done_callback(lambda _: order.append("trimmed"))
    while disk._log.snapshot != header(95):  # noqa: ASYNC110  it changes in a thread
        await asyncio.sleep(0)
    await disk.persist(Batch(entries=entries(101, 102)))
    order.append("persisted")
    await saving
    assert order == ["persisted", "trimmed"]
    positions = [row[0] for row in disk._log._db.execute("SELECT position FROM entries ORDER BY position")]
    assert positions == [*range(91, 103)]
    disk.close()
    assert (await loaded(tmp_path)).entries == entries(96, 102)


async def test_a_crash_while_the_log_is_trimmed_loses_nothing(disk: SqliteDisk, crashed: Path, tmp_path: Path) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(8), [b"state"], trim_to=0)
    shutil.copytree(tmp_path, crashed)  # the log has its snapshot, and all that this covers
    recovered = SqliteDisk(crashed)
    contents = await recovered.load()
    assert (contents.snapshot, contents.entries) == (header(8), entries(9, 10))
    await recovered.save_snapshot(header(9), [b"later"], trim_to=9)
    assert [row[0] for row in recovered._log._db.execute("SELECT position FROM entries")] == [10]
    recovered.close()


async def test_a_crash_between_snapshot_and_trim_loses_nothing(disk: SqliteDisk, tmp_path: Path, crashed: Path) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(3), [b"old"], trim_to=3)
    SnapshotFolder(tmp_path).write(header(8), [b"new"])  # renamed and synced; the log does not know of it yet
    shutil.copytree(tmp_path, crashed)
    recovered = SqliteDisk(crashed)
    contents = await recovered.load()
    assert (contents.snapshot, contents.entries) == (header(3), entries(4, 10))
    assert await recovered.read_state() == (b"old",)
    recovered.close()


async def test_a_snapshot_that_could_not_be_written_leaves_the_last_one(disk: SqliteDisk, tmp_path: Path) -> None:
    def cut_short() -> Iterator[bytes]:
        yield b"half of it"
        raise OSError(errno.ENOSPC, "no space left")

    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(5), [b"old"], trim_to=5)
    with pytest.raises(DiskError):
        await disk.save_snapshot(header(8), cut_short(), trim_to=8)
    disk.close()
    again = SqliteDisk(tmp_path)
    contents = await again.load()
    assert (contents.snapshot, contents.entries) == (header(5), entries(6, 10))
    assert await again.read_state() == (b"old",)
    again.close()


async def test_what_a_crash_left_half_written_is_removed(disk: SqliteDisk, tmp_path: Path, crashed: Path) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(3), [b"old"], trim_to=3)
    await disk.receive_piece(header(20).meta, 0, b"half")
    (tmp_path / "snapshot-00000000000000000009-1.partial").write_bytes(b"torn")
    shutil.copytree(tmp_path, crashed)
    await loaded(crashed)
    assert [path.name for path in files(crashed) if path.name.startswith(("snapshot", "incoming"))] == [
        "snapshot-00000000000000000003-1"
    ]


async def test_an_installed_snapshot_replaces_log_and_older_snapshots(disk: SqliteDisk, tmp_path: Path) -> None:
    sender = SnapshotFolder(tmp_path.parent)
    sender.write(header(50, term=3), [b"state"])
    content = sender.path(header(50, term=3).meta).read_bytes()
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(5), [b"old"], trim_to=5)
    half = len(content) // 2
    meta = header(50, term=3).meta
    assert await disk.receive_piece(meta, 0, content[:half]) == half
    assert await disk.receive_piece(meta, 0, content[:half]) == half, "a piece that comes twice counts once"
    assert await disk.receive_piece(meta, half, content[half:]) == len(content)
    accepted = await disk.accept_snapshot(meta)
    await disk.persist(Batch(snapshot=accepted, entries=entries(51, 52, term=3)))
    assert await disk.read_state() == (b"state",)
    disk.close()
    contents = await loaded(tmp_path)
    assert (contents.snapshot, contents.entries) == (header(50, term=3), entries(51, 52, term=3))
    assert len(files(tmp_path, "snapshot-*")) == 1


async def test_an_installed_snapshot_leaves_nothing_of_a_log_that_went_beyond_it(
    disk: SqliteDisk, tmp_path: Path
) -> None:
    await disk.persist(Batch(entries=entries(1, 60)))
    await disk.persist(Batch(snapshot=header(50, term=3)))
    disk.close()
    contents = await loaded(tmp_path)
    assert (contents.snapshot, contents.entries) == (header(50, term=3), ())


async def test_a_snapshot_that_arrives_damaged_is_refused_and_forgotten(disk: SqliteDisk, tmp_path: Path) -> None:
    sender = SnapshotFolder(tmp_path.parent)
    sender.write(header(50), [b"state" * 100])
    content = bytearray(sender.path(header(50).meta).read_bytes())
    content[200] ^= 1
    await disk.receive_piece(header(50).meta, 0, bytes(content))
    with pytest.raises(InvalidError, match="arrived damaged: the checksum does not match"):
        await disk.accept_snapshot(header(50).meta)
    assert await disk.receive_piece(header(50).meta, 0, b"") == 0


async def test_a_snapshot_of_ours_does_not_replace_a_newer_one(disk: SqliteDisk) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(9), [b"newer"], trim_to=9)
    await disk.save_snapshot(header(7), [b"older"], trim_to=7)
    assert await disk.read_state() == (b"newer",)


async def test_a_snapshot_stays_readable_while_a_newer_one_replaces_it(disk: SqliteDisk) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(3), [b"old" * 100], trim_to=3)
    reader = await disk.open_snapshot()
    before = await reader.read(0, 10_000)
    await disk.save_snapshot(header(8), [b"new"], trim_to=8)
    assert await reader.read(0, 10_000) == before
    assert len(before) == reader.size
    reader.close()


# Refusals, each in one clear line.


async def test_a_second_daemon_on_the_folder_is_refused(disk: SqliteDisk, tmp_path: Path) -> None:
    second = SqliteDisk(tmp_path)
    with pytest.raises(ConfigError, match="another swarmlet daemon uses this data folder"):
        await second.load()
    second.close()


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used: Not a directory"):
        await loaded(tmp_path / "file" / "raft")


@pytest.mark.parametrize("damage", [b"not a database at all, surely" * 200, b"SQLite format 3\0" + b"\xa5" * 8192])
async def test_a_damaged_database_is_said_so_with_the_way_out(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / DATABASE).write_bytes(damage)
    with pytest.raises(DiskError, match=r"^[^\n]*raft\.db: damaged \([^\n]*`swarmlet join`[^\n]*$"):
        await loaded(tmp_path)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE entries SET data = x'00' WHERE position = 5",
        "DELETE FROM entries WHERE position = 5",
        "UPDATE entries SET term = 0 WHERE position = 5",
        "UPDATE entries SET kind = 1 WHERE position = 5",
        "DELETE FROM entries WHERE position = 10",
        "UPDATE meta SET value = x'c1' WHERE key = 'state'",
        "UPDATE meta SET key = 'stake' WHERE key = 'state'",
        "DELETE FROM meta WHERE key = 'state'",
        "DELETE FROM meta WHERE key = 'node_id'",
        "ALTER TABLE entries RENAME TO entrees",
    ],
)
async def test_contents_that_we_did_not_write_are_refused(disk: SqliteDisk, tmp_path: Path, tampering: str) -> None:
    await disk.persist(Batch(entries=entries(1, 10), hard_state=HardState(1, "n1", 4)))
    await disk.claim("c1", "n1")
    disk.close()
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.execute(tampering)
    db.close()
    with pytest.raises(DiskError, match="damaged"):
        await loaded(tmp_path)


async def test_a_damaged_snapshot_is_refused(disk: SqliteDisk, tmp_path: Path) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(8), [b"state" * 100], trim_to=8)
    path = files(tmp_path, "snapshot-*")[0]
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    with pytest.raises(DiskError, match=r"damaged \(the checksum does not match\)"):
        await disk.read_state()


async def test_a_full_disk_ends_it_and_it_is_not_asked_again(disk: SqliteDisk) -> None:
    await disk.persist(Batch(entries=entries(1, 1)))
    database = disk._log._db
    assert database
    database.execute("PRAGMA max_page_count = 5")
    with pytest.raises(DiskError, match=r"cannot write the consensus log \(database or disk is full\)") as first:
        await disk.persist(Batch(entries=tuple(Entry(index, 1, b"x" * 4000) for index in range(2, 50))))
    database.execute("PRAGMA max_page_count = 100000")
    with pytest.raises(DiskError) as second:
        await disk.persist(Batch(entries=entries(2, 2)))
    assert second.value is first.value


async def test_a_disk_that_failed_at_a_snapshot_is_known_to_have_failed(disk: SqliteDisk, tmp_path: Path) -> None:
    failure = asyncio.create_task(disk.until_failure())
    (tmp_path / "incoming-00000000000000000050-1").mkdir()
    with pytest.raises(DiskError, match="Is a directory"):
        await disk.receive_piece(header(50).meta, 0, b"state")
    with pytest.raises(DiskError, match="Is a directory"):
        await failure


async def test_only_the_daemon_may_read_its_files(disk: SqliteDisk, tmp_path: Path) -> None:
    await disk.persist(Batch(entries=entries(1, 10)))
    await disk.save_snapshot(header(8), [b"state"], trim_to=8)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)}
    assert set(modes.values()) == {0o600}


async def test_every_commit_is_synced(disk: SqliteDisk) -> None:
    database = disk._log._db
    assert database
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: the write-ahead log is synced each time
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_batches_are_durable_in_their_order(disk: SqliteDisk, tmp_path: Path) -> None:
    await asyncio.gather(*(disk.persist(Batch(entries=entries(index, index))) for index in range(1, 100)))
    disk.close()
    assert (await loaded(tmp_path)).entries == entries(1, 99)
