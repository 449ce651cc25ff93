"""Rot on the disk of a stopped member: it starts with all that it had acknowledged, or says in one line why not."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from swarmlet.consensus import wal
from swarmlet.consensus.disk import Batch, Contents
from swarmlet.consensus.files import SystemFiles
from swarmlet.consensus.snapshot_file import Header
from swarmlet.consensus.sqlite_disk import DATABASE, SqliteDisk
from swarmlet.consensus.sqlite_log import WATERMARK, SqliteLog
from swarmlet.errors import DiskError
from swarmlet.raft.messages import Entry, EntryKind, HardState, Membership, SnapshotMeta

WAL = DATABASE + "-wal"
FRAME_BYTES = 24 + 4096
HEADER_BYTES = 32
BATCHES = 24
META = SnapshotMeta(10, 1, Membership(voters=frozenset({"n1", "n2", "n3"})))


async def lived(folder: Path) -> None:
    """Leave a folder as a killed daemon does (database, write-ahead log, snapshot), and one that was stopped."""
    disk = SqliteDisk(folder / "living")
    await disk.load()
    await disk.claim("c1", "n1")
    await disk.persist(Batch(entries=entries(1, 12), hard_state=HardState(1, "n1", 10)))
    await disk.save_snapshot(Header(META, {"n1": "h:1"}), [b"state" * 300], trim_to=8)
    database = disk._log._db
    assert database
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    for index in range(13, 13 + BATCHES):
        await disk.persist(Batch(entries=entries(index, index), hard_state=HardState(2, "n2", index - 1)))
    shutil.copytree(folder / "living", folder / "dead")
    disk.close()
    (folder / "living").rename(folder / "stopped")


def entries(first: int, last: int) -> tuple[Entry, ...]:
    kind = {True: EntryKind.MEMBERSHIP, False: EntryKind.NORMAL}
    return tuple(
        Entry(index, 1 if index < 13 else 2, b"%d" % index * 90, kind[index % 7 == 0])
        for index in range(first, last + 1)
    )


def whole() -> Contents:
    return Contents(
        cluster_id="c1",
        node_id="n1",
        hard_state=HardState(2, "n2", 12 + BATCHES - 1),
        snapshot=Header(META, {"n1": "h:1"}),
        entries=entries(11, 12 + BATCHES),
    )


@pytest.fixture
async def dead(tmp_path: Path) -> Path:
    await lived(tmp_path)
    return tmp_path / "dead"


async def start(folder: Path) -> tuple[Contents, bytes]:
    disk = SqliteDisk(folder, claimed=True)
    try:
        return await disk.load(), b"".join(await disk.read_state())
    finally:
        disk.close()


async def outcome(folder: Path) -> tuple[tuple[Contents, bytes] | None, str]:
    """Return what a start found, or the line of its refusal."""
    try:
        return await start(folder), ""
    except DiskError as error:
        return None, str(error)


async def refusal(folder: Path) -> str:
    """Return the line of a start that is refused, twice: what was found once must not be forgotten."""
    with pytest.raises(DiskError) as first:
        await start(folder)
    with pytest.raises(DiskError) as second:
        await start(folder)
    assert str(folder) in str(second.value)
    return str(first.value)


def file_of(folder: Path, name: str) -> Path:
    return next(folder.glob(name + "-*")) if name == "snapshot" else folder / name


def flip(path: Path, offset: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1 << bit
    path.write_bytes(content)


async def test_what_a_killed_daemon_left_is_whole(dead: Path) -> None:
    assert await start(dead) == (whole(), b"state" * 300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("left", "name"),
    [("dead", DATABASE), ("dead", WAL), ("dead", WATERMARK), ("dead", "snapshot"), ("stopped", DATABASE)],
)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("dead")
async def test_a_flipped_bit_is_harmless_or_told_in_one_line(tmp_path: Path, left: str, name: str, seed: int) -> None:
    rng = random.Random(f"{name} {seed}")
    told = 0
    for attempt in range(60):
        folder = tmp_path / str(attempt)
        shutil.copytree(tmp_path / left, folder)
        path = file_of(folder, name)
        flip(path, rng.randrange(path.stat().st_size), rng.randrange(8))
        found, line = await outcome(folder)
        assert found == (whole(), b"state" * 300) if not line else "damaged" in line, line
        assert "\n" not in line
        told += bool(line)
        shutil.rmtree(folder)
    assert told or name == WATERMARK or (left, name) == ("dead", DATABASE)  # whose pages lie in the log once more


@pytest.mark.slow
@pytest.mark.parametrize(("left", "name"), [("dead", WAL), ("dead", "snapshot"), ("stopped", DATABASE)])
@pytest.mark.usefixtures("dead")
async def test_a_cut_file_is_told_in_one_line(tmp_path: Path, left: str, name: str) -> None:
    rng = random.Random(name)
    for attempt in range(30):
        folder = tmp_path / str(attempt)
        shutil.copytree(tmp_path / left, folder)
        path = file_of(folder, name)
        with path.open("rb+") as file:
            file.truncate(rng.randrange(path.stat().st_size) if attempt else 0)
        assert "\n" not in await refusal(folder)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", [DATABASE, "snapshot"])
async def test_a_missing_file_is_told_in_one_line(dead: Path, name: str) -> None:
    file_of(dead, name).unlink()
    assert "damaged" in await refusal(dead)


async def test_an_empty_folder_of_a_member_is_a_lost_one(tmp_path: Path) -> None:
    assert "it is empty, and this machine's log was in it" in await refusal(tmp_path / "raft")


async def test_an_older_copy_of_the_database_is_not_taken_for_the_newest(dead: Path) -> None:
    (dead / WAL).unlink()
    assert f"at least {BATCHES} acknowledged writes are gone from its end" in await refusal(dead)


async def test_a_rotten_frame_is_noticed_without_the_watermark(dead: Path) -> None:
    """After a power cut the watermark may be old; the frames that SQLite leaves out tell on their own."""
    (dead / WATERMARK).unlink()
    flip(dead / WAL, HEADER_BYTES + 10 * FRAME_BYTES + 500)
    found = await refusal(dead)
    assert "acknowledged writes are gone from its end" in found
    assert (dead / WATERMARK).stat().st_size > 0


async def test_a_rotten_head_of_the_log_is_noticed(dead: Path) -> None:
    flip(dead / WAL, 17)
    assert f"at least {BATCHES} acknowledged writes are gone" in await refusal(dead)


async def test_a_torn_last_batch_is_no_damage(dead: Path) -> None:
    """Power cut while the last batch was being written: its pages may arrive in any order, or not at all."""
    disk = SqliteDisk(dead)
    await disk.load()
    promised = (dead / WATERMARK).read_bytes()
    await disk.persist(Batch(entries=tuple(Entry(index, 2, b"x" * 3000) for index in range(37, 47))))
    torn = dead.parent / "torn"
    shutil.copytree(dead, torn)
    disk.close()
    (torn / WATERMARK).write_bytes(promised)
    flip(torn / WAL, HEADER_BYTES + 3 * FRAME_BYTES + 100)
    assert (await start(torn))[0] == whole()


async def test_an_older_crash_is_not_mistaken_for_rot(dead: Path) -> None:
    for _ in range(3):
        disk = SqliteDisk(dead)
        await disk.load()
        promised = (dead / WATERMARK).read_bytes()
        await disk.persist(Batch(entries=tuple(Entry(index, 2, b"x" * 3000) for index in range(37, 47))))
        torn = dead.parent / "torn"
        shutil.copytree(dead, torn)
        disk.close()
        (torn / WATERMARK).write_bytes(promised)
        flip(torn / WAL, HEADER_BYTES + 2 * FRAME_BYTES + 100)
        shutil.rmtree(dead)
        torn.rename(dead)
        assert (await start(dead))[0] == whole()


async def test_loss_is_accepted_only_when_asked_for(dead: Path) -> None:
    flip(dead / WAL, HEADER_BYTES + 10 * FRAME_BYTES + 500)
    await refusal(dead)
    log = SqliteLog(dead / DATABASE)
    contents = log.load(accept_loss=True)
    log.close()
    assert "acknowledged writes are gone" in await refusal(dead)  # it was only looked at
    log = SqliteLog(dead / DATABASE)
    log.load(accept_loss=True)
    log.persist(Batch())
    log.close()
    assert contents.entries == whole().entries[: len(contents.entries)]
    assert (await start(dead))[0] == contents


@pytest.mark.parametrize("key", ["format", "cluster_id", "node_id", "state", "snapshot"])
@pytest.mark.usefixtures("dead")
async def test_a_flipped_bit_in_a_vote_a_term_or_an_id_is_noticed(tmp_path: Path, key: str) -> None:
    """Such a row is a few bytes of a page without a checksum: chance would seldom hit it."""
    stopped = tmp_path / "stopped"
    with sqlite3.connect(stopped / DATABASE) as database:
        (value,) = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        offset = random.Random(key).randrange(len(value))
        flipped = value[:offset] + bytes([value[offset] ^ 1]) + value[offset + 1 :]
        database.execute("UPDATE meta SET value = ? WHERE key = ?", (flipped, key))
    database.close()
    assert f"the row '{key}' does not match its checksum" in await refusal(stopped)


@pytest.mark.parametrize(
    ("commits", "read", "lost"),
    [("ccc", 3, 0), ("ccc", 2, 0), ("ccc", 1, 1), ("ccc", 0, 2), ("..c..c", 1, 1), ("..c..c", 3, 0), ("c.-.", 0, 1)],
)
def test_durable_frames_behind_the_last_readable_one_are_counted(commits: str, read: int, lost: int) -> None:
    """`c` commits, `.` does not, `-` is a frame of another generation."""
    frames = wal.Frames(tuple(sign != "-" for sign in commits), tuple(sign == "c" for sign in commits))
    assert frames.lost_commits(read) == lost


def test_no_log_has_no_frames(tmp_path: Path) -> None:
    assert wal.scan(tmp_path / "none", SystemFiles()) == wal.Frames()
