"""One SPDY/3.1 connection as a state machine: bytes in, events out; calls in, bytes out.

Flow control is TCP's: the clients that speak this (kubectl, and the Go libraries beneath it) know no WINDOW_UPDATE, so
who is slow to read stops reading the connection. Source: SPDY Protocol Draft 3.1, 2.2 and 2.6.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from swarmlet.streams.spdy_headers import Compressor, Decompressor, ProtocolError

CONTROL_BYTES_MAX = 64 * 1024
"""Of one control frame; the headers of a stream to a Pod take under a hundred."""
STREAMS_MAX = 1_024
"""Open at once on one connection; more are refused one by one."""
DATA_BYTES_MAX = 32 * 1024
"""Of a data frame that is sent; what is received may have any length, and is passed on as it comes."""

UNSENT_BYTES_MAX = 256 * 1024
"""Of answers that the peer does not read, before it is given up."""

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1
"""The flag of the last frame in one direction of a stream."""
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5

_CONTROL_BIT = 0x8000_0000
_ID_MASK = 0x7FFF_FFFF
_HEAD = struct.Struct(">LL")
_NUMBER = struct.Struct(">L")
_PAIR = struct.Struct(">LL")
_SYN_STREAM = struct.Struct(">LLH")


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream; it waits for `Connection.reply`."""

    stream_id: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StreamReplied:
    """The peer has accepted a stream of ours."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class DataReceived:
    stream_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer sends no more on a stream; it may still read."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The peer has given up a stream in both directions."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The peer opens and accepts no further stream."""


Event = StreamOpened | StreamReplied | DataReceived | StreamEnded | StreamReset | GoingAway


@dataclass(slots=True)
class _Stream:
    """What is still open of one stream."""

    ours: bool = True
    theirs: bool = True


@dataclass(slots=True)
class _Body:
    """The data frame that is being received."""

    stream_id: int
    left: int
    fin: bool


