"""The channels of exec and attach as a client opened them: in a websocket's messages, or as SPDY streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from swarmlet.api.streaming import upgrades
from swarmlet.errors import CallerError
from swarmlet.streams import channels, outcome, websockets
from swarmlet.streams.inbox import Inbox
from swarmlet.streams.multiplexer import Multiplexer, Stream

STREAMS_SECONDS_MAX = 30.0
"""For which a client may take to open its streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which streams a client asked for; on a terminal there is no stderr, and a size."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class Remote(Protocol):
    """A client's end of a conversation."""

    async def run(self) -> None:
        """Take what the client sends, until it is gone."""

    async def read_input(self) -> bytes:
        """Return the next input, b"" at its end."""

    async def read_size(self) -> channels.Size | None:
        """Return the next size of the client's terminal; None where there will be none any more."""

    async def write(self, channel: int, data: bytes) -> None:
        """Send on a channel, where the client asked for it."""

    async def finish(self, status: bytes) -> None:
        """Tell how it ended, and that this was all."""


class WebsocketRemote:
    """A `Remote` on the channels of a websocket."""

    def __init__(self, websocket: web.WebSocketResponse, wanted: Wanted, protocol: str) -> None:
        self._websocket = websocket
        self._wanted = wanted
        self._closes = protocol == channels.V5
        self._input = Inbox()
        self._sizes: asyncio.Queue[channels.Size | None] = asyncio.Queue(1)

    async def run(self) -> None:
        first = channels.STDOUT if self._wanted.stdout else channels.STDERR if self._wanted.stderr else channels.ERROR
        await self._websocket.send_bytes(channels.message(first, b""))  # clients wait for it: the command is there
        try:
            while (text := await websockets.next_message(self._websocket)) is not None:
                await self._take(*channels.split(text))
        finally:
            self._input.end()
            _latest(self._sizes, None)

    async def _take(self, channel: int, data: bytes) -> None:
        if channel == channels.STDIN and self._wanted.stdin:
            await self._input.put(data)
        elif channel == channels.RESIZE and (size := channels.size(data)):
            _latest(self._sizes, size)
        elif channel == channels.CLOSE and self._closes and data[:1] == bytes((channels.STDIN,)):
            self._input.end()

    async def read_input(self) -> bytes:
        return await self._input.read()

    async def read_size(self) -> channels.Size | None:
        return await self._sizes.get()

    async def write(self, channel: int, data: bytes) -> None:
        if self._wanted.stdout if channel == channels.STDOUT else self._wanted.stderr:
            await websockets.send(self._websocket, channel, data)

    async def finish(self, status: bytes) -> None:
        await self._websocket.send_bytes(channels.message(channels.ERROR, status))


class SpdyRemote:
    """A `Remote` on SPDY streams, which the client opens one by one. `protocol` is what they speak."""

    def __init__(self, duplex: upgrades.RawDuplex, wanted: Wanted, protocol: str) -> None:
        self._multiplexer = Multiplexer(duplex, client=False)
        self._wanted = wanted
        self._plain_errors = protocol != channels.V4
        self._streams: dict[str, Stream] = {}
        self._opened = asyncio.Event()
        expected = {"error": True, "stdin": wanted.stdin, "stdout": wanted.stdout, "stderr": wanted.stderr}
        resizes = wanted.tty and protocol != channels.SPDY_EXEC_PROTOCOLS[-1]
        self._expected = {name for name, is_expected in (expected | {"resize": resizes}).items() if is_expected}
        self._sizes = bytearray()

    async def run(self) -> None:
        collecting = asyncio.create_task(self._collect())
        try:
            await self._multiplexer.run()
        finally:
            collecting.cancel()
            self._opened.set()

    async def _collect(self) -> None:
        async for stream in self._multiplexer.streams():
            name = stream.headers.get("streamtype", "")
            if name not in self._expected or name in self._streams:
                await stream.give_up()
                continue
            self._streams[name] = stream
            if len(self._streams) == len(self._expected):
                self._opened.set()

    async def _stream(self, name: str) -> Stream | None:
        """Return a stream once all that were asked for are open."""
        try:
            async with asyncio.timeout(STREAMS_SECONDS_MAX):
                await self._opened.wait()
        except TimeoutError:
            raise CallerError(f"the client did not open its streams in {STREAMS_SECONDS_MAX:g} s") from None
        return self._streams.get(name)

    async def read_input(self) -> bytes:
        stream = await self._stream("stdin")
        return b"" if stream is None else await stream.read()

    async def read_size(self) -> channels.Size | None:
        stream = await self._stream("resize")
        while stream is not None and (data := await stream.read()):
            *lines, rest = (bytes(self._sizes) + data).replace(b"}", b"}\n").split(b"\n")
            self._sizes[:] = rest[: channels.RESIZE_BYTES_MAX]
            if sizes := [size for line in lines if (size := channels.size(line))]:
                return sizes[-1]
        return None

    async def write(self, channel: int, data: bytes) -> None:
        stream = await self._stream("stdout" if channel == channels.STDOUT else "stderr")
        if stream is not None:
            await stream.write(data)

    async def finish(self, status: bytes) -> None:
        error = await self._stream("error")
        if error is not None:
            await error.write(self._told(status))
        for stream in self._streams.values():
            await stream.end()
        await self._multiplexer.go_away()

    def _told(self, status: bytes) -> bytes:
        """Before v4 an error is told as text, and success by none."""
        return status if not self._plain_errors else _text_of(status)


def _text_of(status: bytes) -> bytes:
    code, message = outcome.read(status)
    return b"" if code == 0 else message.encode()


def _latest(sizes: asyncio.Queue[channels.Size | None], size: channels.Size | None) -> None:
    """Only the latest size counts."""
    if sizes.full():
        sizes.get_nowait()
    sizes.put_nowait(size)
