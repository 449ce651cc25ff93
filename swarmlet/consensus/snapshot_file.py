"""Snapshot files: written aside, synced, renamed; read back only with a checksum that holds.

A file is a magic line, frames (4-byte big-endian length and bytes), an empty frame and the SHA-256 of all before it.
The first frame is the header, the others are the store's chunks. A file travels to other nodes as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from swarmlet.consensus import damage
from swarmlet.consensus.files import Files, SystemFiles
from swarmlet.errors import InvalidError
from swarmlet.raft.messages import SnapshotMeta

MAGIC = b"swarmlet-snapshot/1\n"
FRAME_BYTES_MAX = 64 * 1024 * 1024
PREFIX = "snapshot-"
INCOMING = "incoming"

_length = struct.Struct(">I")


class Header(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot stands for: its place in the log, who belongs, where they listen and why in that role."""

    meta: SnapshotMeta
    addresses: dict[str, str]
    reasons: dict[str, str] = {}


_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder(Header)


def encode_header(header: Header) -> bytes:
    return _encoder.encode(header)


def decode_header(content: bytes) -> Header:
    """Read a header; raise `msgspec.MsgspecError` where it is none."""
    return _decoder.decode(content)


class SnapshotFolder:
    """The snapshot files of one data folder. Every method blocks; the disk calls them in a thread of its own."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        self._folder = folder
        self._files = files or SystemFiles()

    def path(self, meta: SnapshotMeta) -> Path:
        return self._folder / f"{PREFIX}{meta.index:020}-{meta.term}"

    def write(self, header: Header, chunks: Iterable[bytes]) -> None:
        """Make a snapshot durable under its own name; the log still says which one counts."""
        path = self.path(header.meta)
        aside = path.with_suffix(".partial")
        digest = hashlib.sha256(MAGIC)
        with self._files.open(aside, "wb") as file:
            file.write(MAGIC)
            for frame in itertools.chain((encode_header(header),), filter(None, chunks), (b"",)):
                framed = _length.pack(len(frame)) + frame
                digest.update(framed)
                file.write(framed)
            file.write(digest.digest())
            self._files.sync(file)
        self._publish(aside, path)

    def open(self, meta: SnapshotMeta) -> BinaryIO:
        """Open a snapshot to be sent; it stays readable when a newer one replaces it."""
        return self._files.open(self.path(meta), "rb")

    def read(self, meta: SnapshotMeta) -> Iterator[bytes]:
        """Yield the store's chunks; raise `DiskError`, at the latest after the last one, where the file is damaged."""
        with self._whole(meta) as file:
            frames = _frames(file)
            next(frames)
            yield from frames

    def header(self, meta: SnapshotMeta) -> Header:
        """Verify a snapshot's file and return its header; raise `DiskError` where it is damaged."""
        with self._whole(meta) as file:
            return _verified_header(file)

    @contextlib.contextmanager
    def _whole(self, meta: SnapshotMeta) -> Iterator[BinaryIO]:
        """Open a snapshot to be read; what is wrong with it is told as damage."""
        path = self.path(meta)
        try:
            with self._files.open(path, "rb") as file:
                yield file
        except (OSError, ValueError) as error:
            finding = "it is missing" if isinstance(error, FileNotFoundError) else str(error)
            raise damage.damaged(path, finding) from error

    # Receiving.

    def receive(self, meta: SnapshotMeta, offset: int, piece: bytes) -> int:
        """Append a piece to the file that is arriving; return how many bytes of it are here."""
        path = self._incoming(meta)
        self._forget_other_incoming(path)
        with self._files.open(path, "ab") as file:
            held = file.tell()
            if offset == held and piece:
                file.write(piece)
                held += len(piece)
        return held

    def accept(self, meta: SnapshotMeta) -> Header:
        """Verify what arrived and make it durable; raise `InvalidError`, and forget it, where it is damaged."""
        path = self._incoming(meta)
        try:
            with self._files.open(path, "rb+") as file:
                header = _verified_header(file)
                self._files.sync(file)
        except ValueError as error:
            self._files.remove(path)
            raise InvalidError(f"the snapshot at index {meta.index} arrived damaged: {error}") from error
        if header.meta != meta:
            self._files.remove(path)
            raise InvalidError(f"expected a snapshot of {meta}, not of {header.meta}")
        self._publish(path, self.path(meta))
        return header

    def prune(self, current: SnapshotMeta) -> None:
        """Remove the snapshots older than the current one; a newer one may be about to be installed."""
        for path in self._found(PREFIX):
            if path.name < self.path(current).name:
                self._files.remove(path)

    def clean(self, current: SnapshotMeta) -> None:
        """After a crash: remove every file that the log does not point to."""
        for path in (*self._found(PREFIX), *self._found(INCOMING)):
            if path != self.path(current):
                self._files.remove(path)

    def _incoming(self, meta: SnapshotMeta) -> Path:
        return self._folder / f"{INCOMING}-{meta.index:020}-{meta.term}"

    def _forget_other_incoming(self, path: Path) -> None:
        for other in self._found(INCOMING):
            if other != path:
                self._files.remove(other)

    def _found(self, prefix: str) -> list[Path]:
        return [self._folder / name for name in self._files.names(self._folder) if name.startswith(prefix)]

    def _publish(self, aside: Path, path: Path) -> None:
        self._files.replace(aside, path)
        self._files.sync_folder(self._folder)


def _frames(file: BinaryIO) -> Iterator[bytes]:
    """Yield the header's frame and the chunks; raise `ValueError` where the file is not whole."""
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("not a snapshot of a known format")
    digest = hashlib.sha256(MAGIC)
    while True:
        prefix = _exactly(file, _length.size)
        (length,) = _length.unpack(prefix)
        if length > FRAME_BYTES_MAX:
            raise ValueError("a frame has an impossible length")
        frame = _exactly(file, length)
        digest.update(prefix)
        digest.update(frame)
        if not frame:
            break
        yield frame
    if file.read(digest.digest_size + 1) != digest.digest():
        raise ValueError("the checksum does not match")


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise ValueError("the end is missing")
    return content


def _verified_header(file: BinaryIO) -> Header:
    frames = _frames(file)
    try:
        header = decode_header(next(frames, b""))
    except msgspec.MsgspecError as error:
        raise ValueError("unreadable header") from error
    for _ in frames:
        pass
    return header
