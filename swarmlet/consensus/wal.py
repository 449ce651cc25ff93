"""What a SQLite write-ahead log tells of frames that SQLite will not read: whether they are rotten or only torn.

With `synchronous=FULL` a transaction is begun only after the one before it is on disk, so a crash tears one
transaction at most, and its commit frame, if it is there at all, is the last of this generation. A frame of this
generation after a commit frame that SQLite does not reach therefore proves that something durable is gone. Leftovers
of an older crash cannot pretend so: the log is truncated whenever it is opened.
Source: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from swarmlet.consensus.files import Files

_header = struct.Struct(">8I")
_frame = struct.Struct(">6I")
_MAGICS = (0x377F0682, 0x377F0683)
PAGE_BYTES_MAX = 65_536
PAGE_BYTES_DEFAULT = 4_096


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a log, in their order: whether each is of its generation, and whether it commits."""

    current: tuple[bool, ...] = ()
    commits: tuple[bool, ...] = ()

    def lost_commits(self, read: int) -> int:
        """Return how many durable transactions lie at least behind the `read` frames that SQLite could use."""
        lost = committed = 0
        for is_current, commits in zip(self.current[read:], self.commits[read:], strict=True):
            if is_current:
                lost = committed
                committed += commits
        return lost


def scan(path: Path, files: Files) -> Frames:
    """Read the headers of a log's frames; no frames where there is no log."""
    try:
        with files.open(path, "rb") as file:
            header = file.read(_header.size)
            if len(header) < _header.size:
                return Frames()
            heads = []
            page_bytes = _page_bytes(header)
            while len(head := file.read(_frame.size)) == _frame.size:
                heads.append(_frame.unpack(head))
                file.seek(page_bytes, 1)
    except FileNotFoundError:
        return Frames()
    fields = _header.unpack(header)
    if not _is_whole(fields):
        return Frames()  # it may be torn itself, over frames of an older generation: the watermark must tell
    salts = fields[4:6]
    return Frames(tuple(head[2:4] == salts for head in heads), tuple(head[1] != 0 for head in heads))


def _page_bytes(header: bytes) -> int:
    size: int = _header.unpack(header)[2]
    is_power_of_two = size & (size - 1) == 0
    return size if is_power_of_two and 512 <= size <= PAGE_BYTES_MAX else PAGE_BYTES_DEFAULT


def _is_whole(fields: tuple[int, ...]) -> bool:
    """Whether a header bears its own checksum, computed in the byte order that its magic number names."""
    if fields[0] not in _MAGICS:
        return False
    words = struct.unpack("<6I" if fields[0] == _MAGICS[0] else ">6I", struct.pack(">6I", *fields[:6]))
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return (first, second) == fields[6:8]
