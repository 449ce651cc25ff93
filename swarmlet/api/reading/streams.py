"""Watch over HTTP: what there is, then what changes, one JSON line each, until someone ends it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from aiohttp import HttpVersion11, web

from swarmlet.api import answers, queries, status
from swarmlet.api.bodies import JSON
from swarmlet.api.queries import ListOptions, WatchOptions
from swarmlet.api.reading import broadcasts, lines, selection
from swarmlet.api.reading.broadcasts import Interest, Shape
from swarmlet.api.reading.feeds import Feed
from swarmlet.api.reading.media import Form, accepted
from swarmlet.api.reading.reads import Reader
from swarmlet.api.reading.watches import Hub
from swarmlet.api.tables import table
from swarmlet.api.targets import NO_SUCH_RESOURCE, Target
from swarmlet.clock import Clock
from swarmlet.errors import CallerError, ExpiredError, NotFoundError, SwarmletError
from swarmlet.store.catalogue import Catalogue
from swarmlet.store.replica import Change, Replica, Stored

WRITE_SECONDS_MAX = 30.0
"""For which a reader may take nothing; then its connection is closed."""
WRITE_BYTES = 64 * 1024
"""Written at once to a reader that lags; the transport holds as much again."""
WRITES_PER_TURN = 16
"""Of watches that begin or lag, in one turn of the event loop: a hundred may begin at once."""
MAKING_SECONDS = 0.001
"""For which one of them looks through objects and makes lines in its turn."""

log = structlog.get_logger()

Event = tuple[str, Stored | None]
"""A type and its object; None where the watch is not to see it."""


class Streamer:
    """Serves watches from one `Hub`."""

    def __init__(self, *, replica: Replica, reader: Reader, hub: Hub, clock: Clock, rng: random.Random) -> None:
        self._view = replica.view
        self._catalogue = Catalogue(replica.view)
        self._reader = reader
        self._hub = hub
        self._clock = clock
        self._rng = rng
        self._turns = asyncio.Semaphore(WRITES_PER_TURN)

    async def watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a watch."""
        if request.version < HttpVersion11:
            raise CallerError("a watch needs HTTP/1.1")
        listing = queries.list_options(request.query)
        watching = queries.watch_options(request.query)
        interest = _interest(request, target, listing)
        await self._reader.catch_up(listing.resource_version)
        self._check_served(target)
        feed, beginning = self._open(interest, listing, watching)
        try:
            return await self._serve(_Stream(request, feed, self._turns), beginning, self._seconds(watching))
        finally:
            self._hub.release(interest, feed)

    def _check_served(self, target: Target) -> None:
        """Raise `NotFoundError` for a kind that went while the watch began: nothing would ever end it."""
        kind = target.kind
        if target.is_custom and self._catalogue.find(kind.group, kind.version, kind.plural) is None:
            raise NotFoundError(NO_SUCH_RESOURCE)

    def _open(self, interest: Interest, listing: ListOptions, watching: WatchOptions) -> tuple[Feed, Iterator[bytes]]:
        """Return a feed and the lines to send before its own: all that was before its first change."""
        try:
            backlog = self._backlog(interest, listing, watching)
        except ExpiredError as error:
            feed = self._hub.open(interest)
            feed.end("expired")
            return feed, iter((lines.event("ERROR", status.failure(error)),))
        feed = self._hub.open(interest, bookmarks=watching.allow_bookmarks)
        return feed, _pieces(backlog.lines(interest, feed, self._clock.now()), self._clock)

    async def _serve(self, stream: _Stream, beginning: Iterator[bytes], seconds: float) -> web.StreamResponse:
        request = stream.request
        response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
        response.enable_chunked_encoding()
        answers.add_warnings(response, request.get(answers.WARNINGS, ()))
        await response.prepare(request)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stream.run(beginning)
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await response.write_eof()
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        return response

    def _backlog(self, interest: Interest, listing: ListOptions, watching: WatchOptions) -> _Backlog:
        """Return what was until now; raise `ExpiredError` where that is not known any more."""
        revision = self._view.revision
        initial = watching.send_initial_events
        if initial or (initial is None and not listing.resource_version):
            end = revision if initial and watching.allow_bookmarks else None
            return _Backlog(self._view.list(interest.resource, interest.namespace), end_of_objects=end)
        return _Backlog(changes=self._view.changes_since(interest.resource, listing.resource_version or revision))

    def _seconds(self, watching: WatchOptions) -> float:
        """Return how long the watch may last: as asked, else long, and not the same for all."""
        if watching.timeout_seconds:
            return watching.timeout_seconds
        return queries.WATCH_SECONDS_MAX * self._rng.uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class _Backlog:
    """What was before the first change: objects and, where their end is to be told, their revision; or changes."""

    objects: Sequence[Stored] = ()
    end_of_objects: int | None = None
    changes: Iterable[Change] = ()

    def lines(self, interest: Interest, feed: Feed, now: datetime) -> Iterator[bytes]:
        """Yield the lines that tell it, framed, each made when it is wanted; b"" for what is not to be seen."""
        is_first = True
        for type_, stored in itertools.chain(self._objects(interest), self._events(interest)):
            if stored is None:
                yield b""
                continue
            yield interest.shape.line(type_, stored, now, is_first=is_first)
            is_first = feed.is_new = False
        if self.end_of_objects is not None:
            yield interest.shape.bookmark(self.end_of_objects, initial_events_end=True)

    def _objects(self, interest: Interest) -> Iterator[Event]:
        for stored in self.objects:
            yield "ADDED", stored if interest.selection.matches(stored) else None

    def _events(self, interest: Interest) -> Iterator[Event]:
        for change in self.changes:
            type_ = interest.type_of(change)
            yield type_, broadcasts.shown(type_, change) if type_ else None


