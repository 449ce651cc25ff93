"""Linearizable reads of this node: all readers that wait at one time share one question to the leader (Raft §8)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from swarmlet.consensus.settings import READERS_MAX
from swarmlet.errors import BusyError, SwarmletError, UnavailableError
from swarmlet.raft.messages import ReadState

RETRY_TICKS = 5
"""A question unanswered for so long is asked anew: a message may be lost."""


class Round:
    """Readers that share one question."""

    def __init__(self) -> None:
        self.index: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.readers = 0


class Reads:
    """At most one question is under way; who comes meanwhile shares the next one, asked after they came."""

    def __init__(self, *, ask: Callable[[bytes], None], rng: random.Random) -> None:
        self._ask_core = ask
        self._rng = rng
        self._asked: Round | None = None
        self._next: Round | None = None
        self._context = b""
        self._age_ticks = 0

    async def index(self) -> int:
        """Return an index such that a state applied that far holds every write acknowledged before this call."""
        if self._next is None:
            self._next = Round()
        reading = self._next
        if reading.readers >= READERS_MAX:
            raise BusyError(f"{READERS_MAX} reads wait for the leader already; try again in a moment")
        reading.readers += 1
        if self._asked is None:
            self._begin()
        return await asyncio.shield(reading.index)

    def answered(self, state: ReadState) -> None:
        if self._asked and state.context == self._context:
            self._asked.index.set_result(state.index)
            self._begin()

    def tick(self) -> None:
        self._age_ticks += 1
        if self._asked and self._age_ticks >= RETRY_TICKS:
            self._ask()

    def ask_again(self) -> None:
        """Another node leads: what was asked of the last leader will not be answered."""
        if self._asked:
            self._ask()

    def fail(self, error: SwarmletError) -> None:
        """There is nobody to ask."""
        for waiting in (self._asked, self._next):
            if waiting:
                waiting.index.set_exception(error)
                waiting.index.exception()  # read once: all its readers may have gone
        self._asked = self._next = None

    def _begin(self) -> None:
        self._asked, self._next = self._next, None
        if self._asked:
            self._ask()

    def _ask(self) -> None:
        self._age_ticks = 0
        self._context = self._rng.randbytes(12)
        try:
            self._ask_core(self._context)
        except (UnavailableError, BusyError):
            return  # `tick` asks again, and `fail` ends it where there is no leader for long
