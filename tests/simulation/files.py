"""Files that lose what was not synced, tear what was half written, and fail on order.

`Platter` is what a machine keeps; each life of its daemon sees it through a `Mount`, a `consensus.files.Files`. What is
written or renamed stands in the cache at once. A power cut keeps of it what was synced, and by chance more: any subset
of the sectors written since the file's last sync, and the first few of the changes of names since the folder's (as a
journalled file system does). A failed sync leaves in doubt what it was to sync, and never tries it again (Linux).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, cast

from tests.simulation.process import Killed

SECTOR_BYTES = 512
SYNC_SECONDS_MIN, SYNC_SECONDS_MAX = 0.000_3, 0.003
WRITE_SECONDS = 0.000_005


class Moment(Enum):
    """Where in a disk call a crash strikes."""

    BEFORE = "before"
    MIDDLE = "middle"
    AFTER = "after"


@dataclass
class Inode:
    """One file: what programs see, what is on the platter, and what was written between the two."""

    cache: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, bytes) written, or (size, None) truncated, in order."""

    def write(self, offset: int, content: bytes) -> None:
        _apply(self.cache, offset, content)
        self.unsynced.append((offset, content))

    def truncate(self, size: int) -> None:
        _apply(self.cache, size, None)
        self.unsynced.append((size, None))

    def sync(self) -> None:
        for offset, content in self.unsynced:
            _apply(self.platter, offset, content)
        self.unsynced.clear()

    def sync_by_chance(self, rng: random.Random, share: float) -> None:
        """Let each unsynced sector reach the platter with the chance `share`, and none later."""
        for offset, content in self.unsynced:
            if content is None:
                if rng.random() < share:
                    _apply(self.platter, offset, None)
                continue
            position = offset
            while position < offset + len(content):
                end = min((position // SECTOR_BYTES + 1) * SECTOR_BYTES, offset + len(content))
                if rng.random() < share:
                    _apply(self.platter, position, content[position - offset : end - offset])
                position = end
        self.unsynced.clear()


def _apply(image: bytearray, offset: int, content: bytes | None) -> None:
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    if content is None:
        del image[offset:]
    else:
        image[offset : offset + len(content)] = content


@dataclass
class Folder:
    names: dict[str, Inode] = field(default_factory=dict)
    platter: dict[str, Inode] = field(default_factory=dict)
    unsynced: list[Callable[[dict[str, Inode]], None]] = field(default_factory=list)

    def change(self, change: Callable[[dict[str, Inode]], None]) -> None:
        change(self.names)
        self.unsynced.append(change)

    def sync(self) -> None:
        self.platter = dict(self.names)
        self.unsynced.clear()


class Platter:
    """One machine's disk, through all lives of its daemon, and what is ordered to go wrong with it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.folders: dict[str, Folder] = {}
        self.calls = 0
        self.is_full = False
        self.sync_seconds_more = 0.0
        self.failing_writes = 0
        self.failing_syncs = 0
        self._crash_in = 0
        self._moment = Moment.BEFORE
        self._crash: Callable[[], None] = lambda: None

    def crash_in(self, calls: int, moment: Moment, crash: Callable[[], None]) -> None:
        """Order a crash at the `calls`-th changing call from now; `crash` is called as it strikes."""
        self._crash_in, self._moment, self._crash = calls, moment, crash

    def power_cut(self) -> None:
        """Keep what was synced, and of the rest what chance keeps."""
        self._crash_in = 0
        share = self.rng.choice((0.0, 0.5, 0.9, 1.0))
        for folder in self.folders.values():
            kept = self.rng.randint(0, len(folder.unsynced))
            for change in folder.unsynced[:kept]:
                change(folder.platter)
            for inode in _distinct((*folder.platter.values(), *folder.names.values())):
                inode.sync_by_chance(self.rng, share)
                inode.cache = bytearray(inode.platter)
            folder.names = dict(folder.platter)
            folder.unsynced.clear()

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.is_full = False
        self.sync_seconds_more = 0.0
        self.failing_writes = self.failing_syncs = self._crash_in = 0

    def call(self, perform: Callable[[], None], half: Callable[[], None] = lambda: None) -> None:
        """Make one changing call, of which a crash may leave nothing, half or all."""
        self.calls += 1
        self._crash_in -= 1
        if self._crash_in != 0:
            perform()
            return
        if self._moment is Moment.AFTER:
            perform()
        elif self._moment is Moment.MIDDLE:
            half()
        self._crash()
        raise Killed


def _distinct(inodes: tuple[Inode, ...]) -> list[Inode]:
    seen: dict[int, Inode] = {}
    for inode in inodes:
        seen.setdefault(id(inode), inode)
    return list(seen.values())


class Mount:
    """The files as one process sees them; once it is dead, nothing that it yet does has an effect."""

    def __init__(self, platter: Platter, connect: Callable[[Mount, Path], sqlite3.Connection]) -> None:
        self.platter = platter
        self.dead = False
        self.bugs: list[BaseException] = []
        self.errors = 0
        """How many of its calls failed on order."""
        self._connect = connect
        self._lag = 0.0
        self._locked: set[str] = set()
        self._connections: list[sqlite3.Connection] = []

    def take_lag(self) -> float:
        lag, self._lag = self._lag, 0.0
        return lag

    def release(self) -> None:
        """Free what the process held, without a trace on the platter."""
        self.dead = True
        for connection in self._connections:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        self._connections.clear()

    # `consensus.files.Files`.

    @contextlib.contextmanager
    def lock(self, folder: Path) -> Iterator[None]:
        self._folder(str(folder))
        if str(folder) in self._locked:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked")
        self._locked.add(str(folder))
        try:
            yield
        finally:
            self._locked.discard(str(folder))

    def open(self, path: Path, mode: str) -> BinaryIO:
        inode = self.inode(str(path), create=mode[0] in "wa")
        if mode[0] == "w":
            self.truncate(inode, 0)
        return cast("BinaryIO", FakeFile(self, inode, append=mode[0] == "a"))

    def sync(self, file: BinaryIO) -> None:
        self.sync_inode(cast("FakeFile", file).inode)

    def replace(self, old: Path, new: Path) -> None:
        folder = self._folder(str(old.parent))
        inode = folder.names[old.name]

        def rename(names: dict[str, Inode]) -> None:
            names.pop(old.name, None)
            names[new.name] = inode

        self._call(lambda: folder.change(rename))

    def sync_folder(self, folder: Path) -> None:
        self.sync_names(str(folder))

    def remove(self, path: Path) -> None:
        folder = self._folder(str(path.parent))
        if path.name in folder.names:
            self._call(lambda: folder.change(lambda names: names.pop(path.name, None) and None))

    def names(self, folder: Path) -> list[str]:
        return sorted(self._folder(str(folder)).names)

    def connect(self, path: Path) -> sqlite3.Connection:
        self.inode(str(path), create=True)
        connection = self._connect(self, path)
        self._connections.append(connection)
        return connection

    # What those and SQLite rest on.

    def inode(self, path: str, *, create: bool) -> Inode:
        folder_name, _, name = path.rpartition("/")
        folder = self._folder(folder_name)
        if name not in folder.names:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "No such file", path)
            inode = Inode()
            self._call(lambda: folder.change(lambda names: names.__setitem__(name, inode)))
        return folder.names.get(name) or Inode()

    def has(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return name in self._folder(folder).names

    def write(self, inode: Inode, offset: int, content: bytes) -> None:
        platter = self.platter
        self._lag += WRITE_SECONDS
        if not self.dead and platter.failing_writes:
            platter.failing_writes -= 1
            raise self._error(errno.EIO)
        if not self.dead and platter.is_full and offset + len(content) > len(inode.cache):
            raise self._error(errno.ENOSPC)
        half = content[: platter.rng.randrange(len(content) + 1)] if platter._crash_in == 1 else b""
        self._call(lambda: inode.write(offset, content), lambda: inode.write(offset, half))

    def truncate(self, inode: Inode, size: int) -> None:
        if len(inode.cache) != size:
            self._call(lambda: inode.truncate(size))

    def sync_inode(self, inode: Inode) -> None:
        platter = self.platter
        self._lag += platter.rng.uniform(SYNC_SECONDS_MIN, SYNC_SECONDS_MAX) + platter.sync_seconds_more
        if not self.dead and platter.failing_syncs:
            platter.failing_syncs -= 1
            inode.sync_by_chance(platter.rng, 0.5)
            raise self._error(errno.EIO)
        self._call(inode.sync, lambda: inode.sync_by_chance(platter.rng, 0.5))

    def sync_names(self, folder: str) -> None:
        self._lag += self.platter.rng.uniform(SYNC_SECONDS_MIN, SYNC_SECONDS_MAX)
        self._call(self._folder(folder).sync)

    def _error(self, number: int) -> OSError:
        self.errors += 1
        return OSError(number, os.strerror(number))

    def _folder(self, path: str) -> Folder:
        return self.platter.folders.setdefault(path, Folder())

    def _call(self, perform: Callable[[], None], half: Callable[[], None] = lambda: None) -> None:
        if self.dead:
            raise Killed
        self.platter.call(perform, half)


class FakeFile(io.RawIOBase):
    """An open file without a buffer of its own."""

    def __init__(self, mount: Mount, inode: Inode, *, append: bool) -> None:
        self.inode = inode
        self._mount = mount
        self._position = len(inode.cache) if append else 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self.inode.cache)}[whence]
        self._position = start + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        stop = len(self.inode.cache) if size is None or size < 0 else self._position + size
        content = bytes(self.inode.cache[self._position : stop])
        self._position += len(content)
        return content

    def write(self, content: Any, /) -> int:
        written = bytes(content)
        self._mount.write(self.inode, self._position, written)
        self._position += len(written)
        return len(written)
