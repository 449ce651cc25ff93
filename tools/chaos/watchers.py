"""The clients that watch: one on each daemon, which resumes where it was cut and lists anew only where it must."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import aiohttp

from tools.chaos.doors import WRITTEN, Doors, nap
from tools.chaos.history import Event, History, Listing, Sighting

WATCH_SECONDS = 20
"""A watch asks to be ended after so long, so that resuming is practised all the time."""
SILENCE_SECONDS_MAX = WATCH_SECONDS + 10.0
RETRY_SECONDS = 0.3


class Watcher:
    """Watches the namespace through one daemon until it is stopped; `revision` is how far it has come."""

    def __init__(self, doors: Doors, daemon: str, history: History, stopping: asyncio.Event) -> None:
        self.daemon = daemon
        self.revision = 0
        self.resumed = 0
        self.relisted = 0
        self.lagging: list[str] = []
        """Listings that went back behind what this watch had seen."""
        self._doors = doors
        self._history = history
        self._stopping = stopping
        self._sighting: Sighting | None = None

    async def run(self) -> None:
        """Follow until it is time to stop."""
        while not self._stopping.is_set():
            try:
                if self._sighting is None:
                    await self._list()
                await self._follow()
            except (aiohttp.ClientError, TimeoutError, OSError):
                await nap(RETRY_SECONDS, self._stopping)

    async def _list(self) -> None:
        """List, no older than what was seen; a watch that goes on from here begins a new sighting."""
        at = f"&resourceVersion={self.revision}" if self.revision else ""
        document = json.loads(await self._doors.body(self.daemon, WRITTEN + at))
        revision = int(document["metadata"]["resourceVersion"])
        if revision < self.revision:
            self.lagging.append(f"{self.daemon}: asked for {self.revision} or newer, listed {revision}")
        items = {item["metadata"]["name"]: entry_of(item) for item in document["items"]}
        self._sighting = Sighting(self.daemon, Listing(revision, items))
        self._history.sightings.append(self._sighting)
        self.revision = revision

    async def _follow(self) -> None:
        assert self._sighting is not None
        path = f"{WRITTEN}&watch=1&resourceVersion={self.revision}&timeoutSeconds={WATCH_SECONDS}"
        async with self._doors.lines(self.daemon, path, SILENCE_SECONDS_MAX) as lines:
            async for line in lines:
                if not line.endswith(b"\n"):  # cut in the middle: the rest comes when the watch is resumed
                    return
                document = json.loads(line)
                if document.get("type") not in ("ADDED", "MODIFIED", "DELETED"):
                    self._note_end(document)
                    return
                event = _event(document, line)
                self._sighting.events.append(event)
                self.revision = event.revision
        self.resumed += 1

    def _note_end(self, document: dict[str, Any]) -> None:
        """Take what ends a watch before its time: after 410 the rest is compacted and a new list begins."""
        status = document.get("object") or document
        if status.get("code") == 410:
            self._sighting = None
            self.relisted += 1
        else:
            raise OSError(f"{self.daemon}: a watch ended with {status.get('reason')}")


def _event(document: dict[str, Any], line: bytes) -> Event:
    item = document["object"]
    digest = hashlib.blake2b(line, digest_size=12).hexdigest()
    return Event(_revision(item), item["metadata"]["name"], document["type"] == "DELETED", _token(item), digest)


def entry_of(item: dict[str, Any]) -> tuple[int, str]:
    """Return the revision and the token of an object."""
    return _revision(item), _token(item)


def _revision(item: dict[str, Any]) -> int:
    return int(item["metadata"]["resourceVersion"])


def _token(item: dict[str, Any]) -> str:
    return str(item.get("data", {}).get("token", ""))