@dataclass(slots=True)
class Connection:
    """One end of a connection: `client` says which. What is to be sent gathers until `take`."""

    client: bool
    _streams: dict[int, _Stream] = field(default_factory=dict)
    _received: bytearray = field(default_factory=bytearray)
    _unsent: bytearray = field(default_factory=bytearray)
    _body: _Body | None = None
    _deflate: Compressor = field(default_factory=Compressor)
    _inflate: Decompressor = field(default_factory=Decompressor)
    _next_id: int = 0
    _last_of_peer: int = 0

    def __post_init__(self) -> None:
        self._next_id = 1 if self.client else 2

    def is_open(self, stream_id: int) -> bool:
        """Whether a stream is open in at least one direction."""
        return stream_id in self._streams

    # Receiving

    def receive(self, data: bytes) -> list[Event]:
        """Take what came in and return what it means.

        Raises `ProtocolError` where it means nothing, or asks for more answers than are taken.
        """
        if len(self._unsent) > UNSENT_BYTES_MAX:
            raise ProtocolError("SPDY: the peer asks for more answers than it reads")
        self._received += data
        return list(self._events())

    def _events(self) -> Iterator[Event]:
        while True:
            if self._body is not None:
                if not self._received and self._body.left:
                    return
                yield from self._take_body(self._body)
            elif len(self._received) < _HEAD.size:
                return
            else:
                first, second = _HEAD.unpack_from(self._received)
                flags, length = second >> 24, second & 0xFF_FFFF
                if not first & _CONTROL_BIT:
                    del self._received[: _HEAD.size]
                    self._body = _Body(first, length, bool(flags & FIN))
                    continue
                _check_control(first, length)
                if len(self._received) < _HEAD.size + length:
                    return
                payload = bytes(self._received[_HEAD.size : _HEAD.size + length])
                del self._received[: _HEAD.size + length]
                yield from self._control(first & 0xFFFF, flags, payload)

    def _take_body(self, body: _Body) -> Iterator[Event]:
        piece = bytes(self._received[: body.left])
        del self._received[: len(piece)]
        body.left -= len(piece)
        stream = self._streams.get(body.stream_id)
        if piece and stream is not None and stream.theirs:
            yield DataReceived(body.stream_id, piece)
        if not body.left:
            self._body = None
            if stream is None:
                self._reset(body.stream_id, INVALID_STREAM)
            elif body.fin:
                yield from self._end_theirs(body.stream_id)

    def _control(self, kind: int, flags: int, payload: bytes) -> Iterator[Event]:
        handlers: dict[int, Callable[[int, bytes], Iterator[Event]]] = {
            SYN_STREAM: self._on_open,
            SYN_REPLY: self._on_reply,
            RST_STREAM: self._on_reset,
            PING: self._on_ping,
            GOAWAY: self._on_going_away,
            HEADERS: self._on_headers,
        }
        handler = handlers.get(kind)  # what is not known, or is about windows, may be ignored
        if handler is not None:
            try:
                yield from handler(flags, payload)
            except struct.error as error:
                raise ProtocolError(f"SPDY: a control frame of type {kind} that is cut short") from error

    def _on_open(self, flags: int, payload: bytes) -> Iterator[Event]:
        stream_id = _SYN_STREAM.unpack_from(payload)[0] & _ID_MASK
        headers = self._inflate.decode(payload[_SYN_STREAM.size :])
        if stream_id % 2 == self._next_id % 2 or stream_id <= self._last_of_peer:
            raise ProtocolError(f"SPDY: stream {stream_id} cannot be opened by the peer, or not any more")
        self._last_of_peer = stream_id
        if len(self._streams) >= STREAMS_MAX:
            self._reset(stream_id, REFUSED_STREAM)
            return
        self._streams[stream_id] = _Stream()
        yield StreamOpened(stream_id, headers)
        if flags & FIN:
            yield from self._end_theirs(stream_id)

    def _on_reply(self, flags: int, payload: bytes) -> Iterator[Event]:
        (stream_id,) = _NUMBER.unpack_from(payload)
        self._inflate.decode(payload[_NUMBER.size :])
        if stream_id in self._streams:
            yield StreamReplied(stream_id)
            if flags & FIN:
                yield from self._end_theirs(stream_id)

    def _on_headers(self, flags: int, payload: bytes) -> Iterator[Event]:
        (stream_id,) = _NUMBER.unpack_from(payload)
        self._inflate.decode(payload[_NUMBER.size :])  # so that the next block can be read
        if flags & FIN and stream_id in self._streams:
            yield from self._end_theirs(stream_id)

    def _on_reset(self, _flags: int, payload: bytes) -> Iterator[Event]:
        stream_id, _status = _PAIR.unpack_from(payload)
        if self._streams.pop(stream_id, None) is not None:
            yield StreamReset(stream_id)

    def _on_ping(self, _flags: int, payload: bytes) -> Iterator[Event]:
        (number,) = _NUMBER.unpack_from(payload)
        if number % 2 != self._next_id % 2:
            self._put(PING, payload[: _NUMBER.size])
        yield from ()

    def _on_going_away(self, _flags: int, _payload: bytes) -> Iterator[Event]:
        yield GoingAway()

    def _end_theirs(self, stream_id: int) -> Iterator[Event]:
        stream = self._streams[stream_id]
        if stream.theirs:
            stream.theirs = False
            self._forget_if_over(stream_id)
            yield StreamEnded(stream_id)

    # Sending

    def take(self) -> bytes:
        """Return what is to be sent to the peer now."""
        data = bytes(self._unsent)
        self._unsent.clear()
        return data

    def open(self, headers: Mapping[str, str]) -> int:
        """Open a stream and return its id."""
        stream_id = self._next_id
        self._next_id += 2
        self._streams[stream_id] = _Stream()
        self._put(SYN_STREAM, _SYN_STREAM.pack(stream_id, 0, 0) + self._deflate.encode(headers))
        return stream_id

    def reply(self, stream_id: int) -> None:
        """Accept a stream that the peer opened."""
        self._put(SYN_REPLY, _NUMBER.pack(stream_id) + self._deflate.encode({}))

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send data, and with `end` nothing after it; on a stream that is not open for that, nothing is sent."""
        stream = self._streams.get(stream_id)
        if stream is None or not stream.ours:
            return
        pieces = [data[at : at + DATA_BYTES_MAX] for at in range(0, len(data), DATA_BYTES_MAX)]
        for piece in pieces or ([b""] if end else []):
            self._unsent += _HEAD.pack(stream_id, len(piece)) + piece
        if end:
            last = len(pieces[-1]) if pieces else 0
            at = len(self._unsent) - last - 4
            self._unsent[at] = FIN
            stream.ours = False
            self._forget_if_over(stream_id)

    def reset(self, stream_id: int) -> None:
        """Give up a stream in both directions."""
        if self._streams.pop(stream_id, None) is not None:
            self._reset(stream_id, CANCEL)

    def go_away(self) -> None:
        """Tell that no further stream is accepted."""
        self._put(GOAWAY, _PAIR.pack(self._last_of_peer, 0))

    def validate(self) -> None:
        """Check what always holds."""
        assert all(stream.ours or stream.theirs for stream in self._streams.values())
        assert len(self._received) < _HEAD.size + CONTROL_BYTES_MAX
        assert self._body is None or self._body.left > 0

    def _reset(self, stream_id: int, status: int) -> None:
        self._put(RST_STREAM, _PAIR.pack(stream_id, status))

    def _put(self, kind: int, payload: bytes) -> None:
        self._unsent += _HEAD.pack(_CONTROL_BIT | VERSION << 16 | kind, len(payload)) + payload

    def _forget_if_over(self, stream_id: int) -> None:
        stream = self._streams[stream_id]
        if not (stream.ours or stream.theirs):
            del self._streams[stream_id]


def _check_control(first: int, length: int) -> None:
    version = first >> 16 & 0x7FFF
    if version != VERSION:
        raise ProtocolError(f"SPDY: version {version}, not {VERSION}")
    if length > CONTROL_BYTES_MAX:
        raise ProtocolError(f"SPDY: a control frame of {length} bytes, over {CONTROL_BYTES_MAX}")