class _Stream:
    """One watch that is under way."""

    def __init__(self, request: web.Request, feed: Feed, turns: asyncio.Semaphore) -> None:
        self.request = request
        self._feed = feed
        self._turns = turns

    async def run(self, beginning: Iterator[bytes]) -> None:
        """Send the beginning, then what the feed gives that does not flow by itself, until that is cut.

        However it ends, the feed writes nothing behind it: the connection is the next request's.
        """
        feed = self._feed
        transport = self._transport()
        transport.set_write_buffer_limits(high=WRITE_BYTES)
        try:
            await self._write(beginning)
            feed.flow(transport)
            while not feed.cut:
                await self._write(iter(lambda: feed.take(WRITE_BYTES), b""))
                await feed.wait()
            await self._tell_end(feed.cut)
        finally:
            feed.end("closed")

    async def _write(self, pieces: Iterator[bytes]) -> None:
        """Write to a reader who may be slow; a piece is made when its turn comes, and may be b""."""
        while True:
            async with self._turns:
                piece = next(pieces, None)
                if piece is None:
                    return
                if piece:
                    self._transport().write(piece)
                await asyncio.sleep(0)
            await self._drained()

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await self.request.writer.drain()
        except TimeoutError as error:
            raise ConnectionResetError("the reader of a watch takes nothing") from error

    async def _tell_end(self, why: str) -> None:
        """Tell why the stream ends, where the client has missed something by that and must list anew."""
        if why in ("closed", "expired", "redefined"):
            return
        log.info("watch_cut", path=self.request.path, reason=why)
        error = (
            SwarmletError("internal error; the daemon's log has the details")
            if why == "failed"
            else ExpiredError(f"The watch is cut ({why}): list again")
        )
        await self._write(iter((lines.event("ERROR", status.failure(error)),)))

    def _transport(self) -> asyncio.Transport:
        transport = self.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the reader of a watch is gone")
        return transport


def _interest(request: web.Request, target: Target, listing: ListOptions) -> Interest:
    wanted = accepted(request.headers.get("Accept", ""))
    include = table.include_of(request.query.get("includeObject", "")) if wanted.form is Form.TABLE else ""
    return Interest(
        shape=Shape(target.kind, wanted.form, wanted.version, include),
        namespace=target.namespace,
        name=target.name,
        label_selector=listing.label_selector,
        field_selector=listing.field_selector,
        selection=selection.of(target, listing),
    )


def _pieces(parts: Iterable[bytes], clock: Clock) -> Iterator[bytes]:
    """Join lines to what is written at once; b"" where none was found in the time that one turn has."""
    piece, size, begun = list[bytes](), 0, clock.monotonic()
    for part in parts:
        piece.append(part)
        size += len(part)
        if size >= WRITE_BYTES or clock.monotonic() - begun >= MAKING_SECONDS:
            yield b"".join(piece)
            piece, size, begun = [], 0, clock.monotonic()
    if piece:
        yield b"".join(piece)
