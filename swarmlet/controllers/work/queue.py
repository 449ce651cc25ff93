"""The keyed work queue: a key waits once, is worked on by one, and comes back later each time it fails.

Source: client-go util/workqueue, whose promises these are.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from swarmlet.clock import Clock

K = TypeVar("K", bound=Hashable)

BACK_OFF_SECONDS_MIN = 0.005
BACK_OFF_SECONDS_MAX = 60.0
KEYS_MAX = 200_000


class WorkQueue(Generic[K]):
    """Keys that are to be reconciled, oldest first.

    A key added while it waits is not added again; one added while it is worked on waits again when that is `done`.
    `keys_max` bounds what waits: over it the queue is `overflowed`, and its owner must enqueue everything anew.
    """

    def __init__(self, clock: Clock, *, keys_max: int = KEYS_MAX) -> None:
        self.overflowed = False
        self._clock = clock
        self._keys_max = keys_max
        self._ready: dict[K, None] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._agenda: list[tuple[float, int, K]] = []
        self._count = 0
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._due)

    def add(self, key: K) -> None:
        """Have `key` worked on as soon as may be."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._ready:
            self._enqueue(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have `key` worked on in so many seconds; the earliest of several such wishes counts."""
        if seconds <= 0:
            self.add(key)
            return
        at = self._clock.monotonic() + seconds
        if at < self._due.get(key, at + 1):
            self._due[key] = at
            self._count += 1
            heapq.heappush(self._agenda, (at, self._count, key))
            self._wake.set()

    def retry(self, key: K, *, seconds_min: float = BACK_OFF_SECONDS_MIN) -> float:
        """Have `key`, which failed, worked on after a back-off that doubles each time; return the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = min(seconds_min * 2.0 ** min(failures, 32), BACK_OFF_SECONDS_MAX)
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: K) -> None:
        """Note that `key` succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    async def take(self, limit: int) -> list[K]:
        """Wait until a key is to be worked on; return up to `limit`, each to be given back with `done`."""
        while not self._ready:
            self._wake.clear()
            seconds = self._promote()
            if self._ready:
                break
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue
        self._promote()
        keys = list(self._ready)[:limit]
        for key in keys:
            del self._ready[key]
        self._working.update(keys)
        return keys

    def done(self, key: K) -> None:
        """Give back a key that was taken; it waits again where it was added meanwhile."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self._enqueue(key)

    def validate(self) -> None:
        """Check what always holds."""
        assert not self._working & self._ready.keys(), "a key is worked on and waits"
        assert self._again <= self._working, "a key is to come back that nobody has"
        assert self._due.keys() <= {key for _, _, key in self._agenda}, "a delayed key has no place in the agenda"
        assert len(self._ready) <= self._keys_max, "the queue is over its bound"

    def _enqueue(self, key: K) -> None:
        if len(self._ready) >= self._keys_max:
            self.overflowed = True
            return
        self._ready[key] = None
        self._wake.set()

    def _promote(self) -> float | None:
        """Add the keys whose time has come; return the seconds until the next one's, None where there is none."""
        now = self._clock.monotonic()
        while self._agenda:
            at, _, key = self._agenda[0]
            if self._due.get(key) == at:
                if at > now:
                    return at - now
                del self._due[key]
                self.add(key)
            heapq.heappop(self._agenda)
        return None
