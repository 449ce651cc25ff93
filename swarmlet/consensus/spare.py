"""A spare follows a peer: it asks for what is committed after what it has, and applies it.

Any voter or standby will do, and one chosen by lot is asked until it fails, falls silent or seems cut off; then another
goes on from the same place. Where no log reaches back that far, a snapshot is fetched, in pieces, and checked.
"""

from __future__ import annotations

import structlog

from swarmlet.consensus import wire
from swarmlet.consensus.addresses import AddressBook
from swarmlet.consensus.belonging import Belonging
from swarmlet.consensus.engine import Engine
from swarmlet.consensus.settings import (
    FEED_LEADERLESS_SECONDS_MAX,
    FEED_RETRY_SECONDS,
    FEED_SILENCE_SECONDS_MAX,
    FEED_WAIT_SECONDS,
)
from swarmlet.consensus.surroundings import Surroundings
from swarmlet.consensus.wire import Alive, Fed, FeedRequest, StatePiece, StateRequest
from swarmlet.errors import CallerError, ConflictError, InvalidError, PeerError, UnavailableError
from swarmlet.raft import membership
from swarmlet.raft.messages import NO_NODE, SnapshotMeta

log = structlog.get_logger()


class Spare:
    """The spare's side of being fed; `feeding` has the other. Idle while this node is a voter or standby."""

    def __init__(self, given: Surroundings, *, engine: Engine, book: AddressBook, belonging: Belonging) -> None:
        self._node_id = given.node_id
        self._engine = engine
        self._book = book
        self._belonging = belonging
        self._peers = given.peers
        self._disk = given.disk
        self._clock = given.clock
        self._rng = given.rng
        self._snapshot_seconds_max = given.config.snapshot_call_seconds_max
        self._alive_ticks = max(given.config.election_ticks // 2, 1)
        self._ticks = 0
        self._failed: set[str] = set()
        self._feeder = ""

    def tick(self) -> None:
        """Give the leader a sign of life now and then."""
        self._ticks += 1
        if self._engine.is_spare and self._engine.core.leader and self._ticks % self._alive_ticks == 0:
            alive = wire.encode(Alive(self._engine.applied.index))
            self._peers.send(self._engine.core.leader, wire.ALIVE, alive)

    async def run(self) -> None:
        """Follow one peer after another whenever this node is a spare, until cancelled."""
        while True:
            await self._engine.wait_until_spare()
            feeder = self._choose()
            if feeder:
                try:
                    await self._follow(feeder)
                except ConflictError:
                    raise  # it holds another log than we do: nothing that a next try could mend
                except (PeerError, CallerError) as error:
                    self._leave(feeder, str(error))
            await self._clock.sleep(FEED_RETRY_SECONDS)

    def _settle(self, feeder: str) -> None:
        """Take note that a peer feeds us well."""
        self._failed.clear()
        if feeder != self._feeder:
            self._feeder = feeder
            log.info("feeder_found", feeder=feeder, applied=self._engine.applied.index)

    def _leave(self, feeder: str, reason: str) -> None:
        self._failed.add(feeder)
        if feeder == self._feeder:
            self._feeder = ""
            log.info("feeder_left", feeder=feeder, applied=self._engine.applied.index, reason=reason)

    def _choose(self) -> str:
        """Return a peer that may feed us, by lot; "" where none is known. One that failed is asked after the others."""
        applied = self._engine.core.snapshot_meta(self._engine.core.commit).membership
        known = self._book.current.keys() - {self._node_id}
        feeders = known & membership.members(applied) or known
        if feeders <= self._failed:
            self._failed.clear()
            feeders = known  # whom we know of may all be gone, or be spares by now, and the others not
        left = sorted(feeders - self._failed)
        return self._rng.choice(left) if left else ""

    async def _follow(self, feeder: str) -> None:
        """Apply what a peer feeds, for as long as this node is a spare; raise `PeerError` where it cannot go on."""
        told: tuple[str, int] = NO_NODE, 0
        led_at = self._clock.monotonic()
        while self._engine.is_spare:
            fed = await self._ask(feeder, told)
            told = fed.leader, fed.term
            if not self._engine.is_spare:
                return
            if not fed.is_member:
                await self._belonging.not_known_by(feeder, fed.applied)
                raise UnavailableError("it does not know this node yet")
            self._engine.learn(fed.entries, leader=fed.leader, term=fed.term)
            if fed.must_restore:
                await self._restore(feeder)
            elif fed.entries:
                await self._engine.digest(fed.entries[-1].index)
            if fed.leader:
                led_at = self._clock.monotonic()
                self._settle(feeder)
            elif self._clock.monotonic() - led_at > FEED_LEADERLESS_SECONDS_MAX:
                raise UnavailableError("it knows of no leader")

    async def _ask(self, feeder: str, told: tuple[str, int]) -> Fed:
        """Ask for what comes after what is applied here; answered at once where another leads than it `told` last."""
        known = self._engine.core.snapshot_meta(self._engine.core.commit)
        request = FeedRequest(known.index, known.term, *told)
        reply = await self._peers.call(
            feeder,
            wire.FEED,
            wire.encode(request),
            timeout_seconds=FEED_WAIT_SECONDS + FEED_SILENCE_SECONDS_MAX,
        )
        return wire.decode(reply, Fed)

    async def _restore(self, feeder: str) -> None:
        """Fetch the peer's snapshot and begin anew after it."""
        meta: SnapshotMeta | None = None
        offset, size = 0, 1
        while offset < size:
            piece = await self._fetch(feeder, StateRequest(meta, offset))
            if piece.meta.index <= self._engine.applied.index:
                raise UnavailableError("its snapshot is behind this node's state")
            meta, size = piece.meta, piece.size_bytes
            held = await self._disk.receive_piece(meta, piece.offset, piece.piece)
            if held == offset and not piece.piece:
                raise InvalidError(f"its snapshot at index {meta.index} ends at byte {held} of {size}")
            offset = held
        assert meta is not None
        header = await self._disk.accept_snapshot(meta)
        if self._engine.is_spare:
            self._engine.learn_state(header)
            await self._engine.digest(meta.index)
            log.info("state_fetched", feeder=feeder, index=meta.index, size_bytes=size)

    async def _fetch(self, feeder: str, request: StateRequest) -> StatePiece:
        reply = await self._peers.call(
            feeder, wire.FEED_STATE, wire.encode(request), timeout_seconds=self._snapshot_seconds_max
        )
        return wire.decode(reply, StatePiece)
