"""A connection taken over from HTTP: the 101 written, and from then on bytes both ways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import structlog
from aiohttp import web

from swarmlet.clock import Clock
from swarmlet.streams import liveness

READ_BYTES = 64 * 1024
CLOSE_SECONDS_MAX = 5.0
LEFT_SECONDS_MAX = 5.0
"""For which a Pod may take what a client sent before it went."""

log = structlog.get_logger()


class RawDuplex:
    """A `multiplexer.Duplex` on the streams of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> bytes:
        return await self.reader.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        if data:
            self.writer.write(data)
            await self.writer.drain()


def head(headers: Mapping[str, str]) -> bytes:
    """Return the head of a 101."""
    lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.asynccontextmanager
async def raw(request: web.Request, answer: bytes, clock: Clock) -> AsyncIterator[RawDuplex]:
    """Answer a request with `answer`, the head of a 101, and take its connection over; it ends with the block.

    aiohttp knows nothing of the protocol that takes over its transport, so it is told when the connection is gone.
    """
    transport, http = request.transport, request.protocol
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the connection is gone")
    reader = asyncio.StreamReader(READ_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport.write(answer)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    try:
        async with watched(transport, clock, asyncio.current_task()):
            yield RawDuplex(reader, writer)
    finally:
        await _close(writer)
        http.connection_lost(None)


@contextlib.asynccontextmanager
async def websocket(
    request: web.Request, protocol: str, clock: Clock, *, message_bytes_max: int
) -> AsyncIterator[web.WebSocketResponse]:
    """Answer a request with a websocket of this protocol; it ends with the block, or at a message that is too large."""
    transport = request.transport
    response = web.WebSocketResponse(
        protocols=(protocol,), compress=False, max_msg_size=message_bytes_max, timeout=CLOSE_SECONDS_MAX
    )
    await response.prepare(request)
    assert transport is not None, "it was there to be answered on"
    try:
        async with watched(transport, clock, asyncio.current_task()):
            yield response
            await response.close()
    finally:
        if not response.closed:
            transport.abort()


@contextlib.asynccontextmanager
async def watched(
    transport: asyncio.WriteTransport, clock: Clock, serving: asyncio.Task[Any] | None = None
) -> AsyncIterator[None]:
    """Abort the connection, for as long as the block lasts, as soon as nobody is at its other end.

    `serving`: who is cancelled where the block lasts on: it may wait for a Pod that takes nothing.
    """

    async def watch() -> None:
        await liveness.until_lost(transport.get_extra_info("socket"), clock)
        if not transport.is_closing():
            log.info("stream_cut", reason="nobody is at its other end")
            transport.abort()
        if serving is not None:
            await clock.sleep(LEFT_SECONDS_MAX)
            serving.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close once what is written has gone, as far as the other end takes it."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
