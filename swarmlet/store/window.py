"""The recent history of one resource, from which a watch resumes."""

from __future__ import annotations

import bisect
import operator
from collections.abc import Iterator

from swarmlet.errors import ExpiredError
from swarmlet.store.replica import Change

CHANGES_MAX = 2_048
BYTES_MAX = 8 * 1024 * 1024
"""Of JSON that the changes of one resource hold; large objects shorten its history."""

_revision_of = operator.attrgetter("revision")


class Window:
    """The newest changes, oldest first. `floor` is the revision from which on nothing is missing."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self._changes: list[Change] = []
        self._first = 0
        self._bytes = 0

    def append(self, change: Change) -> None:
        """Add the newest change and forget the oldest ones over the limits."""
        self._changes.append(change)
        self._bytes += _size(change)
        while len(self._changes) - self._first > CHANGES_MAX or self._bytes > BYTES_MAX:
            self._forget_oldest()
        if self._first > CHANGES_MAX:
            del self._changes[: self._first]
            self._first = 0

    def since(self, revision: int) -> Iterator[Change]:
        """Return the changes after `revision`, oldest first; raise `ExpiredError` where some are forgotten."""
        if revision < self.floor:
            raise ExpiredError(f"too old resource version: {revision} ({self.floor})")
        start = bisect.bisect_right(self._changes, revision, lo=self._first, key=_revision_of)
        return iter(self._changes[start:])

    def _forget_oldest(self) -> None:
        oldest = self._changes[self._first]
        self.floor = oldest.revision
        self._bytes -= _size(oldest)
        self._first += 1


def _size(change: Change) -> int:
    return sum(len(stored.json) for stored in (change.old, change.new) if stored)
