"""Puts fake files under SQLite itself: a VFS, registered with ctypes in the library that Python's sqlite3 is linked to.

SQLite's own code decides what is written, synced and in what order; each of its calls goes to a `Mount`, which may lose
it, fail it, or die of it. https://www.sqlite.org/vfs.html
"""

from __future__ import annotations

import _sqlite3
import ctypes
import errno
import functools
import itertools
import sqlite3
import weakref
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_double, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

from tests.simulation.files import Inode, Mount
from tests.simulation.process import Killed

NAME = "simulated"
PATH_BYTES_MAX = 512
SECTOR_BYTES = 4096
POWERSAFE_OVERWRITE = 0x1000
OPEN_CREATE, OPEN_JOURNAL, OPEN_SUPER_JOURNAL, OPEN_WAL = 0x4, 0x800, 0x4000, 0x80000

OK, IOERR, NOT_FOUND, FULL, CANT_OPEN = 0, 10, 12, 13, 14
IOERR_SHORT_READ, IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE, IOERR_DELETE = (IOERR | n << 8 for n in (2, 3, 4, 6, 10))
IOERR_DELETE_NOENT = IOERR | 23 << 8


class File(ctypes.Structure):
    """`sqlite3_file`, and which of ours it is."""

    _fields_ = (("methods", c_void_p), ("number", c_int64))


class Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 1: no shared memory, so a write-ahead log needs locking_mode EXCLUSIVE."""

    _fields_ = (
        ("version", c_int),
        ("close", CFUNCTYPE(c_int, POINTER(File))),
        ("read", CFUNCTYPE(c_int, POINTER(File), c_void_p, c_int, c_int64)),
        ("write", CFUNCTYPE(c_int, POINTER(File), c_void_p, c_int, c_int64)),
        ("truncate", CFUNCTYPE(c_int, POINTER(File), c_int64)),
        ("sync", CFUNCTYPE(c_int, POINTER(File), c_int)),
        ("file_size", CFUNCTYPE(c_int, POINTER(File), POINTER(c_int64))),
        ("lock", CFUNCTYPE(c_int, POINTER(File), c_int)),
        ("unlock", CFUNCTYPE(c_int, POINTER(File), c_int)),
        ("check_reserved_lock", CFUNCTYPE(c_int, POINTER(File), POINTER(c_int))),
        ("file_control", CFUNCTYPE(c_int, POINTER(File), c_int, c_void_p)),
        ("sector_size", CFUNCTYPE(c_int, POINTER(File))),
        ("device_characteristics", CFUNCTYPE(c_int, POINTER(File))),
    )


class Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 1."""

    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("path_size", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("app_data", c_void_p),
        ("open", CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(File), c_int, POINTER(c_int))),
        ("delete", CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)),
        ("access", CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, POINTER(c_int))),
        ("full_pathname", CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_void_p)),
        ("dl_open", c_void_p),
        ("dl_error", c_void_p),
        ("dl_symbol", c_void_p),
        ("dl_close", c_void_p),
        ("randomness", CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)),
        ("sleep", CFUNCTYPE(c_int, c_void_p, c_int)),
        ("current_time", CFUNCTYPE(c_int, c_void_p, POINTER(c_double))),
        ("last_error", CFUNCTYPE(c_int, c_void_p, c_int, c_void_p)),
    )


class Opened:
    """A file that SQLite has open."""

    def __init__(self, mount: Mount, inode: Inode, folder: str, *, sync_folder: bool) -> None:
        self.mount = mount
        self.inode = inode
        self.folder = folder
        self.sync_folder = sync_folder


