"""Who belongs to the cluster: adding, removing, and handing the lead over, asked for anywhere, done by the leader."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from swarmlet.consensus import wire
from swarmlet.consensus.addresses import AddressBook
from swarmlet.consensus.engine import Engine
from swarmlet.consensus.forwarding import Forwarder
from swarmlet.consensus.surroundings import Surroundings
from swarmlet.consensus.waiting import LeaderWatch
from swarmlet.consensus.wire import MemberRequest
from swarmlet.errors import (
    AlreadyExistsError,
    BusyError,
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    UnavailableError,
)
from swarmlet.raft import membership
from swarmlet.raft.messages import NO_NODE, ChangeKind, Membership, MembershipChange, Role

log = structlog.get_logger()

CHANGE_SECONDS_MAX = 10.0


class Members:
    """Changes the membership through the leader; on the leader, carries the changes out."""

    def __init__(
        self, given: Surroundings, *, engine: Engine, book: AddressBook, forwarder: Forwarder, watch: LeaderWatch
    ) -> None:
        self._node_id = given.node_id
        self._engine = engine
        self._book = book
        self._peers = given.peers
        self._forwarder = forwarder
        self._watch = watch
        self._clock = given.clock
        self._config = given.config

    # Asked for on any node.

    async def add_member(self, node_id: str, address: str) -> None:
        await self._carry(wire.ADD_MEMBER, MemberRequest(node_id, address), self._add)

    async def remove(self, node_id: str) -> None:
        was_member = node_id in self._everybody()
        try:
            await self._carry(wire.REMOVE_MEMBER, MemberRequest(node_id), self._remove)
        except NotFoundError:
            if not was_member:  # else an earlier attempt of ours, whose answer was lost, has removed it
                raise

    async def transfer(self, to: str) -> None:
        await self._carry(wire.TRANSFER, MemberRequest(to), self._transfer)

    def handlers(self) -> dict[str, Callable[[str, bytes], Awaitable[bytes]]]:
        """What peers may call."""
        carried = {
            wire.ADD_MEMBER: self._add,
            wire.REMOVE_MEMBER: self._remove,
            wire.TRANSFER: self._transfer,
        }
        return {method: self._handler(work) for method, work in carried.items()}

    async def _carry(
        self, method: str, request: MemberRequest, work: Callable[[MemberRequest], Awaitable[None]]
    ) -> None:
        await self._forwarder.carry(
            method, wire.encode(request), here=lambda: work(request), read=lambda _: None, seconds=CHANGE_SECONDS_MAX
        )

    def _handler(self, work: Callable[[MemberRequest], Awaitable[None]]) -> Callable[[str, bytes], Awaitable[bytes]]:
        async def handle(_sender: str, payload: bytes) -> bytes:
            try:
                async with asyncio.timeout(CHANGE_SECONDS_MAX):
                    await work(wire.decode(payload, MemberRequest))
            except TimeoutError as error:
                raise OutcomeUnknownError("the leader has not committed the change in time") from error
            return b""

        return handle

    # Carried out on the leader.

    async def _add(self, request: MemberRequest) -> None:
        self._must_lead()
        node = request.node_id
        if node in self._everybody():
            if node not in self._engine.core.membership.voters and self._book.current.get(node) == request.address:
                return  # the same request, come a second time
            raise AlreadyExistsError(f"node {node} is a member of the cluster already")
        await self._change(MembershipChange(ChangeKind.ADD_SPARE, node, request.address.encode()))
        log.info("member_added", node=node, address=request.address)

    async def _remove(self, request: MemberRequest) -> None:
        self._must_lead()
        node = request.node_id
        if node not in self._everybody():
            raise NotFoundError(f"node {node} is not a member of the cluster")
        members = self._engine.core.membership
        if node in members.voters:
            await self._refuse_without_quorum(node, members)
        if node == self._node_id:
            await self._transfer(MemberRequest(NO_NODE))
            raise UnavailableError("the lead was handed over; the new leader removes this node")
        await self._change(MembershipChange(ChangeKind.REMOVE, node))
        log.info("member_removed", node=node)

    def _everybody(self) -> frozenset[str]:
        return membership.everybody(self._engine.core.membership)

    async def _refuse_without_quorum(self, node: str, members: Membership) -> None:
        """Raise `ConflictError` where the voters that would remain could not reach a quorum."""
        remaining = members.voters - {node}
        if not remaining:
            raise ConflictError(f"node {node} is the only voter: without it the cluster would be gone")
        needed = len(remaining) // 2 + 1
        reachable = self._reachable() & remaining
        if len(reachable) < needed:  # who answered may be counted anew just now: look again after a few heartbeats
            await self._clock.sleep(2 * self._config.heartbeat_ticks * self._config.tick_seconds)
            reachable |= self._reachable() & remaining
        if len(reachable) < needed:
            missing = ", ".join(sorted(remaining - reachable))
            raise ConflictError(
                f"removing node {node} would leave {len(remaining)} voters, of which {len(reachable)} can be reached "
                f"and {needed} are needed; bring back or remove first: {missing}"
            )

    def _reachable(self) -> frozenset[str]:
        return frozenset(node for node, progress in self._engine.core.progress.items() if progress.recently_active)

    async def _transfer(self, request: MemberRequest) -> None:
        self._must_lead()
        core = self._engine.core
        to = request.node_id or self._successor()
        if to == self._node_id:
            return
        core.transfer_leadership(to)
        self._engine.wake()
        while core.transferee == to:
            await self._watch.pause(self._config.tick_seconds)
        if await self._watch.wait() != to:
            raise UnavailableError(f"node {to} did not take the lead; it may be slow or cut off")
        log.info("leadership_transferred", to=to)

    def _successor(self) -> str:
        """Return the voter that holds most of the log, of those that answer."""
        core = self._engine.core
        others = core.membership.voters - {self._node_id}
        if not others:
            raise ConflictError("there is no other voter that could lead")
        progress = core.progress
        return max(others, key=lambda node: (progress[node].recently_active, progress[node].match, node))

    async def _change(self, change: MembershipChange) -> None:
        """Propose a change; return once it is applied. Changes come one at a time: wait for the one under way."""
        while True:
            try:
                await self._engine.propose_membership(change)
            except BusyError:
                await self._clock.sleep(self._config.tick_seconds)
            else:
                return

    def _must_lead(self) -> None:
        if self._engine.core.role is not Role.LEADER:
            raise UnavailableError(f"node {self._node_id} does not lead")
