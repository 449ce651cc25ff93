"""Those who wait: for their own entry, for an index to be applied, for a leader."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from swarmlet.consensus.settings import PROPOSALS_MAX
from swarmlet.errors import BusyError, OutcomeUnknownError, SwarmletError, UnavailableError
from swarmlet.raft.messages import NO_NODE
from swarmlet.store.commands import Command, Outcome

NO_LEADER = "the cluster has no leader now: fewer than half of its voters reach each other; try again when they do"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An entry that this leader appended and has not seen applied. `command` is None for a membership change."""

    term: int
    command: Command | None
    done: asyncio.Future[tuple[Outcome, ...]]


class Proposals:
    """The proposals of this node's time as leader, by index."""

    def __init__(self) -> None:
        self._by_index: dict[int, Proposal] = {}

    def check_room(self) -> None:
        """Raise `BusyError` where too many wait already."""
        if len(self._by_index) >= PROPOSALS_MAX:
            raise BusyError(f"{PROPOSALS_MAX} writes are waiting already; try again in a moment")

    def add(self, index: int, term: int, command: Command | None) -> asyncio.Future[tuple[Outcome, ...]]:
        done = asyncio.get_running_loop().create_future()
        displaced = self._by_index.pop(index, None)
        if displaced:
            _fail(displaced.done, _lost())
        self._by_index[index] = Proposal(term, command, done)
        return done

    def take(self, index: int, term: int) -> Proposal | None:
        """Return the proposal that became the applied entry; one that another entry displaced fails."""
        proposal = self._by_index.pop(index, None)
        if proposal and proposal.term != term:
            _fail(proposal.done, _lost())
            return None
        return proposal

    def fail(self) -> None:
        """Leadership is lost: what waits may yet be committed by the next leader, or not."""
        for proposal in self._by_index.values():
            _fail(proposal.done, _lost())
        self._by_index.clear()


class AppliedIndex:
    """How far the log is applied here, and who waits for it to be further."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    async def wait(self, index: int) -> None:
        """Return once `index` is applied."""
        if index <= self.index:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (index, next(self._order), reached))
        await reached

    def advance(self, index: int) -> None:
        self.index = index
        while self._waiting and self._waiting[0][0] <= index:
            reached = heapq.heappop(self._waiting)[2]
            if not reached.done():
                reached.set_result(None)


class LeaderWatch:
    """Who leads as far as this node knows, and who waits for somebody to lead."""

    def __init__(self, patience_ticks: int) -> None:
        self.leader = NO_NODE
        self._patience_ticks = patience_ticks
        self._leaderless_ticks = 0
        self._changed = asyncio.Event()
        self._abandoning: set[Callable[[], None]] = set()

    @property
    def hopeless(self) -> bool:
        """Whether there has been no leader for so long that waiting for one is no use."""
        return self._leaderless_ticks > self._patience_ticks

    def tick(self) -> None:
        if self.leader == NO_NODE:
            self._leaderless_ticks += 1
            if self._leaderless_ticks == self._patience_ticks + 1:
                self._wake()

    def set(self, leader: str) -> None:
        if leader != self.leader:
            self.leader = leader
            self._leaderless_ticks = 0
            self._wake()
            if leader != NO_NODE:
                for abandon in tuple(self._abandoning):
                    abandon()

    @contextlib.asynccontextmanager
    async def while_leading(self) -> AsyncIterator[None]:
        """Let the body wait for the leader of now only until another one is known: raise `OutcomeUnknownError` then.

        A machine that is gone without a word answers nothing, and its links are closed only after seconds.
        """
        leader = self.leader
        try:
            async with asyncio.timeout(None) as patience:

                def abandon() -> None:
                    if self.leader != leader:
                        self._abandoning.discard(abandon)  # once: a scope that ends can be told nothing more
                        patience.reschedule(asyncio.get_running_loop().time())

                self._abandoning.add(abandon)
                try:
                    yield
                finally:
                    self._abandoning.discard(abandon)
        except TimeoutError as error:
            raise OutcomeUnknownError("another node leads now, and the last leader has not answered") from error

    async def wait(self) -> str:
        """Return the leader; raise `UnavailableError` once it is clear that there is none."""
        while self.leader == NO_NODE:
            if self.hopeless:
                raise UnavailableError(NO_LEADER)
            await self._changed.wait()
        return self.leader

    async def pause(self, seconds: float) -> None:
        """Return when another leads, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Nobody leads as far as this node knows or will know: it stops."""
        self.leader = NO_NODE
        self._leaderless_ticks = self._patience_ticks + 1
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _lost() -> SwarmletError:
    return OutcomeUnknownError("the leader lost its lead before the write was committed")


def _fail(future: asyncio.Future[tuple[Outcome, ...]], error: SwarmletError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # read once, so that one nobody awaits any more is not reported
