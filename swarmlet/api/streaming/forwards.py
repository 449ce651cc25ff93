"""Ports of a Pod joined with a client's streams: pairs of SPDY streams, or pairs of a websocket's channels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import structlog
from aiohttp import web

from swarmlet.errors import SwarmletError
from swarmlet.runtime.sessions import READ_BYTES, Pipe
from swarmlet.streams import channels, websockets
from swarmlet.streams.inbox import Inbox
from swarmlet.streams.multiplexer import Duplex, Multiplexer, Stream

PORT_MAX = 65_535
UNPAIRED_MAX = 100

Dial = Callable[[int], Awaitable[Pipe]]

log = structlog.get_logger()


class Leg(Protocol):
    """One stream of the client's."""

    async def read(self) -> bytes:
        """Return what the client sent next, b"" where it sends nothing any more."""

    async def write(self, data: bytes) -> None:
        """Send, once the client has room."""

    async def end(self) -> None:
        """Send nothing any more."""

    async def give_up(self) -> None:
        """End both directions."""

    async def gone(self) -> None:
        """Return once the client takes nothing any more: a Pod that sends nothing would not learn of it."""


async def forward(port: int, data: Leg, error: Leg, dial: Dial, pod: str) -> None:
    """Carry one connection to a port, each direction until it ends; what goes wrong is told on `error`."""
    try:
        reader, writer = await dial(port)
    except SwarmletError as failure:
        await error.write(f"error forwarding port {port} to pod {pod}: {failure}".encode())
        await data.end()
        await error.end()
        return
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_up(data, writer))
            both.create_task(_while_taken(_down(reader, data), data))
        writer.close()
    except* OSError as broken:
        log.debug("forward_broken", pod=pod, port=port, reason=str(broken.exceptions[0]))
        await data.give_up()
    finally:
        if not writer.is_closing():
            writer.transport.abort()  # nobody waits for a Pod that reads no more
    await error.end()


async def _up(data: Leg, writer: asyncio.StreamWriter) -> None:
    while piece := await data.read():
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


async def _down(reader: asyncio.StreamReader, data: Leg) -> None:
    while piece := await reader.read(READ_BYTES):
        await data.write(piece)
    await data.end()


async def _while_taken(carrying: Coroutine[Any, Any, None], data: Leg) -> None:
    """Carry until that has ended, or nobody is there to carry to."""
    way, gone = asyncio.create_task(carrying), asyncio.create_task(data.gone())
    try:
        await asyncio.wait((way, gone), return_when=asyncio.FIRST_COMPLETED)
        if way.done():
            way.result()
    finally:
        for task in (way, gone):
            task.cancel()
        await asyncio.gather(way, gone, return_exceptions=True)


async def serve_streams(duplex: Duplex, dial: Dial, pod: str) -> None:
    """Serve pairs of SPDY streams, one `data` and one `error` to each connection, until the client is gone."""
    multiplexer = Multiplexer(duplex, client=False)
    reading = asyncio.create_task(multiplexer.run())
    try:
        async with asyncio.TaskGroup() as tasks:
            waiting: dict[str, Stream] = {}
            async for stream in multiplexer.streams():
                other = waiting.pop(stream.headers.get("requestid", ""), None)
                if other is not None and (pair := _pair(other, stream)):
                    tasks.create_task(_guarded(pair, dial, pod))
                elif _is_of_a_pair(stream) and len(waiting) < UNPAIRED_MAX:
                    waiting[stream.headers["requestid"]] = stream
                else:
                    await stream.give_up()
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, SwarmletError):
            await reading


def _is_of_a_pair(stream: Stream) -> bool:
    headers = stream.headers
    return headers.get("streamtype") in ("data", "error") and "requestid" in headers and bool(_port(headers))


def _pair(one: Stream, other: Stream) -> tuple[int, Stream, Stream] | None:
    """Return (port, data, error) of two streams of one request."""
    by_type = {each.headers.get("streamtype"): each for each in (one, other)}
    port = _port(one.headers)
    if port is None or set(by_type) != {"data", "error"}:
        return None
    return port, by_type["data"], by_type["error"]


def _port(headers: Mapping[str, str]) -> int | None:
    return port_of(headers.get("port", ""))


def port_of(text: str) -> int | None:
    """Read the number of a port; None for what is none."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(PORT_MAX))
    return int(text) if is_number and 0 < int(text) <= PORT_MAX else None


async def _guarded(pair: tuple[int, Stream, Stream], dial: Dial, pod: str) -> None:
    """One connection that breaks must not take the others with it."""
    port, data, error = pair
    with contextlib.suppress(OSError):
        await forward(port, data, error, dial, pod)


class _ChannelLeg:
    """A `Leg` on one channel of a websocket."""

    def __init__(self, websocket: web.WebSocketResponse, channel: int) -> None:
        self.inbox = Inbox()
        self._websocket = websocket
        self._channel = channel

    async def read(self) -> bytes:
        return await self.inbox.read()

    async def write(self, data: bytes) -> None:
        await websockets.send(self._websocket, self._channel, data)

    async def end(self) -> None:
        """There is no way to tell it: the websocket ends when all its ports have."""
        self.inbox.drop()

    async def give_up(self) -> None:
        self.inbox.drop()

    async def gone(self) -> None:
        """Nothing tells it: whoever serves the websocket ends all its ports with it."""
        await asyncio.Event().wait()


async def serve_channels(websocket: web.WebSocketResponse, ports: Sequence[int], dial: Dial, pod: str) -> None:
    """Serve two channels to each port, data and error, until all ports or the client have ended.

    The protocol has no half-close: a connection ends when either side of it does.
    """
    legs = [_ChannelLeg(websocket, channel) for channel in range(2 * len(ports))]
    for leg, port in zip(legs, (port for port in ports for _ in range(2)), strict=True):
        await leg.write(channels.port_greeting(port))
    forwards = [
        asyncio.create_task(forward(port, legs[2 * number], legs[2 * number + 1], dial, pod))
        for number, port in enumerate(ports)
    ]
    all_ended = asyncio.gather(*forwards, return_exceptions=True)
    reading = asyncio.create_task(_read_channels(websocket, legs))
    try:
        await asyncio.wait((all_ended, reading), return_when=asyncio.FIRST_COMPLETED)
    finally:
        reading.cancel()
        all_ended.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await all_ended


async def _read_channels(websocket: web.WebSocketResponse, legs: Sequence[_ChannelLeg]) -> None:
    while (text := await websockets.next_message(websocket)) is not None:
        channel, data = channels.split(text)
        if 0 <= channel < len(legs) and channel % 2 == 0:
            await legs[channel].inbox.put(data)
