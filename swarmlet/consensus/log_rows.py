"""The rows of the log's database: what each holds, sealed with a checksum that covers all of it.

SQLite's pages bear no checksums once they have left the write-ahead log, so a flipped bit in a term or a vote would
be believed. The row `state` is written in every transaction and says what else there must be: a row that is gone, or a
table that ends early, is noticed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from swarmlet.consensus import snapshot_file
from swarmlet.consensus.disk import NO_SNAPSHOT, Contents
from swarmlet.consensus.snapshot_file import Header
from swarmlet.raft.messages import Entry, EntryKind, HardState

FORMAT = "swarmlet-log/2"
FORMAT_KEY, CLUSTER_KEY, NODE_KEY, STATE_KEY, SNAPSHOT_KEY = "format", "cluster_id", "node_id", "state", "snapshot"
_KEYS = {FORMAT_KEY, CLUSTER_KEY, NODE_KEY, STATE_KEY, SNAPSHOT_KEY}

EntryRow = tuple[int, int, int, bytes, int]
"""position, term, kind, data, checksum."""
MetaRow = tuple[str, bytes]
"""key, sealed value."""

_place = struct.Struct(">qqb")
_crc = struct.Struct(">I")


class State(msgspec.Struct, frozen=True, array_like=True):
    """What the last transaction left. `serial` counts transactions; `last_index` is the log's, snapshot included."""

    serial: int = 0
    hard_state: HardState = HardState()
    last_index: int = 0
    snapshot_index: int = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def entry_row(entry: Entry) -> EntryRow:
    """Return the row of an entry."""
    return entry.index, entry.term, int(entry.kind), entry.data, _entry_checksum(entry)


def entries_after(snapshot: Header, rows: Iterable[EntryRow]) -> Iterator[Entry]:
    """Yield the entries of rows that follow the snapshot; raise `ValueError` at a gap or where one is not as written.

    Terms never go back.
    """
    index, term = snapshot.meta.index, snapshot.meta.term
    for position, entry_term, kind, data, checksum in rows:
        if position != index + 1 or entry_term < term:
            raise ValueError(f"entry {position} of term {entry_term} follows entry {index} of term {term}")
        try:
            entry = Entry(position, entry_term, data, EntryKind(kind))
        except ValueError as error:
            raise ValueError(f"entry {position} is of no known kind") from error
        if _entry_checksum(entry) != checksum:
            raise ValueError(f"entry {position} does not match its checksum")
        yield entry
        index, term = position, entry_term


def text_row(key: str, text: str) -> MetaRow:
    """Return the row of an id or of the format."""
    return _sealed(key, text.encode())


def state_row(state: State) -> MetaRow:
    """Return the row that every transaction writes."""
    return _sealed(STATE_KEY, _encoder.encode(state))


def snapshot_row(header: Header) -> MetaRow:
    """Return the row that names the current snapshot."""
    return _sealed(SNAPSHOT_KEY, snapshot_file.encode_header(header))


def opened(rows: Iterable[MetaRow]) -> dict[str, bytes]:
    """Return the values by their keys; raise `ValueError` where one is not as written, unknown or missing."""
    values = {key: _unsealed(key, value) for key, value in rows}
    if unknown := values.keys() - _KEYS:
        raise ValueError(f"unknown row {min(unknown)!r}")
    if values and STATE_KEY not in values:
        raise ValueError("the row of the state is missing")
    found = values.get(FORMAT_KEY, FORMAT.encode())
    if found != FORMAT.encode():
        raise ValueError(f"written by another version: {found.decode(errors='replace')}")
    if len(values.keys() & {FORMAT_KEY, CLUSTER_KEY, NODE_KEY}) not in (0, 3):
        raise ValueError("the row of an id is missing")
    return values


def state_of(values: Mapping[str, bytes]) -> State:
    """Return the state; of a database never used, the first."""
    return _decoder.decode(values[STATE_KEY]) if STATE_KEY in values else State()


def snapshot_of(values: Mapping[str, bytes]) -> Header:
    """Return the header of the current snapshot, if any."""
    return snapshot_file.decode_header(values[SNAPSHOT_KEY]) if SNAPSHOT_KEY in values else NO_SNAPSHOT


def check_whole(state: State, contents: Contents) -> None:
    """Raise `ValueError` where the log does not end, or its snapshot does not stand, where the state says."""
    snapshot = contents.snapshot.meta
    last = contents.entries[-1].index if contents.entries else snapshot.index
    if snapshot.index != state.snapshot_index:
        raise ValueError(f"the snapshot is at index {snapshot.index}, not {state.snapshot_index}")
    if last != state.last_index:
        raise ValueError(f"the log ends at index {last}, not {state.last_index}")


def _entry_checksum(entry: Entry) -> int:
    return zlib.crc32(entry.data, zlib.crc32(_place.pack(entry.index, entry.term, int(entry.kind))))


def _sealed(key: str, payload: bytes) -> MetaRow:
    return key, _crc.pack(zlib.crc32(payload, zlib.crc32(key.encode()))) + payload


def _unsealed(key: str, value: bytes) -> bytes:
    payload = value[_crc.size :]
    if _sealed(key, payload)[1] != value:
        raise ValueError(f"the row {key!r} does not match its checksum")
    return payload
