"""The messages of a websocket, on either side of it: one by one, or as a duplex of bytes."""

from __future__ import annotations

from typing import Protocol

from aiohttp import WSMessage, WSMsgType

MESSAGE_BYTES_MAX = 8 * 1024 * 1024
"""Of one message that comes in: some clients send all of a file in one."""
SMALL_MESSAGE_BYTES_MAX = 256 * 1024
"""Of one that comes in by a connection that was opened while `ROOMY_MAX` others were open."""
ROOMY_MAX = 16
"""Connections that may send the large ones: a message is held whole, and once more until it is read. With 512 in all
that is 0.5 GiB at worst, where 8 GiB would be."""
PIECE_BYTES_MAX = 32 * 1024
"""Of one message that is sent."""


def message_bytes_max(open_streams: int) -> int:
    """Return how large a message may be that comes in by one of so many connections, the newest."""
    return MESSAGE_BYTES_MAX if open_streams <= ROOMY_MAX else SMALL_MESSAGE_BYTES_MAX


class Websocket(Protocol):
    """What aiohttp's client and server have in common."""

    async def receive(self) -> WSMessage:
        """Return the next message, or what tells the end."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, once the peer has room."""


class WebsocketDuplex:
    """A `multiplexer.Duplex` in the binary messages of a websocket."""

    def __init__(self, websocket: Websocket) -> None:
        self._websocket = websocket

    async def read(self) -> bytes:
        while (data := await next_message(self._websocket)) == b"":
            pass
        return data or b""

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), PIECE_BYTES_MAX):
            await self._websocket.send_bytes(data[at : at + PIECE_BYTES_MAX])


async def next_message(websocket: Websocket) -> bytes | None:
    """Return the next message, None where the websocket has ended."""
    message = await websocket.receive()
    if message.type is WSMsgType.BINARY:
        return bytes(message.data)
    if message.type is WSMsgType.TEXT:
        return str(message.data).encode()
    return None


async def send(websocket: Websocket, channel: int, data: bytes) -> None:
    """Send data on a channel, in as many messages as it takes."""
    for at in range(0, len(data), PIECE_BYTES_MAX):
        await websocket.send_bytes(bytes((channel,)) + data[at : at + PIECE_BYTES_MAX])
