"""A watch that lasts: it resumes where it stopped, and lists again where the server has forgotten that far."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from swarmlet.client import statuses
from swarmlet.client.client import EVERYTHING, PAGE_SIZE, Client, Document, Scope
from swarmlet.client.connection import JSON, Request
from swarmlet.client.discovery import Resource
from swarmlet.errors import ExpiredError, PeerError

WATCH_SECONDS = 300
QUIET_SECONDS = WATCH_SECONDS + 30.0
EVENT_BYTES_MAX = 16 * 1024 * 1024
RECONNECT_SECONDS = 1.0
FAILURES_MAX = 30

ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What happened to an object; asked for as a Table, `object` is a Table of its one row."""

    type: str
    object: Document


class Watch:
    """The changes of a kind's objects from a list on.

    `start` lists and returns the list; `events` yields what happens from there. What changed while the watch was down
    comes as MODIFIED, what went away as DELETED, so that a follower's picture is always made whole again.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        scope: Scope = EVERYTHING,
        *,
        accept: str = JSON,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._client = client
        self._resource = resource
        self._scope = scope
        self._accept = accept
        self._page_size = page_size
        self._revision = ""
        self._known: dict[tuple[str, str], Document] = {}

    async def start(self) -> Document:
        """List what there is now."""
        listed = await self._client.list(self._resource, self._scope, accept=self._accept, page_size=self._page_size)
        self._revision = (listed.get("metadata") or {}).get("resourceVersion") or ""
        self._known = {key(entry): entry for entry in _entries(listed)}
        return listed

    async def events(self) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes until the caller stops, or until the server fails `FAILURES_MAX` times in a row."""
        failures = 0
        while True:
            try:
                async with aclosing(self._one_stream()) as stream:
                    async for event in stream:
                        failures = 0
                        yield event
            except ExpiredError:
                for event in await self._list_again():
                    yield event
            except PeerError:
                failures += 1
                if failures > FAILURES_MAX:
                    raise
            await self._client.connection.clock.sleep(RECONNECT_SECONDS)

    async def _one_stream(self) -> AsyncGenerator[WatchEvent, None]:
        query = {
            **self._scope.query(),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._revision,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        path = self._resource.path(namespace=self._scope.namespace)
        request = Request(method="GET", path=path, query=query, accept=self._accept)
        async with self._client.connection.stream(request, quiet_seconds=QUIET_SECONDS) as pieces:
            async for line in lines(pieces):
                event = _event(line)
                if self._take(event):
                    yield event

    def _take(self, event: WatchEvent) -> bool:
        """Remember what an event says; return whether the caller wants to see it."""
        self._revision = _metadata(event.object).get("resourceVersion") or self._revision
        if event.type == DELETED:
            self._known.pop(key(event.object), None)
        elif event.type != BOOKMARK:
            self._known[key(event.object)] = event.object
        return event.type != BOOKMARK

    async def _list_again(self) -> list[WatchEvent]:
        before = self._known
        await self.start()
        gone = [WatchEvent(DELETED, entry) for at, entry in before.items() if at not in self._known]
        return gone + [
            WatchEvent(MODIFIED if at in before else ADDED, entry)
            for at, entry in self._known.items()
            if at not in before or _revision(entry) != _revision(before[at])
        ]


def key(entry: Document) -> tuple[str, str]:
    """Return namespace and name of an object, or of a Table's one row."""
    metadata = _metadata(entry)
    return metadata.get("namespace") or "", metadata.get("name") or ""


def _metadata(entry: Document) -> dict[str, Any]:
    rows = entry.get("rows") if entry.get("kind") == "Table" else None
    return ((rows[0].get("object") or {}) if rows else entry).get("metadata") or {}


def _revision(entry: Document) -> str:
    return _metadata(entry).get("resourceVersion") or ""


def _entries(listed: Document) -> Iterator[Document]:
    if listed.get("kind") == "Table":
        for row in listed.get("rows") or ():
            yield {**listed, "rows": [row], "metadata": {}}
    else:
        yield from listed.get("items") or ()


def _event(line: bytes) -> WatchEvent:
    try:
        document = msgspec.json.decode(line)
        event = WatchEvent(document["type"], document["object"])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise PeerError(f"a watch event is not as expected: {error}") from error
    if event.type == ERROR:
        raise statuses.error_of_status(event.object)
    return event


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a body that comes in pieces, without their ends; the last needs none."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line:
                yield line
        if len(rest) > EVENT_BYTES_MAX:
            raise PeerError(f"a line of a watch is over {EVENT_BYTES_MAX} bytes")
    if rest:
        yield rest
