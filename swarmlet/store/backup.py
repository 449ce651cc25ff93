"""A backup's plain bytes: what the cluster is, the store's snapshot, and a checksum over both.

A magic line, frames (4-byte big-endian length and bytes), an empty frame and the SHA-256 of all before it. The first
frame is the manifest in JSON, so that a person who has decrypted a backup can see what it is; the others are the
snapshot's chunks, each whole by itself. Encryption is put around it by who keeps it.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import msgspec

from swarmlet.errors import DiskError, InvalidError
from swarmlet.identity.incarnation import Incarnation
from swarmlet.store import snapshot
from swarmlet.store.snapshot import Capture

MAGIC = b"swarmlet-backup/1\n"
FRAME_BYTES_MAX = 64 * 1024 * 1024
_CUT = "it is cut off, or was never finished"

_length = struct.Struct(">I")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of. `incarnation` is the life of the cluster; `version` wrote it."""

    cluster_id: str
    incarnation: Incarnation
    taken: datetime
    node: str
    version: str
    revision: int
    objects: int


_manifests = msgspec.json.Decoder(Manifest)


def encode(manifest: Manifest, capture: Capture) -> Iterator[bytes]:
    """Yield a backup in pieces; like the capture's chunks, it may run in a thread."""
    digest = hashlib.sha256(MAGIC)
    yield MAGIC
    for frame in itertools.chain((msgspec.json.encode(manifest),), capture.encode_chunks(), (b"",)):
        framed = _length.pack(len(frame)) + frame
        digest.update(framed)
        yield framed
    yield digest.digest()


class Reader:
    """Takes a backup's bytes, however they are cut, and keeps what they add up to.

    `counts` are the objects by resource; `chunks` is the snapshot where it `keeps_chunks`. Only `finish` says that all
    of it was whole.
    """

    def __init__(self, *, keeps_chunks: bool = False) -> None:
        self.manifest: Manifest | None = None
        self.counts: Counter[str] = Counter()
        self.size = 0
        self.chunks: list[bytes] = []
        self._keeps_chunks = keeps_chunks
        self._buffer = bytearray()
        self._sha256 = hashlib.sha256()
        self._begun = False
        self._ended = False

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; raise `InvalidError` where they are no backup."""
        self.size += len(piece)
        self._buffer += piece
        if not self._begun and len(self._buffer) >= len(MAGIC):
            self._take_magic()
        while self._begun and not self._ended and (frame := self._next_frame()) is not None:
            self._take(frame)

    def finish(self) -> Manifest:
        """Return the manifest of a whole backup; raise `InvalidError` where it is cut off or damaged."""
        if not self._ended or self.manifest is None or len(self._buffer) < self._sha256.digest_size:
            raise InvalidError(_CUT)
        if bytes(self._buffer) != self._sha256.digest():
            raise InvalidError("its checksum does not match")
        if self.counts.total() != self.manifest.objects:
            raise InvalidError(f"it holds {self.counts.total()} objects and should hold {self.manifest.objects}")
        return self.manifest

    @property
    def sha256(self) -> str:
        """The checksum of what was read, in hexadecimal digits."""
        return self._sha256.hexdigest()

    def _take_magic(self) -> None:
        if self._buffer[: len(MAGIC)] != MAGIC:
            raise InvalidError("it is not a swarmlet backup of a known format")
        self._sha256.update(MAGIC)
        del self._buffer[: len(MAGIC)]
        self._begun = True

    def _next_frame(self) -> bytes | None:
        if len(self._buffer) < _length.size:
            return None
        (length,) = _length.unpack_from(self._buffer)
        if length > FRAME_BYTES_MAX:
            raise InvalidError("a frame has an impossible length")
        end = _length.size + length
        if len(self._buffer) < end:
            return None
        self._sha256.update(self._buffer[:end])
        frame = bytes(self._buffer[_length.size : end])
        del self._buffer[:end]
        return frame

    def _take(self, frame: bytes) -> None:
        if not frame:
            self._ended = True
        elif self.manifest is None:
            self.manifest = _manifest(frame)
        else:
            self._count(frame)
            if self._keeps_chunks:
                self.chunks.append(frame)

    def _count(self, frame: bytes) -> None:
        try:
            self.counts.update(key.resource for key in snapshot.keys(frame))
        except DiskError as error:
            raise InvalidError(str(error)) from error


def _manifest(frame: bytes) -> Manifest:
    try:
        return _manifests.decode(frame)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidError(f"its manifest cannot be read: {error}") from error
