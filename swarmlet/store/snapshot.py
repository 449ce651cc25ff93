"""The store's state as a stream of bytes: a header, objects, requests and history in batches, an end.

Each record is a 4-byte big-endian length and MessagePack, so the stream may be cut anywhere on its way. Equal states
give equal bytes: objects stand in the order of their keys, requests and history in the order they came.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from swarmlet.errors import DiskError
from swarmlet.store import stamping
from swarmlet.store.commands import Key, Outcome
from swarmlet.store.history import Entry, History
from swarmlet.store.replica import Stored
from swarmlet.store.tables import Tables

FORMAT = "swarmlet-store/2"
FORMAT_WITHOUT_HISTORY = "swarmlet-store/1"
"""Read, too: then the history begins with the snapshot."""
BATCH_BYTES = 256 * 1024
"""About the size of a chunk; one object larger than this makes a larger chunk."""
BATCH_OBJECTS_MAX = 512
"""However small: what a chunk costs to read depends on their number, too."""
RECORD_BYTES_MAX = 16 * 1024 * 1024
REQUESTS_PER_BATCH = 256
ENTRIES_PER_BATCH = 512

Request = tuple[bytes, tuple[Outcome, ...]]
Item = TypeVar("Item")

_length = struct.Struct(">I")


class _Header(msgspec.Struct, frozen=True, array_like=True, tag=0):
    format: str
    revision: int
    history_floor: int = 0


class _Objects(msgspec.Struct, frozen=True, array_like=True, tag=1):
    rows: list[tuple[Key, int, bytes]]


class _Requests(msgspec.Struct, frozen=True, array_like=True, tag=2):
    rows: list[Request]


class _End(msgspec.Struct, frozen=True, array_like=True, tag=3):
    objects: int
    requests: int
    entries: int = 0


class _History(msgspec.Struct, frozen=True, array_like=True, tag=4):
    rows: list[Entry]


_Record = _Header | _Objects | _Requests | _End | _History

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Record] = msgspec.msgpack.Decoder(_Record)


@dataclass(frozen=True, slots=True)
class Capture:
    """A state that no longer changes: references only, made at once on the event loop."""

    revision: int
    objects: Sequence[Stored]
    requests: Sequence[Request]
    history_floor: int
    history: Sequence[Entry]

    def encode_chunks(self) -> Iterator[bytes]:
        """Yield the snapshot in chunks; touches nothing that changes, so it may run in a thread."""
        yield _record(_Header(FORMAT, self.revision, self.history_floor))
        for objects in _batches(self.objects, lambda stored: len(stored.json), BATCH_OBJECTS_MAX):
            yield _record(_Objects([(stored.key, stored.revision, stored.json) for stored in objects]))
        for start in range(0, len(self.requests), REQUESTS_PER_BATCH):
            yield _record(_Requests(list(self.requests[start : start + REQUESTS_PER_BATCH])))
        for entries in _batches(self.history, lambda entry: entry.weight, ENTRIES_PER_BATCH):
            yield _record(_History(entries))
        yield _record(_End(len(self.objects), len(self.requests), len(self.history)))


def _batches(items: Iterable[Item], size_of: Callable[[Item], int], number_max: int) -> Iterator[list[Item]]:
    """Cut items into batches of about `BATCH_BYTES`."""
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += size_of(item)
        if size >= BATCH_BYTES or len(batch) >= number_max:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Restoration:
    """A snapshot that is being read, a chunk at a time, into tables of its own: nobody sees them before all is there.

    However long the whole takes, one chunk of `encode_chunks` takes a few milliseconds.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.tables = Tables()
        self.requests: OrderedDict[bytes, tuple[Outcome, ...]] = OrderedDict()
        self.history = History()
        self._objects = 0
        self._buffer = bytearray()
        self._is_begun = False
        self._is_whole = False

    def add(self, chunk: bytes) -> None:
        """Read the next bytes, however they are cut; raise `DiskError` where they are no snapshot of a known format."""
        self._buffer += chunk
        try:
            for payload in _taken_records(self._buffer):
                self._take(_decoder.decode(payload))
        except (msgspec.MsgspecError, ValueError) as error:
            raise _unreadable(str(error)) from error

    def check_whole(self) -> None:
        """Raise `DiskError` unless all of the snapshot was there."""
        if not self._is_whole:
            raise _unreadable("the end is missing")

    def _take(self, record: _Record) -> None:
        if self._is_whole:
            raise ValueError("something follows the end")
        if isinstance(record, _Header) == self._is_begun:
            raise ValueError("a second header" if self._is_begun else f"not in the format {FORMAT}")
        match record:
            case _Header():
                self._begin(record)
            case _Objects(rows=objects):
                for key, revision, json in objects:
                    self.tables.place(None, stamping.stored(key, revision, json, stamping.facts(key, json)))
                self._objects += len(objects)
            case _Requests(rows=requests):
                self.requests.update(requests)
            case _History(rows=entries):
                self.history.restore(entries)
            case _End():
                self._end(record)

    def _begin(self, header: _Header) -> None:
        if header.format not in (FORMAT, FORMAT_WITHOUT_HISTORY):
            raise ValueError(f"not in the format {FORMAT}")
        self._is_begun = True
        self.revision = header.revision
        self.history.floor = header.history_floor if header.format == FORMAT else header.revision

    def _end(self, end: _End) -> None:
        if (end.objects, end.requests, end.entries) != (self._objects, len(self.requests), len(self.history)):
            raise ValueError(
                f"{end.objects} objects, {end.requests} requests and {end.entries} entries expected, others found"
            )
        self._is_whole = True


def keys(chunk: bytes) -> Iterator[Key]:
    """Yield the keys of the objects in one chunk of `encode_chunks`; raise `DiskError` where it is none."""
    try:
        for payload in _taken_records(bytearray(chunk)):
            record = _decoder.decode(payload)
            if isinstance(record, _Objects):
                yield from (key for key, _, _ in record.rows)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _unreadable(str(error)) from error


def _unreadable(why: str) -> DiskError:
    return DiskError(f"unreadable snapshot of the store: {why}")


def _record(record: _Record) -> bytes:
    payload = _encoder.encode(record)
    return _length.pack(len(payload)) + payload


def _taken_records(buffer: bytearray) -> Iterator[bytes]:
    """Yield the payloads of the records that are whole, and take them out of the buffer."""
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
