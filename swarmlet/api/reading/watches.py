"""One subscription to the store, fanned out to every watch: a bounded buffer each, and nothing to do while idle."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from swarmlet.store.replica import Change, View

BUFFER_CHANGES_MAX = 4_096
"""What one watch may lag behind; a slower reader is cut and lists anew."""


class Feed:
    """The changes that one watch has still to send. `cut` says why it ends: "", "lagging", "reset" or "closed"."""

    def __init__(self, namespace: str, name: str) -> None:
        self.namespace = namespace
        self.name = name
        self.cut = ""
        self._changes: deque[Change] = deque()
        self._ready = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Take a change of the feed's resource; over the limit, the feed is cut instead."""
        if self.namespace not in ("", change.key.namespace) or self.name not in ("", change.key.name):
            return
        if len(self._changes) >= BUFFER_CHANGES_MAX:
            self.end("lagging")
            return
        self._changes.append(change)
        self._ready.set()

    def end(self, why: str) -> None:
        """Cut the feed: it gives no more changes."""
        self.cut = self.cut or why
        self._changes.clear()
        self._ready.set()

    async def wait(self) -> None:
        """Wait until there is something to take or the feed is cut."""
        await self._ready.wait()

    def take(self) -> list[Change]:
        """Return what has come since the last call."""
        changes = list(self._changes)
        self._changes.clear()
        if not self.cut:
            self._ready.clear()
        return changes


class Hub:
    """All feeds of one API server, by resource."""

    def __init__(self, view: View) -> None:
        self._feeds: defaultdict[str, set[Feed]] = defaultdict(set)
        self._unsubscribe: Callable[[], None] | None = view.subscribe(self._dispatch)

    def open(self, resource: str, namespace: str = "", name: str = "") -> Feed:
        """Return a feed of the changes applied from now on, of a namespace or all (""), of one name or all ("")."""
        feed = Feed(namespace, name)
        if self._unsubscribe is None:
            feed.end("closed")
        self._feeds[resource].add(feed)
        return feed

    def release(self, resource: str, feed: Feed) -> None:
        """Forget a feed that nobody reads any more."""
        self._feeds[resource].discard(feed)

    def close(self) -> None:
        """End every feed, and each that is opened from now on: the server stops."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._end_all("closed")

    def count(self) -> int:
        """Return the number of open feeds."""
        return sum(map(len, self._feeds.values()))

    def _dispatch(self, changes: Sequence[Change]) -> None:
        """Pass on one applied entry; an empty one means that a snapshot replaced everything."""
        if not changes:
            self._end_all("reset")
        for change in changes:
            for feed in self._feeds.get(change.key.resource, ()):
                feed.offer(change)

    def _end_all(self, why: str) -> None:
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.end(why)
