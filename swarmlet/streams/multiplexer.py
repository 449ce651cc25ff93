"""A SPDY connection under way: drives `spdy.Connection` on a duplex of bytes, and gives each stream a pipe of its own.

One task runs `run`; any number of others read, write and end streams.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from swarmlet.streams import spdy
from swarmlet.streams.inbox import Inbox
from swarmlet.streams.spdy_headers import ProtocolError

GOODBYE_SECONDS_MAX = 5.0


class Duplex(Protocol):
    """A connection that carries bytes both ways."""

    async def read(self) -> bytes:
        """Return what came in next, b"" at its end; raise `ConnectionError` where it broke."""

    async def write(self, data: bytes) -> None:
        """Send, once the peer has room, where there is anything; raise `ConnectionError` where it broke."""


class Stream:
    """One stream; `headers` are those that it was opened with, names in lower case."""

    def __init__(self, multiplexer: Multiplexer, stream_id: int, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self._multiplexer = multiplexer
        self._id = stream_id
        self._inbox = Inbox()
        self._cut = False
        self._gone = asyncio.Event()

    async def read(self) -> bytes:
        """Return what the peer sent next, b"" where it sends nothing any more; raise where it gave the stream up."""
        data = await self._inbox.read()
        if not data and self._cut:
            raise ConnectionResetError("the stream was given up by the peer")
        return data

    async def write(self, data: bytes) -> None:
        """Send, once the peer has room; raise where it gave the stream up."""
        if self._gone.is_set():
            raise ConnectionResetError("the stream was given up by the peer")
        await self._multiplexer.send(self._id, data)

    async def end(self) -> None:
        """Send nothing any more; reading goes on."""
        await self._multiplexer.send(self._id, b"", end=True)

    async def give_up(self) -> None:
        """End both directions; fine where the connection is gone."""
        self._inbox.drop()
        with contextlib.suppress(ConnectionError):
            await self._multiplexer.reset(self._id)

    async def gone(self) -> None:
        """Return once the peer has given the stream up, or is gone."""
        await self._gone.wait()

    async def take(self, data: bytes) -> None:
        """Hand over what the peer sent."""
        await self._inbox.put(data)

    def ended(self) -> None:
        """The peer sends nothing any more."""
        self._inbox.end()

    def lost(self) -> None:
        """The peer has given the stream up, or is gone."""
        self._gone.set()
        self._cut = not self._inbox.ended
        self._inbox.end()


class Multiplexer:
    """The streams of one connection."""

    def __init__(self, duplex: Duplex, *, client: bool) -> None:
        self._duplex = duplex
        self._connection = spdy.Connection(client=client)
        self._streams: dict[int, Stream] = {}
        self._opened: asyncio.Queue[Stream | None] = asyncio.Queue(spdy.STREAMS_MAX + 1)
        self._sending = asyncio.Lock()
        self._answers_due = asyncio.Event()

    async def run(self) -> None:
        """Read the connection until it ends; then all streams have ended.

        Raises `ProtocolError` for a peer that breaks the rules and `ConnectionError` where the connection broke.
        """
        answering = asyncio.create_task(self._answer())
        try:
            while data := await self._duplex.read():
                for event in self._connection.receive(data):
                    await self._take(event)
                self._answers_due.set()
        finally:
            answering.cancel()
            for stream in self._streams.values():
                stream.lost()
            self._streams.clear()
            self._opened.put_nowait(None)

    async def streams(self) -> AsyncIterator[Stream]:
        """Yield each stream that the peer opens, accepted, until the connection ends."""
        while (stream := await self._opened.get()) is not None:
            yield stream

    async def open(self, headers: Mapping[str, str]) -> Stream:
        """Open a stream; raise `ConnectionError` where the connection broke."""
        async with self._sending:
            stream_id = self._connection.open(headers)
            stream = self._streams[stream_id] = Stream(self, stream_id, headers)
            await self._duplex.write(self._connection.take())
        return stream

    async def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send on a stream; where it is not open for that any more, nothing is sent."""
        async with self._sending:
            self._connection.send(stream_id, data, end=end)
            self._forget_if_over(stream_id)
            await self._duplex.write(self._connection.take())

    async def reset(self, stream_id: int) -> None:
        """Give up a stream."""
        async with self._sending:
            self._connection.reset(stream_id)
            self._forget_if_over(stream_id)
            await self._duplex.write(self._connection.take())

    async def go_away(self) -> None:
        """Say that this is the end, as far as the peer still listens."""
        async with asyncio.timeout(GOODBYE_SECONDS_MAX), self._sending:
            self._connection.go_away()
            await self._duplex.write(self._connection.take())

    async def _take(self, event: spdy.Event) -> None:
        if isinstance(event, spdy.StreamOpened):
            stream = self._streams[event.stream_id] = Stream(self, event.stream_id, event.headers)
            self._connection.reply(event.stream_id)
            if self._opened.qsize() >= spdy.STREAMS_MAX:
                raise ProtocolError("SPDY: streams are opened and given up faster than they are served")
            self._opened.put_nowait(stream)
        elif isinstance(event, spdy.DataReceived):
            if known := self._streams.get(event.stream_id):
                self._answers_due.set()  # whoever is to read this may wait for an answer of ours to something before it
                await known.take(event.data)
        elif isinstance(event, spdy.StreamEnded):
            if known := self._streams.get(event.stream_id):
                known.ended()
            self._forget_if_over(event.stream_id)
        elif isinstance(event, spdy.StreamReset) and (known := self._streams.pop(event.stream_id, None)):
            known.lost()

    def _forget_if_over(self, stream_id: int) -> None:
        if not self._connection.is_open(stream_id):
            self._streams.pop(stream_id, None)

    async def _answer(self) -> None:
        """Send what the codec answers by itself: apart from reading, so that two ends never wait for each other."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self._answers_due.wait()
                self._answers_due.clear()
                async with self._sending:
                    await self._duplex.write(self._connection.take())
