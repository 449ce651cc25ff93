"""Watch over HTTP: what there is, then what changes, one JSON line each, until someone ends it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

import structlog
from aiohttp import web

from swarmlet.api import answers, queries, status
from swarmlet.api.bodies import JSON
from swarmlet.api.queries import ListOptions, WatchOptions
from swarmlet.api.reading import documents, selection, versions
from swarmlet.api.reading.media import Form, accepted
from swarmlet.api.reading.reads import Reader
from swarmlet.api.reading.selection import Selection
from swarmlet.api.reading.watches import Feed, Hub
from swarmlet.api.tables import table
from swarmlet.api.targets import Target
from swarmlet.errors import ExpiredError, SwarmletError
from swarmlet.store import stamping
from swarmlet.store.replica import Change, Replica, Stored

BOOKMARK_SECONDS = 45.0
WRITE_SECONDS_MAX = 30.0
"""For which a reader may take nothing; then its connection is closed."""
EVENTS_PER_WRITE_MAX = 500

log = structlog.get_logger()

Render = Callable[[Stored], bytes]
Event = tuple[str, Stored]


class Streamer:
    """Serves watches from one `Hub`."""

    def __init__(self, *, replica: Replica, reader: Reader, hub: Hub, rng: random.Random) -> None:
        self._view = replica.view
        self._reader = reader
        self._hub = hub
        self._rng = rng

    async def watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a watch."""
        listing = queries.list_options(request.query)
        watching = queries.watch_options(request.query)
        chosen = selection.of(target, listing)
        render = self._render(request, target)
        await self._reader.catch_up(listing.resource_version)
        response = web.StreamResponse(headers={"Content-Type": JSON, "Cache-Control": "no-cache, private"})
        response.enable_chunked_encoding()
        answers.add_warnings(response, request.get(answers.WARNINGS, ()))
        stream = _Stream(target, chosen, render, response)
        async with self._feed(target, chosen.name) as feed:
            backlog = self._backlog(target, listing, watching, chosen)
            await response.prepare(request)
            try:
                await stream.run(feed, backlog, watching, lambda: self._view.revision, self._seconds(watching))
                await response.write_eof()
            except ConnectionError:
                if request.transport is not None:
                    request.transport.abort()
        return response

    @contextlib.asynccontextmanager
    async def _feed(self, target: Target, name: str) -> AsyncIterator[Feed]:
        feed = self._hub.open(target.kind.resource, target.namespace, name)
        try:
            yield feed
        finally:
            self._hub.release(target.kind.resource, feed)

    def _backlog(
        self, target: Target, listing: ListOptions, watching: WatchOptions, chosen: Selection
    ) -> _Backlog | ExpiredError:
        """Return what the stream begins with, all of it before the feed's first change: both are taken at once."""
        resource, namespace = target.kind.resource, target.namespace
        revision = self._view.revision
        initial = watching.send_initial_events
        if initial or (initial is None and not listing.resource_version):
            objects = self._view.list(resource, namespace)
            events = [("ADDED", stored) for stored in objects if chosen.matches(stored)]
            return _Backlog(events, revision, initial_events=bool(initial))
        start = listing.resource_version or revision
        try:
            changes = list(self._view.changes_since(resource, start))
        except ExpiredError as error:
            return error
        within = (change for change in changes if namespace in ("", change.key.namespace))
        return _Backlog(list(_events(within, chosen)), revision)

    def _render(self, request: web.Request, target: Target) -> Render:
        wanted = accepted(request.headers.get("Accept", ""))
        if wanted.form is Form.TABLE:
            return _TableRows(lambda: self._reader.renderer(request, target, wanted))
        if wanted.form in (Form.METADATA, Form.METADATA_LIST):
            return lambda stored: documents.partial(stored, wanted.version)
        return lambda stored: versions.shown_json(target.kind, stored.json)

    def _seconds(self, watching: WatchOptions) -> float:
        """Return how long the watch may last: as asked, else long, and not the same for all."""
        if watching.timeout_seconds:
            return watching.timeout_seconds
        return queries.WATCH_SECONDS_MAX * self._rng.uniform(0.5, 1.0)


