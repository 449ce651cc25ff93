"""One subscription to the store, fanned out to every watch: each event encoded once, and nothing to do while idle.

Changes are collected as they are applied and told in turns of the event loop's own, so that neither the applying task
nor anybody else waits while a thousand watches are written to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import structlog

from swarmlet.api.reading.broadcasts import Audience, Batch, Interest
from swarmlet.api.reading.feeds import Feed
from swarmlet.clock import Clock
from swarmlet.model.apiextensions import CustomResourceDefinition
from swarmlet.store.catalogue import DEFINITIONS
from swarmlet.store.replica import Change, View

BOOKMARK_SECONDS = 45.0
WORK_PER_TURN = 64
"""Writes of one TLS record: some two milliseconds of the event loop."""
BATCHES_MAX = 256
"""Collected and not told yet; when there are more, everybody lists anew."""

log = structlog.get_logger()


class Hub:
    """All feeds of one API server, by what they want to see."""

    def __init__(self, view: View, clock: Clock) -> None:
        self._view = view
        self._clock = clock
        self._audiences: dict[str, dict[Interest, Audience]] = {}
        self._batches: deque[tuple[str, Batch | None]] = deque()  # None: the kind is another now, its watches end
        self._growing: dict[str, Batch] = {}
        self._work: Iterator[float] | None = None
        self._bookmarks: asyncio.TimerHandle | None = None
        self._bookmarks_due = False
        self._unsubscribe: Callable[[], None] | None = view.subscribe(self._collect)

    def open(self, interest: Interest, *, bookmarks: bool = False) -> Feed:
        """Return a feed of what is applied from now on; see `Feed`."""
        feed = Feed(after=self._view.revision, bookmarks=bookmarks)
        if self._unsubscribe is None:
            feed.end("closed")
            return feed
        self._growing.pop(interest.resource, None)  # a batch is all before a feed's beginning, or all after it
        audiences = self._audiences.setdefault(interest.resource, {})
        audience = audiences.setdefault(interest, Audience(interest))
        audience.feeds[feed] = None
        if self._bookmarks is None:
            self._schedule_bookmarks()
        return feed

    def release(self, interest: Interest, feed: Feed) -> None:
        """Forget a feed that nobody reads any more."""
        audiences = self._audiences.get(interest.resource, {})
        audience = audiences.get(interest)
        if audience is None:
            return
        audience.feeds.pop(feed, None)
        if not audience.feeds:
            del audiences[interest]
        if not audiences:
            del self._audiences[interest.resource]

    def close(self) -> None:
        """End every feed, and each that is opened from now on: the server stops."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._bookmarks is not None:
            self._bookmarks.cancel()
        self._end_all("closed")

    def count(self) -> int:
        """Return the number of open feeds."""
        return sum(len(audience.feeds) for audience in self._all())

    def _collect(self, changes: Sequence[Change]) -> None:
        """Take one applied entry; an empty one means that a snapshot replaced everything."""
        if not changes:
            self._end_all("reset")
        full, redefined = set[str](), list[str]()
        for change in changes:
            resource = change.key.resource
            if resource in self._audiences:
                self._batch(resource).add(change)
                full.add(resource)
            if resource == DEFINITIONS and change.key.name in self._audiences and _is_redefined(change):
                redefined.append(change.key.name)
        for resource in full:
            if self._growing[resource].is_full:  # not within an entry, whose changes share their revision
                del self._growing[resource]
        for resource in redefined:
            self._growing.pop(resource, None)
            self._batches.append((resource, None))
        if len(self._batches) > BATCHES_MAX:
            self._end_all("lagging")
        if self._batches:
            self._start()

    def _batch(self, resource: str) -> Batch:
        batch = self._growing.get(resource)
        if batch is None:
            batch = self._growing[resource] = Batch()
            self._batches.append((resource, batch))
        return batch

    def _start(self) -> None:
        if self._work is None:
            self._work = self._told()
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Do a turn's work, and leave the rest for the next turn of the event loop."""
        assert self._work is not None
        left: float = WORK_PER_TURN
        for work in self._work:
            left -= work
            if left <= 0:
                asyncio.get_running_loop().call_soon(self._turn)
                return
        self._work = None

    def _told(self) -> Iterator[float]:
        """Tell all that was collected, also what comes meanwhile, and then the bookmarks that are due."""
        while self._batches or self._bookmarks_due:
            if self._batches:
                yield from self._told_of(*self._batches.popleft())
            else:
                self._bookmarks_due = False
                revision = self._view.revision
                for audience in self._all():
                    yield from _guarded(audience, audience.tell_revision(revision))

    def _told_of(self, resource: str, batch: Batch | None) -> Iterator[float]:
        audiences = tuple(self._audiences.get(resource, {}).values())
        if batch is None:
            for audience in audiences:
                audience.end("redefined")
            return
        if self._growing.get(resource) is batch:
            del self._growing[resource]
        now = self._clock.now()
        for audience in audiences:
            yield from _guarded(audience, audience.tell(batch, now))

    def _schedule_bookmarks(self) -> None:
        """Have bookmarks told after a while; there is one timer for all watches, and none where there is no watch."""
        self._bookmarks = asyncio.get_running_loop().call_later(BOOKMARK_SECONDS, self._tell_bookmarks)

    def _tell_bookmarks(self) -> None:
        self._bookmarks = None
        if self._audiences:
            self._schedule_bookmarks()
            self._bookmarks_due = True
            self._start()

    def _all(self) -> list[Audience]:
        return [audience for audiences in self._audiences.values() for audience in audiences.values()]

    def _end_all(self, why: str) -> None:
        self._batches.clear()
        self._growing.clear()
        for audience in self._all():
            audience.end(why)


def _is_redefined(change: Change) -> bool:
    """Whether a CustomResourceDefinition is gone, or says another thing: what is watched may not be served any more."""
    specs = [cast("CustomResourceDefinition", each.object).spec for each in (change.old, change.new) if each]
    return len(specs) < 2 or specs[0] != specs[1]


def _guarded(audience: Audience, telling: Iterator[float]) -> Iterator[float]:
    """Do the work of one audience; where it fails, that audience alone is cut."""
    try:
        yield from telling
    except Exception:  # the top of what no request waits for: whatever fails below is ours, and others watch on
        log.exception("watch_failed", resource=audience.interest.resource)
        audience.end("failed")
