"""Feeds spares: any voter or standby answers them with what is committed after what they have.

A spare asks; nothing is pushed, and nothing is kept for it but, while it fetches a snapshot, the open file and the log
behind it. So a slow spare costs no memory, and one whose feeder is gone asks another from where it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from swarmlet.consensus import wire
from swarmlet.consensus.disk import SnapshotReader
from swarmlet.consensus.engine import Engine
from swarmlet.consensus.settings import (
    FEED_BYTES_MAX,
    FEED_HOLD_SECONDS_MAX,
    FEED_WAIT_SECONDS,
    SNAPSHOT_PIECE_BYTES,
)
from swarmlet.consensus.snapshots import Snapshots
from swarmlet.consensus.surroundings import Surroundings
from swarmlet.consensus.wire import Fed, FeedRequest, StatePiece, StateRequest
from swarmlet.errors import ConflictError, ExpiredError, UnavailableError
from swarmlet.raft import membership
from swarmlet.raft.messages import NO_NODE, Role


@dataclass(slots=True)
class Fetch:
    """A snapshot that a spare is fetching. `asked_at`: monotonic seconds."""

    reader: SnapshotReader
    asked_at: float


class Feeding:
    """The feeder's side; `spare` has the other."""

    def __init__(self, given: Surroundings, *, engine: Engine, snapshots: Snapshots) -> None:
        self._engine = engine
        self._snapshots = snapshots
        self._disk = given.disk
        self._clock = given.clock
        self._silence_ticks_max = 2 * given.config.election_ticks
        self._fetches: dict[str, Fetch] = {}
        self._news = asyncio.Event()
        self._told: tuple[str, int] = (NO_NODE, 0)

    def handlers(self) -> dict[str, Callable[[str, bytes], Awaitable[bytes]]]:
        """What peers may call."""
        return {wire.FEED: self._feed, wire.FEED_STATE: self._feed_state}

    def look(self) -> None:
        """Tell those who wait for it that another leads."""
        if self._told != self._leader:
            self.progressed()

    def progressed(self) -> None:
        """Tell those who wait for it that entries were applied."""
        self._told = self._leader
        self._news.set()
        self._news = asyncio.Event()

    def tick(self) -> None:
        """Let go what is held for spares that ask for it no more."""
        before = self._clock.monotonic() - FEED_HOLD_SECONDS_MAX
        for spare in [spare for spare, fetch in self._fetches.items() if fetch.asked_at < before]:
            self._let_go(spare)

    def end(self) -> None:
        """Let everything go."""
        for spare in tuple(self._fetches):
            self._let_go(spare)

    @property
    def _leader(self) -> tuple[str, int]:
        """Who leads in which term; nobody, where the leader was not heard of lately: this node may be cut off."""
        core = self._engine.core
        is_cut_off = self._engine.silent_ticks > self._silence_ticks_max
        return NO_NODE if is_cut_off and core.role is not Role.LEADER else core.leader, core.term

    def _refuse_as_spare(self) -> None:
        if self._engine.is_spare:
            raise UnavailableError("this node is a spare itself and feeds nobody")

    # The log.

    async def _feed(self, sender: str, payload: bytes) -> bytes:
        request = wire.decode(payload, FeedRequest)
        self._refuse_as_spare()
        fetch = self._fetches.get(sender)
        if fetch and request.after >= fetch.reader.header.meta.index:
            self._let_go(sender)
        if not self._has_news(request):
            await self._wait_for_news()
            self._refuse_as_spare()
        return wire.encode(self._fed(sender, request))

    def _has_news(self, request: FeedRequest) -> bool:
        return self._engine.applied.index > request.after or (request.leader, request.term) != self._leader

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(FEED_WAIT_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return

    def _fed(self, sender: str, request: FeedRequest) -> Fed:
        core, applied = self._engine.core, self._engine.applied.index
        leader, term = self._leader
        if applied < core.first_index - 1:
            raise UnavailableError("this node is about to install a snapshot itself")
        if sender not in membership.everybody(core.snapshot_meta(applied).membership):
            return Fed(applied, leader, term, is_member=False)
        if applied <= request.after:
            return Fed(applied, leader, term)
        try:
            known = core.snapshot_meta(request.after)
            entries = core.entries_after(request.after, applied, FEED_BYTES_MAX)
        except ExpiredError:
            return Fed(applied, leader, term, must_restore=True)
        if request.after and known.term != request.after_term:
            raise ConflictError(
                f"entry {request.after} is of term {known.term} here, of term {request.after_term} on node {sender}: "
                "they do not hold the same cluster's log; take that machine out and let it join anew"
            )
        return Fed(applied, leader, term, tuple(entries))

    # The state.

    async def _feed_state(self, sender: str, payload: bytes) -> bytes:
        request = wire.decode(payload, StateRequest)
        self._refuse_as_spare()
        fetch, offset = self._fetches.get(sender), request.offset
        if fetch is None or fetch.reader.header.meta != request.meta:
            fetch, offset = await self._begin(sender), 0
        fetch.asked_at = self._clock.monotonic()
        reader = fetch.reader
        piece = await reader.read(offset, SNAPSHOT_PIECE_BYTES)
        return wire.encode(StatePiece(reader.header.meta, offset, piece, reader.size))

    async def _begin(self, sender: str) -> Fetch:
        """Open the current snapshot for a spare, and keep the log that follows it."""
        self._let_go(sender)
        reader = await self._disk.open_snapshot()
        self._let_go(sender)  # it may have asked twice meanwhile
        fetch = self._fetches[sender] = Fetch(reader, self._clock.monotonic())
        self._snapshots.hold(sender, reader.header.meta.index)
        return fetch

    def _let_go(self, sender: str) -> None:
        fetch = self._fetches.pop(sender, None)
        if fetch:
            fetch.reader.close()
            self._snapshots.let_go(sender)
