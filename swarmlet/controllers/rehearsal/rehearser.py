"""Rehearsals on behalf of the API: one at a time, in a thread, for a bounded time; the daemon answers meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from swarmlet.clock import Clock
from swarmlet.controllers.rehearsal.rehearsal import Beginning, Rehearsal
from swarmlet.controllers.work.reconciler import Reconciler
from swarmlet.errors import BusyError
from swarmlet.model.plans import Rehearsed
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Fork, View

REAL_SECONDS_MAX = 10.0
WAITING_MAX = 4
"""Rehearsals that wait for the one that runs."""


class Rehearser:
    """Makes the controllers of a reign play on a fork.

    Args:
        reconcilers: makes fresh ones, with what draws their uids and names.
        clock: says when a rehearsal begins, and when it has taken too long.
    """

    def __init__(self, reconcilers: Callable[[random.Random], Sequence[Reconciler]], clock: Clock) -> None:
        self._reconcilers = reconcilers
        self._clock = clock
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def rehearse(
        self, *, before: View, fork: Fork, changes: Sequence[Change], written: Sequence[Key], seed: str
    ) -> Rehearsed:
        """Return what follows from `changes`, which made `fork` of `before`; equal questions have equal answers.

        Raises `BusyError` where too many wait already.
        """
        if self._waiting >= WAITING_MAX:
            raise BusyError("too many plans are being made at once, try again later")
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        is_given_up = False
        try:
            rng = random.Random(seed)  # noqa: S311  names and uids that nobody will see
            beginning = Beginning(before=before, changes=changes, written=written, now=self._clock.now())
            rehearsal = Rehearsal(fork, self._reconcilers(rng), beginning)
            deadline = self._clock.monotonic() + REAL_SECONDS_MAX
            return await asyncio.to_thread(rehearsal.run, lambda: is_given_up or self._clock.monotonic() > deadline)
        finally:
            is_given_up = True
            self._turn.release()
