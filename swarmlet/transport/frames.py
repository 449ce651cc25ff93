"""The bytes of a link: frames of a 4-byte big-endian length and one MessagePack value."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""One frame holds at most a few appends of consensus, and each of those at most one entry over its own limit."""

_length = struct.Struct(">I")


class Send(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """A datagram: nobody answers."""

    channel: str
    payload: bytes


class Call(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A question; `number` is the asker's own name for it."""

    number: int
    method: str
    payload: bytes


class Reply(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The answer to a call."""

    number: int
    payload: bytes


class Fault(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The error that a call ended with; `error` names its class."""

    number: int
    error: str
    message: str


class Ping(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A question whether the other side is there."""


class Pong(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """It is."""


Frame = Send | Call | Reply | Fault | Ping | Pong

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """Return a frame's bytes, its length included."""
    buffer = bytearray(_length.size)
    _encoder.encode_into(frame, buffer, _length.size)
    _length.pack_into(buffer, 0, len(buffer) - _length.size)
    return bytes(buffer)


class Reader:
    """Puts the frames of a byte stream together again."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole now; raise `ValueError` at what is no frame or too large."""
        self._buffer += received
        start = 0
        try:
            while len(self._buffer) - start >= _length.size:
                (length,) = _length.unpack_from(self._buffer, start)
                if length > FRAME_BYTES_MAX:
                    raise ValueError(f"a frame of {length} bytes is over the limit of {FRAME_BYTES_MAX}")
                end = start + _length.size + length
                if len(self._buffer) < end:
                    break
                with memoryview(self._buffer) as view:
                    frame = _decoder.decode(view[start + _length.size : end])
                start = end
                yield frame
        finally:
            del self._buffer[:start]