class _Backlog:
    """What was before the first change."""

    def __init__(self, events: Sequence[Event], revision: int, *, initial_events: bool = False) -> None:
        self.events = events
        self.revision = revision
        self.initial_events = initial_events


class _TableRows:
    """Renders each object as a Table of one row; only the first one names the columns."""

    def __init__(self, renderer: Callable[[], table.Renderer]) -> None:
        self._renderer = renderer
        self._first = True

    def __call__(self, stored: Stored) -> bytes:
        with_columns, self._first = self._first, False
        metadata = documents.list_metadata(stored.revision)
        return self._renderer().table(metadata, [stored], with_columns=with_columns)


class _Stream:
    """One watch that is under way."""

    def __init__(self, target: Target, chosen: Selection, render: Render, response: web.StreamResponse) -> None:
        self._target = target
        self._chosen = chosen
        self._render = render
        self._response = response

    async def run(
        self,
        feed: Feed,
        backlog: _Backlog | ExpiredError,
        watching: WatchOptions,
        revision: Callable[[], int],
        seconds: float,
    ) -> None:
        """Send the backlog, then changes as they come, for at most `seconds`."""
        if isinstance(backlog, ExpiredError):
            await self._fail(backlog)
            return
        await self._send(backlog.events)
        if backlog.initial_events and watching.allow_bookmarks:
            await self._write(documents.bookmark(self._target.kind, backlog.revision, initial_events_end=True))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._follow(feed, watching, revision)

    async def _follow(self, feed: Feed, watching: WatchOptions, revision: Callable[[], int]) -> None:
        while True:
            idle = not await _ready(feed, BOOKMARK_SECONDS)
            await self._send(list(_events(feed.take(), self._chosen)))
            if feed.cut:
                await self._cut(feed.cut)
                return
            if idle and watching.allow_bookmarks:
                await self._write(documents.bookmark(self._target.kind, revision()))

    async def _cut(self, why: str) -> None:
        """End the stream; except when the server stops, the client has missed something and must list anew."""
        if why == "closed":
            return
        log.info("watch_cut", resource=self._target.kind.resource, reason=why)
        await self._fail(ExpiredError(f"The watch is cut ({why}): list again"))

    async def _send(self, events: Sequence[Event]) -> None:
        for start in range(0, len(events), EVENTS_PER_WRITE_MAX):
            batch = events[start : start + EVENTS_PER_WRITE_MAX]
            await self._write(b"".join(documents.event(type_, self._render(stored)) for type_, stored in batch))

    async def _fail(self, error: SwarmletError) -> None:
        await self._write(documents.event("ERROR", status.failure(error)))

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        try:
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await self._response.write(data)
        except TimeoutError as error:
            raise ConnectionResetError("the reader of a watch takes nothing") from error


async def _ready(feed: Feed, seconds: float) -> bool:
    """Wait for the feed; return False where nothing came within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await feed.wait()
    except TimeoutError:
        return False
    return True


def _events(changes: Iterable[Change], chosen: Selection) -> Iterator[Event]:
    """Turn changes into what a reader of the selection sees: one that leaves it is DELETED, one that enters ADDED."""
    for change in changes:
        was = change.old is not None and chosen.matches(change.old)
        if change.new is not None and chosen.matches(change.new):
            yield ("MODIFIED" if was else "ADDED"), change.new
        elif was and change.old is not None:
            yield "DELETED", _at(change.old, change.revision)


def _at(stored: Stored, revision: int) -> Stored:
    """Return the last state of an object, at the revision of its end."""
    return Stored(stored.key, revision, stamping.restamped(stored.json, revision), stored.object)