class FakeDrive:
    """Every callback of the VFS. A path is "/<number of the mount>/<path of the machine>"."""

    def __init__(self) -> None:
        self.mounts: weakref.WeakValueDictionary[int, Mount] = weakref.WeakValueDictionary()
        self.opened: dict[int, Opened] = {}
        self.numbers = itertools.count(1)
        self.kept: list[Any] = []

    # The VFS.

    def open(self, _vfs: Any, name: bytes | None, file: Any, flags: int, out_flags: Any) -> int:
        file.contents.methods = None
        if name is None:  # a temporary file: gone at a crash in any case
            opened = Opened(_nowhere(), Inode(), "", sync_folder=False)
        else:
            mount, path = self._place(name)
            create = bool(flags & OPEN_CREATE)
            if not create and not mount.has(path):
                return CANT_OPEN
            is_new_journal = create and bool(flags & (OPEN_JOURNAL | OPEN_SUPER_JOURNAL | OPEN_WAL))
            inode = mount.inode(path, create=create)
            opened = Opened(mount, inode, path.rpartition("/")[0], sync_folder=is_new_journal)
        number = next(self.numbers)
        self.opened[number] = opened
        file.contents.number = number
        file.contents.methods = ctypes.addressof(self.methods)
        if out_flags:
            out_flags[0] = flags
        return OK

    def delete(self, _vfs: Any, name: bytes, sync_folder: int) -> int:
        mount, path = self._place(name)
        if not mount.has(path):
            return IOERR_DELETE_NOENT
        mount.remove(Path(path))
        if sync_folder:
            mount.sync_names(path.rpartition("/")[0])
        return OK

    def access(self, _vfs: Any, name: bytes, _flags: int, answer: Any) -> int:
        mount, path = self._place(name)
        answer[0] = int(mount.has(path))
        return OK

    def full_pathname(self, _vfs: Any, name: bytes, size: int, answer: int) -> int:
        ctypes.memmove(answer, name + b"\0", min(len(name) + 1, size))
        return OK

    def randomness(self, _vfs: Any, size: int, answer: int) -> int:
        ctypes.memset(answer, 7, size)
        return size

    def sleep(self, _vfs: Any, microseconds: int) -> int:
        return microseconds

    def current_time(self, _vfs: Any, answer: Any) -> int:
        answer[0] = 2_461_041.5  # the Julian day of the simulation's first moment
        return OK

    def last_error(self, *_arguments: Any) -> int:
        return OK

    # An open file.

    def close(self, file: Any) -> int:
        self.opened.pop(file.contents.number, None)
        return OK

    def read(self, file: Any, answer: int, size: int, offset: int) -> int:
        content = bytes(self._at(file).inode.cache[offset : offset + size])
        ctypes.memmove(answer, content, len(content))
        if len(content) < size:
            ctypes.memset(answer + len(content), 0, size - len(content))
            return IOERR_SHORT_READ
        return OK

    def write(self, file: Any, content: int, size: int, offset: int) -> int:
        opened = self._at(file)
        opened.mount.write(opened.inode, offset, ctypes.string_at(content, size))
        return OK

    def truncate(self, file: Any, size: int) -> int:
        opened = self._at(file)
        opened.mount.truncate(opened.inode, size)
        return OK

    def sync(self, file: Any, _flags: int) -> int:
        opened = self._at(file)
        opened.mount.sync_inode(opened.inode)
        if opened.sync_folder:  # as the VFS of Unix: a new journal's name is synced with its first content
            opened.mount.sync_names(opened.folder)
            opened.sync_folder = False
        return OK

    def file_size(self, file: Any, answer: Any) -> int:
        answer[0] = len(self._at(file).inode.cache)
        return OK

    def check_reserved_lock(self, _file: Any, answer: Any) -> int:
        answer[0] = 0
        return OK

    def done(self, *_arguments: Any) -> int:
        return OK

    def _at(self, file: Any) -> Opened:
        return self.opened[file.contents.number]

    def _place(self, name: bytes) -> tuple[Mount, str]:
        _, number, path = name.decode().split("/", 2)
        return self.mounts[int(number)], "/" + path

    # Putting it together.

    def register(self) -> None:
        library = ctypes.CDLL(_sqlite3.__file__)
        try:
            register = library.sqlite3_vfs_register
        except AttributeError:
            raise SystemExit(
                "the simulator needs a Python whose sqlite3 module is linked to a shared libsqlite3 "
                f"(sqlite3_vfs_register is not to be found through {_sqlite3.__file__})"
            ) from None
        fixed = {"version": 1}
        self.methods = Methods(
            **fixed,
            **self._callbacks(Methods, {"write": IOERR_WRITE, "sync": IOERR_FSYNC, "truncate": IOERR_TRUNCATE}),
        )
        self.vfs = Vfs(
            **fixed,
            file_size=ctypes.sizeof(File),
            path_size=PATH_BYTES_MAX,
            name=NAME.encode(),
            **self._callbacks(Vfs, {"open": CANT_OPEN, "delete": IOERR_DELETE}, leave=("file_size",)),
        )
        if register(ctypes.byref(self.vfs), 0) != OK:
            raise SystemExit("SQLite refused the simulator's VFS")

    def _callbacks(
        self, structure: type[ctypes.Structure], codes: dict[str, int], leave: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        given = {
            "lock": self.done,
            "unlock": self.done,
            "sector_size": lambda _file: SECTOR_BYTES,
            "device_characteristics": lambda _file: POWERSAFE_OVERWRITE,
            "file_control": lambda *_arguments: NOT_FOUND,
        }
        callbacks: dict[str, Any] = {}
        for field in structure._fields_:
            name, kind = field[0], field[1]
            if name in leave or not (isinstance(kind, type) and issubclass(kind, ctypes._CFuncPtr)):  # type: ignore[attr-defined]
                continue
            work = given.get(name) or getattr(self, name)
            callbacks[name] = kind(self._guarded(work, codes.get(name, IOERR)))
        self.kept.append(callbacks)
        return callbacks

    def _guarded(self, work: Callable[..., int], code: int) -> Callable[..., int]:
        """Let an error of a fake file be SQLite's; nothing may be raised through C."""

        @functools.wraps(work)
        def guarded(*arguments: Any) -> int:
            try:
                return work(*arguments)
            except Killed:
                return code
            except OSError as error:
                return FULL if error.errno == errno.ENOSPC else code
            except BaseException as error:  # noqa: BLE001  a bug of the simulator, raised where it can be
                for mount in tuple(self.mounts.values()):
                    mount.bugs.append(error)
                return code

        return guarded


@functools.cache
def drive() -> FakeDrive:
    """Return the process's one drive, registered with SQLite when first asked for."""
    fake = FakeDrive()
    fake.register()
    return fake


@functools.cache
def _nowhere() -> Mount:
    import random  # noqa: PLC0415

    from tests.simulation.files import Platter  # noqa: PLC0415

    return Mount(Platter(random.Random(0)), connect)


def connect(mount: Mount, path: Path) -> sqlite3.Connection:
    """Open a database on fake files."""
    fake = drive()
    number = next(fake.numbers)
    fake.mounts[number] = mount
    return sqlite3.connect(f"file:/{number}{path}?vfs={NAME}", uri=True, isolation_level=None, check_same_thread=False)
