"""Whether this node still belongs to the cluster, and as what: the others do not speak to whom they let go.

A voter or standby that hears nothing of a leader asks its peers; a spare learns it from who should feed it. What a peer
says counts where it is not behind us: node ids are never used twice, so who is no member any more never will be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from swarmlet.consensus import wire
from swarmlet.consensus.addresses import AddressBook
from swarmlet.consensus.engine import Engine
from swarmlet.consensus.surroundings import Surroundings
from swarmlet.consensus.wire import Addresses, MembershipQuestion, MembershipView
from swarmlet.errors import RemovedError, SwarmletError
from swarmlet.raft import membership
from swarmlet.raft.messages import ChangeKind, MembershipChange

log = structlog.get_logger()

ASK_SECONDS_MAX = 1.0
ASK_LINEARIZED_SECONDS_MAX = 6.0


class Belonging:
    """Asks what became of this node, answers what became of others, and tells where everybody listens."""

    def __init__(
        self,
        given: Surroundings,
        *,
        engine: Engine,
        book: AddressBook,
        linearize: Callable[[], Awaitable[None]],
    ) -> None:
        self._node_id = given.node_id
        self._engine = engine
        self._book = book
        self._peers = given.peers
        self._election_ticks = given.config.election_ticks
        self._linearize = linearize
        self._asking: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._peers.on_call(wire.MEMBERSHIP, self._describe)
        self._peers.on_message(wire.ADDRESSES, self._take_addresses)
        self._peers.on_link(self._link_changed)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def applied(self, change: MembershipChange) -> None:
        """Follow a membership change that was applied here."""
        if change.kind is ChangeKind.REMOVE and change.node == self._node_id:
            self._engine.fail(_removed(self._node_id))

    def tick(self) -> None:
        """Ask, every election timeout that passes without a word of a leader."""
        self._book.caught_up(self._engine.applied.index)
        silent, every = self._engine.silent_ticks, self._election_ticks
        if silent < every or silent % every or self._engine.is_spare or self._tasks is None:
            return
        if self._asking is None or self._asking.done():
            self._asking = self._tasks.create_task(self._ask_all())

    @property
    def _index(self) -> int:
        """The applied index, or that of a snapshot that has arrived and is about to be installed."""
        return max(self._engine.applied.index, self._engine.core.first_index - 1)

    def _members(self) -> frozenset[str]:
        """Return who belonged to the cluster as of the last applied entry."""
        return membership.everybody(self._engine.core.snapshot_meta(self._index).membership)

    # Asking.

    async def _ask_all(self) -> None:
        for peer in sorted(self._book.current.keys() - {self._node_id}):
            try:
                view = await self._ask(peer)
            except SwarmletError:
                continue  # also one that failed at it: the next may know
            self._judge(view)

    async def _ask(self, peer: str, *, linearized: bool = False) -> MembershipView:
        seconds = ASK_LINEARIZED_SECONDS_MAX if linearized else ASK_SECONDS_MAX
        question = wire.encode(MembershipQuestion(linearized))
        reply = await self._peers.call(peer, wire.MEMBERSHIP, question, timeout_seconds=seconds)
        return wire.decode(reply, MembershipView)

    def _judge(self, view: MembershipView) -> None:
        """Act on what a peer said, where it is not behind us.

        A spare's log is dropped only where the peer's is at least as long as ours, uncommitted entries included, as in
        an election: else this node may have become a voter again since, and have acknowledged what it would drop.
        """
        core = self._engine.core
        if view.applied < self._index or self._engine.is_spare:
            return
        if self._node_id not in view.members:
            if self._node_id in self._members():
                self._engine.fail(_removed(self._node_id))
        elif self._node_id not in view.replicated and (view.term, view.applied) >= (core.last_term, core.last_index):
            self._engine.release(view.applied)

    async def not_known_by(self, peer: str, applied: int) -> None:
        """Find out, as a spare, whether one was removed: a peer does not know it, as of the log up to `applied`.

        A node that has not read of its own admission asks for an answer that holds all that was committed before the
        question: it was admitted before it first started.
        """
        if self._node_id in self._members():
            is_gone = applied >= self._index
        else:
            is_gone = self._node_id not in (await self._ask(peer, linearized=True)).members
        if is_gone:
            self._engine.fail(_removed(self._node_id))

    # Answering.

    async def _describe(self, _sender: str, payload: bytes) -> bytes:
        if wire.decode(payload, MembershipQuestion).linearized:
            await self._linearize()
        meta = self._engine.core.snapshot_meta(self._index)
        known = meta.membership
        view = MembershipView(meta.index, meta.term, membership.everybody(known), membership.members(known))
        return wire.encode(view)

    # Telling where everybody listens.

    def _link_changed(self, node: str, up: bool) -> None:
        """Tell who comes into reach where the others listen: those it knows may be gone."""
        if up and self._book.applied:
            told = Addresses(self._engine.applied.index, self._book.applied)
            self._peers.send(node, wire.ADDRESSES, wire.encode(told))

    def _take_addresses(self, sender: str, payload: bytes) -> None:
        try:
            told = msgspec.msgpack.decode(payload, type=Addresses)
        except msgspec.MsgspecError as error:
            log.warning("message_unreadable", peer=sender, error=str(error))
            return
        if told.applied > self._engine.applied.index:
            self._book.hint(told.addresses, told.applied)


def _removed(node_id: str) -> RemovedError:
    return RemovedError(
        f"node {node_id} was removed from the cluster; to bring this machine back, `swarmlet join` anew"
    )
