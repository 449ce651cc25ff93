"""The fake files: what they keep and lose, and that SQLite itself runs on them."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from tests.simulation import vfs
from tests.simulation.files import SECTOR_BYTES, Moment, Mount, Platter
from tests.simulation.process import Killed

FOLDER = Path("/data")
FILE = FOLDER / "file"


class Always(random.Random):
    """Chance that always loses what it may lose (0.0), or keeps it (1.0)."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self.share = share

    def choice(self, _seq):
        return self.share

    def randint(self, low: int, high: int) -> int:
        return high if self.share else low


def mounted(platter: Platter) -> Mount:
    return Mount(platter, vfs.connect)


@pytest.fixture
def platter() -> Platter:
    return Platter(Always(0.0))


def write(mount: Mount, content: bytes, path: Path = FILE, *, sync: bool) -> None:
    with mount.open(path, "wb") as file:
        file.write(content)
        if sync:
            mount.sync(file)


def content_of(platter: Platter, path: Path = FILE) -> bytes | None:
    try:
        return mounted(platter).open(path, "rb").read()
    except FileNotFoundError:
        return None


def test_what_is_synced_survives_a_power_cut(platter: Platter) -> None:
    mount = mounted(platter)
    write(mount, b"kept", sync=True)
    mount.sync_folder(FOLDER)
    platter.power_cut()
    assert content_of(platter) == b"kept"


def test_what_is_not_synced_may_be_lost(platter: Platter) -> None:
    mount = mounted(platter)
    write(mount, b"kept", sync=True)
    mount.sync_folder(FOLDER)
    write(mount, b"lost", sync=False)
    assert content_of(platter) == b"lost"
    platter.power_cut()
    assert content_of(platter) == b"kept"


def test_a_name_that_is_not_synced_may_be_lost(platter: Platter) -> None:
    mount = mounted(platter)
    write(mount, b"kept", sync=True)
    mount.sync_folder(FOLDER)
    write(mount, b"new", FOLDER / "aside", sync=True)
    mount.replace(FOLDER / "aside", FILE)
    assert content_of(platter) == b"new"
    platter.power_cut()
    assert content_of(platter) == b"kept"


def test_an_unsynced_write_may_be_torn_between_its_sectors() -> None:
    found = set()
    for seed in range(30):
        platter = Platter(random.Random(seed))
        mount = mounted(platter)
        write(mount, b"a" * 3 * SECTOR_BYTES, sync=True)
        mount.sync_folder(FOLDER)
        with mount.open(FILE, "rb+") as file:
            file.write(b"b" * 3 * SECTOR_BYTES)
        platter.power_cut()
        content = content_of(platter)
        assert content
        found.add(bytes(content[sector * SECTOR_BYTES] for sector in range(3)))
    assert {b"aaa", b"bbb"} < found
    assert b"aba" in found or b"bab" in found


def test_a_killed_process_leaves_what_it_wrote(platter: Platter) -> None:
    mount = mounted(platter)
    write(mount, b"written", sync=False)
    mount.dead = True
    assert content_of(platter) == b"written"
    with pytest.raises(Killed):
        write(mount, b"by a ghost", sync=False)
    assert content_of(platter) == b"written"


def test_a_failed_sync_is_never_made_good(platter: Platter) -> None:
    mount = mounted(platter)
    write(mount, b"", sync=True)
    mount.sync_folder(FOLDER)
    platter.failing_syncs = 1
    platter.rng.random = lambda: 0.99  # type: ignore[method-assign]
    with mount.open(FILE, "rb+") as file:
        file.write(b"doubtful")
        with pytest.raises(OSError, match="Input/output error"):
            mount.sync(file)
        mount.sync(file)
    assert content_of(platter) == b"doubtful"
    platter.power_cut()
    assert content_of(platter) == b""


def test_a_full_disk_refuses_what_grows(platter: Platter) -> None:
    mount = mounted(platter)
    write(mount, b"old", sync=True)
    platter.is_full = True
    with pytest.raises(OSError, match="No space left"):
        write(mount, b"more", FOLDER / "other", sync=False)


# SQLite on them.


def opened(platter: Platter) -> tuple[Mount, sqlite3.Connection]:
    mount = mounted(platter)
    database = mount.connect(FOLDER / "db")
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE IF NOT EXISTS t (x INTEGER)")
    return mount, database


def rows(platter: Platter) -> int:
    mount, database = opened(platter)
    count: int = database.execute("SELECT count(*) FROM t").fetchone()[0]
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    mount.release()
    return count


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("moment", Moment)
@pytest.mark.slow
def test_sqlite_keeps_what_it_committed_whatever_call_it_dies_at(moment: Moment, power: bool) -> None:
    for calls in range(1, 40):
        platter = Platter(random.Random(calls))
        mount, database = opened(platter)

        def crash(mount: Mount = mount, platter: Platter = platter) -> None:
            mount.dead = True
            if power:
                platter.power_cut()

        platter.crash_in(calls, moment, crash)
        committed = 0
        with contextlib.suppress(sqlite3.OperationalError):
            for _ in range(50):
                database.execute("INSERT INTO t VALUES (1)")
                committed += 1
        mount.release()
        assert mount.dead
        assert committed <= rows(platter) <= committed + 1
        assert not mount.bugs


def test_sqlite_says_when_the_disk_is_full(platter: Platter) -> None:
    mount, database = opened(platter)
    platter.is_full = True
    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.execute("INSERT INTO t VALUES (1)")
    mount.release()
