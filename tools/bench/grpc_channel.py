"""The least of gRPC that unary calls need, on asyncio: so that etcd is measured by its own protocol at little cost.

Against etcd's JSON gateway this saves the server a translation, and against a whole gRPC client library it saves the
client, which shares the machine with the servers, most of its work. Plain HTTP/2, header fields without Huffman coding
or a table; a call that fails has no message in its answer, and raises.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Self, cast

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW_BYTES = 1 << 30
"""What the server may send us without asking: more than a measurement takes, so that no window is ever refilled."""
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
INITIAL_WINDOW_SIZE = 4

_head = struct.Struct(">BHBBI")  # length (24 bits), type, flags, stream
_prefix = struct.Struct(">BI")  # gRPC: compressed or not, length


class GrpcError(Exception):
    """The call was refused, or the connection closed."""


class Channel(asyncio.Protocol):
    """One connection; any number of calls may be under way."""

    def __init__(self, authority: str) -> None:
        self._authority = authority
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._messages: dict[int, bytearray] = {}
        self._last_stream = -1
        self._window = 65_535
        self._widened = asyncio.Event()
        self._headers: dict[str, bytes] = {}

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        _, channel = await asyncio.get_running_loop().create_connection(lambda: cls(f"{host}:{port}"), host, port)
        return channel

    async def call(self, path: str, message: bytes) -> bytes:
        """Call `/service/Method` with an encoded message and return the encoded answer."""
        framed = _prefix.pack(0, len(message)) + message
        while self._window < len(framed):
            self._widened.clear()
            await self._widened.wait()
        self._window -= len(framed)
        if self._transport is None:
            raise GrpcError("the connection is closed")
        self._last_stream += 2
        stream = self._last_stream
        answer = self._answers[stream] = asyncio.get_running_loop().create_future()
        if path not in self._headers:
            self._headers[path] = self._header_block(path)
        headers = _frame(HEADERS, END_HEADERS, stream, self._headers[path])
        self._transport.write(headers + _frame(DATA, END_STREAM, stream, framed))
        return cast("bytes", await answer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _header_block(self, path: str) -> bytes:
        """Return the request's fields: POST and http from HPACK's static table, the others spelt."""
        fields = {":path": path, ":authority": self._authority, "content-type": "application/grpc", "te": "trailers"}
        spelt = (_text(name) + _text(value) for name, value in fields.items())
        return b"\x83\x86" + b"".join(b"\x00" + field for field in spelt)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, WINDOW_BYTES)
        widen = struct.pack(">I", WINDOW_BYTES)
        self._transport.write(PREFACE + _frame(SETTINGS, 0, 0, settings) + _frame(WINDOW_UPDATE, 0, 0, widen))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _head.size:
            high, low, kind, flags, stream = _head.unpack_from(self._buffer, start)
            end = start + _head.size + (high << 16 | low)
            if len(self._buffer) < end:
                break
            self._take(kind, flags, stream, bytes(self._buffer[start + _head.size : end]))
            start = end
        del self._buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(GrpcError(f"the connection closed: {exc}"))
        self._widened.set()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._transport is not None
        match kind:
            case 0:
                self._messages.setdefault(stream, bytearray()).extend(payload)
            case 1 if flags & END_STREAM:
                self._settle(stream)
            case 3:
                self._messages.pop(stream, None)
                self._settle(stream)
            case 4 if not flags & ACK:
                self._transport.write(_frame(SETTINGS, ACK, 0, b""))
            case 6 if not flags & ACK:
                self._transport.write(_frame(PING, ACK, 0, payload))
            case 7:
                self._transport.close()
            case 8 if stream == 0:
                self._window += int.from_bytes(payload, "big")
                self._widened.set()

    def _settle(self, stream: int) -> None:
        answer, message = self._answers.pop(stream), self._messages.pop(stream, bytearray())
        if answer.done():
            return
        if message:
            answer.set_result(bytes(message[_prefix.size :]))
        else:
            answer.set_exception(GrpcError("the server refused the call"))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _head.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


def _text(text: str) -> bytes:
    assert len(text) < 127, "one byte says the length"
    return bytes((len(text),)) + text.encode()
