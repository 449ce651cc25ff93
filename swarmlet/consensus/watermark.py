"""How far this machine's log was durable, told in a second place: a few bytes beside the database.

SQLite recovers a write-ahead log up to the first frame whose checksum is wrong and drops the rest without a word. That
is right for a torn last write, which nobody was told of; it is silent loss of votes and acknowledgements where a frame
in the middle has rotted. So each batch bears a serial number in the database, and after its commit the number is
written here, without an fsync of its own. A database that knows less than this has lost what it promised.

What it cannot see: after a power cut the number may be as old as the kernel's write-back; `wal` looks at the rest.
docs/decisions/0005 has the argument.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from swarmlet.consensus.files import Files

_MAGIC = b"swmark1\n"
_record = struct.Struct(">8sQI")


class Watermark:
    """The number in one file, opened by `read`. Every method blocks."""

    def __init__(self, path: Path, files: Files) -> None:
        self._path = path
        self._files = files
        self._file: BinaryIO | None = None

    def read(self) -> int:
        """Open the file and return its number; 0 where there is none, or where it is damaged itself."""
        if self._file is None:
            self._file = self._open()
        self._file.seek(0)
        return _decoded(self._file.read(_record.size + 1))

    def write(self, serial: int) -> None:
        """Replace the number in place, and wait for nothing."""
        assert self._file is not None, "read() comes first"
        self._file.seek(0)
        self._file.write(_encoded(serial))
        self._file.flush()

    def keep(self, serial: int) -> None:
        """Replace the number and wait for the disk: what was found out once must not have to be found out again."""
        self.write(serial)
        assert self._file is not None
        self._files.sync(self._file)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO:
        try:
            return self._files.open(self._path, "rb+")
        except FileNotFoundError:
            return self._files.open(self._path, "wb+")


def _encoded(serial: int) -> bytes:
    return _record.pack(_MAGIC, serial, zlib.crc32(serial.to_bytes(8, "big"), zlib.crc32(_MAGIC)))


def _decoded(content: bytes) -> int:
    if len(content) != _record.size:
        return 0
    serial: int = _record.unpack(content)[1]
    return serial if content == _encoded(serial) else 0
