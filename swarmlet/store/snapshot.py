"""The store's state as a stream of bytes: a header, objects and requests in batches, an end.

Each record is a 4-byte big-endian length and MessagePack, so the stream may be cut anywhere on its way. Equal states
give equal bytes: objects stand in the order of their keys, requests in the order they came.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from swarmlet.errors import DiskError
from swarmlet.store import stamping
from swarmlet.store.commands import Key, Outcome
from swarmlet.store.replica import Stored

FORMAT = "swarmlet-store/1"
BATCH_BYTES = 256 * 1024
"""About the size of a chunk; one object larger than this makes a larger chunk."""
RECORD_BYTES_MAX = 16 * 1024 * 1024
REQUESTS_PER_BATCH = 256

Request = tuple[bytes, tuple[Outcome, ...]]

_length = struct.Struct(">I")


class _Header(msgspec.Struct, frozen=True, array_like=True, tag=0):
    format: str
    revision: int


class _Objects(msgspec.Struct, frozen=True, array_like=True, tag=1):
    rows: list[tuple[Key, int, bytes]]


class _Requests(msgspec.Struct, frozen=True, array_like=True, tag=2):
    rows: list[Request]


class _End(msgspec.Struct, frozen=True, array_like=True, tag=3):
    objects: int
    requests: int


_Record = _Header | _Objects | _Requests | _End

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Record] = msgspec.msgpack.Decoder(_Record)


@dataclass(frozen=True, slots=True)
class Capture:
    """A state that no longer changes: references only, made at once on the event loop."""

    revision: int
    objects: Sequence[Stored]
    requests: Sequence[Request]

    def encode_chunks(self) -> Iterator[bytes]:
        """Yield the snapshot in chunks; touches nothing that changes, so it may run in a thread."""
        yield _record(_Header(FORMAT, self.revision))
        for batch in self._object_batches():
            yield _record(_Objects(batch))
        for start in range(0, len(self.requests), REQUESTS_PER_BATCH):
            yield _record(_Requests(list(self.requests[start : start + REQUESTS_PER_BATCH])))
        yield _record(_End(len(self.objects), len(self.requests)))

    def _object_batches(self) -> Iterator[list[tuple[Key, int, bytes]]]:
        batch: list[tuple[Key, int, bytes]] = []
        size = 0
        for stored in self.objects:
            batch.append((stored.key, stored.revision, stored.json))
            size += len(stored.json)
            if size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


@dataclass(slots=True)
class Content:
    """A snapshot, read."""

    revision: int
    objects: list[Stored]
    requests: OrderedDict[bytes, tuple[Outcome, ...]]


def decode(chunks: Iterable[bytes]) -> Content:
    """Read a snapshot, however its bytes are cut; raise `DiskError` where they are no whole one of a known format."""
    try:
        return _content(_decoder.decode(record) for record in _records(chunks))
    except (msgspec.MsgspecError, ValueError) as error:
        raise DiskError(f"unreadable snapshot of the store: {error}") from error


def _content(records: Iterator[_Record]) -> Content:
    header = next(records, None)
    if not isinstance(header, _Header) or header.format != FORMAT:
        raise ValueError(f"not in the format {FORMAT}")
    content = Content(header.revision, [], OrderedDict())
    for record in records:
        match record:
            case _Objects(rows=objects):
                content.objects += [stamping.stored(*row, stamping.facts(row[0], row[2])) for row in objects]
            case _Requests(rows=requests):
                content.requests.update(requests)
            case _End() as end:
                _check_end(end, content)
                return content
            case _Header():
                raise ValueError("a second header")
    raise ValueError("the end is missing")


def _check_end(end: _End, content: Content) -> None:
    if (end.objects, end.requests) != (len(content.objects), len(content.requests)):
        raise ValueError(f"{end.objects} objects and {end.requests} requests expected, others found")


def _record(record: _Record) -> bytes:
    payload = _encoder.encode(record)
    return _length.pack(len(payload)) + payload


def _records(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the records' payloads, joining what was cut."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        start = 0
        while len(buffer) - start >= _length.size:
            (size,) = _length.unpack_from(buffer, start)
            if size > RECORD_BYTES_MAX:
                raise ValueError(f"a record of {size} bytes, over the limit of {RECORD_BYTES_MAX}")
            end = start + _length.size + size
            if end > len(buffer):
                break
            yield bytes(buffer[start + _length.size : end])
            start = end
        del buffer[:start]
