"""`Consensus`: one machine's door to the replicated store, put together from the rooms' parts."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import structlog

from swarmlet.clock import Clock
from swarmlet.consensus import upkeep, wire
from swarmlet.consensus.addresses import AddressBook
from swarmlet.consensus.belonging import Belonging
from swarmlet.consensus.disk import Contents, Disk
from swarmlet.consensus.engine import Counters, Engine, Listeners
from swarmlet.consensus.feeding import Feeding
from swarmlet.consensus.forwarding import Forwarder
from swarmlet.consensus.links import Links
from swarmlet.consensus.mailbox import Mailbox
from swarmlet.consensus.members import Members
from swarmlet.consensus.reads import Reads
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.consensus.snapshots import Snapshots
from swarmlet.consensus.spare import Spare
from swarmlet.consensus.standing import Standing
from swarmlet.consensus.surroundings import Surroundings
from swarmlet.consensus.upkeep import Upkeep
from swarmlet.consensus.waiting import NO_LEADER, LeaderWatch
from swarmlet.errors import (
    ConfigError,
    OutcomeUnknownError,
    SwarmletError,
    TooLargeError,
    UnavailableError,
)
from swarmlet.raft.config import RaftConfig, RestoredState
from swarmlet.raft.core import Raft
from swarmlet.raft.messages import MembershipChange, Role
from swarmlet.store import commands
from swarmlet.store.commands import NOBODY, Command, Operation, Origin, Outcome
from swarmlet.store.replica import MemberStatus, ReplicaStatus, View
from swarmlet.store.state import Store
from swarmlet.transport.peers import Peers

log = structlog.get_logger()

REQUEST_ID_BYTES = 16

RoleListener = Callable[[MemberStatus], None]
"""Told of a member whose role has changed; must not block or raise."""


class Consensus:
    """Implements `store.replica.Replica`. Make one with `open`, serve it with `run`, end it with `stop`."""

    def __init__(self, given: Surroundings, contents: Contents, seed_addresses: Mapping[str, str]) -> None:
        config, peers = given.config, given.peers
        self.counters = Counters()
        self._given = given
        self._role_listeners: list[RoleListener] = []
        self._watch = LeaderWatch(round(config.leader_wait_seconds / config.tick_seconds))
        self._forwarder = Forwarder(node_id=given.node_id, watch=self._watch, peers=peers, clock=given.clock)
        book = AddressBook(
            given.node_id,
            applied=contents.snapshot.addresses,
            reasons=contents.snapshot.reasons,
            seeds=seed_addresses,
            publish=peers.set_addresses,
        )
        engine = self._engine = Engine(
            restored=_restored(contents),
            new_core=functools.partial(_core, given),
            disk=given.disk,
            store=given.store,
            book=book,
            counters=self.counters,
        )
        self._reads = Reads(ask=self._ask_read_index, rng=given.rng)
        self._snapshots = Snapshots(given, engine=engine, book=book, counters=self.counters)
        self._members = Members(given, engine=engine, book=book, forwarder=self._forwarder, watch=self._watch)
        self._belonging = Belonging(given, engine=engine, book=book, linearize=self.linearize)
        self._feeding = Feeding(given, engine=engine, snapshots=self._snapshots)
        self._spare = Spare(given, engine=engine, book=book, belonging=self._belonging)
        self._upkeep = Upkeep(given, engine=engine)
        self._links = Links(given)
        self._standing = Standing(
            node_id=given.node_id,
            engine=engine,
            book=book,
            watch=self._watch,
            reads=self._reads,
            counters=self.counters,
            limits=upkeep.limits_of(given),
            silent_seconds=self._silent_seconds,
        )
        mailbox = Mailbox(engine=engine, snapshots=self._snapshots, peers=peers, counters=self.counters)
        self._listeners = Listeners(
            send=mailbox.send,
            read=self._reads.answered,
            role=self._look,
            member=self._follow_member,
            progressed=self._progressed,
        )
        book.append(contents.entries)
        book.publish()
        peers.on_call(wire.PROPOSE, self._take_proposal)
        for method, handler in (self._members.handlers() | self._feeding.handlers()).items():
            peers.on_call(method, handler)

    @classmethod
    async def open(  # noqa: PLR0913  dependencies, by keyword
        cls,
        *,
        node_id: str,
        cluster_id: str,
        disk: Disk,
        peers: Peers,
        store: Store,
        clock: Clock,
        rng: random.Random,
        config: ConsensusConfig,
        seed_addresses: Mapping[str, str] = MappingProxyType({}),
        zones: Callable[[], Mapping[str, str]] = dict,
    ) -> Consensus:
        """Recover from disk and return the node, ready to `run`; a disk never used becomes this node's.

        `seed_addresses`, node id -> "host:port", is where a node that joins reaches the others before the log tells it.
        `zones` tells the failure domain of each node id that has one: voters are spread over them.
        Raises `ConfigError` where the disk is another node's or in use, `DiskError` where it is damaged.
        """
        contents = await disk.load()
        found, expected = (contents.cluster_id, contents.node_id), (cluster_id, node_id)
        if found == ("", ""):
            await disk.claim(cluster_id, node_id)
        elif found != expected:
            raise ConfigError(
                f"the data folder belongs to node {found[1]} of cluster {found[0]}, not to node {node_id} of cluster "
                f"{cluster_id}; is data_dir right?"
            )
        chunks = await disk.read_state()
        if chunks:
            store.restore(chunks)
        given = Surroundings(
            node_id=node_id, disk=disk, peers=peers, store=store, clock=clock, rng=rng, config=config, zones=zones
        )
        return cls(given, contents, seed_addresses)

    # Life.

    async def run(self) -> None:
        """Take part in consensus until `stop`.

        Raises `DiskError` where the disk fails, `RemovedError` where this node was removed from the cluster.
        """
        log.info(
            "consensus_started", node=self._given.node_id, applied=self.applied, last_index=self._engine.core.last_index
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                self._start(tasks)
                await self._engine.run(self._listeners)
                raise _Stopped  # ends what is under way in the background
        except BaseExceptionGroup as group:
            if not isinstance(error := _first(group), _Stopped):
                raise error from group
        finally:
            self._engine.stop()
            self._feeding.end()
            self._standing.end()
        log.info("consensus_stopped", node=self._given.node_id)

    async def stop(self) -> None:
        """Hand the lead over where this node has it, within a bounded time, then let `run` end."""
        if self._engine.core.role is Role.LEADER and len(self._engine.core.membership.voters) > 1:
            try:
                async with asyncio.timeout(self._given.config.transfer_seconds_max):
                    await self.transfer_leadership()
            except (TimeoutError, SwarmletError) as error:
                log.warning("leadership_not_transferred", error=str(error))
        self._engine.stop()

    def _start(self, tasks: asyncio.TaskGroup) -> None:
        self._snapshots.start(tasks)
        self._belonging.start(tasks)
        tasks.create_task(self._given.disk.until_failure())  # also where only a peer was told of it
        tasks.create_task(self._tick())
        tasks.create_task(self._spare.run())
        if not self._engine.is_spare and self._engine.core.membership.voters == {self._given.node_id}:
            self._engine.campaign()  # nobody else could lead: no timeout to wait for

    async def _tick(self) -> None:
        while True:
            await self._given.clock.sleep(self._given.config.tick_seconds)
            self._engine.tick()
            self._watch.tick()
            self._reads.tick()
            for part in (self._upkeep, self._belonging, self._spare, self._feeding):
                part.tick()
            if self._watch.hopeless:
                self._reads.fail(UnavailableError(NO_LEADER))

    # Reading and writing: the `Replica` protocol.

    @property
    def view(self) -> View:
        """The local applied state."""
        return self._given.store

    @property
    def is_leader(self) -> bool:
        """Whether this node leads now and has committed in its term."""
        return self._standing.acts

    @property
    def applied(self) -> int:
        """The last index applied here."""
        return self._engine.applied.index

    async def propose(
        self,
        operations: Sequence[Operation],
        *,
        atomic: bool = True,
        timeout_seconds: float = 5.0,
        origin: Origin = NOBODY,
    ) -> tuple[Outcome, ...]:
        """Replicate the operations; return their outcomes once they are committed and applied here."""
        command = Command(self._given.rng.randbytes(REQUEST_ID_BYTES), tuple(operations), atomic, origin)
        data = commands.encode(command)
        if len(data) > commands.COMMAND_BYTES_MAX or len(command.operations) > commands.OPERATIONS_MAX:
            raise TooLargeError(
                f"a write of {len(data)} bytes and {len(command.operations)} operations is over the limit of "
                f"{commands.COMMAND_BYTES_MAX} bytes and {commands.OPERATIONS_MAX} operations; split it"
            )
        deadline = self._given.clock.monotonic() + timeout_seconds
        proposed = await self._forwarder.carry(
            wire.PROPOSE,
            data,
            here=lambda: self._append(data, command),
            read=lambda reply: wire.decode(reply, wire.Proposed),
            seconds=timeout_seconds,
        )
        await self._catch_up(proposed.index, deadline)
        return proposed.outcomes

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        """Wait until `view` holds every write acknowledged before this call."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._watch.wait()
                await self._engine.applied.wait(await self._reads.index())
        except TimeoutError as error:
            raise UnavailableError(f"no quorum confirmed the read within {timeout_seconds:g} s") from error

    async def add_member(self, node_id: str, address: str) -> None:
        """Add a node as a spare; the cluster gives it another role where it needs it."""
        await self._members.add_member(node_id, address)

    async def remove_member(self, node_id: str) -> None:
        """Remove a node for good; raise `ConflictError` where the rest could not reach quorum."""
        await self._members.remove(node_id)

    async def transfer_leadership(self, to: str = "") -> None:
        """Hand the lead to `to`, or to the most up-to-date voter."""
        await self._members.transfer(to)

    def status(self) -> ReplicaStatus:
        """Return what this node knows of the consensus now."""
        return self._standing.status()

    def on_leadership(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(True)` when this node has become a leader that may act, `listener(False)` when it ceases."""
        self._standing.listen(listener)

    def on_role(self, listener: RoleListener) -> None:
        """Call `listener` with each change of a member's role that is applied here."""
        self._role_listeners.append(listener)

    # What happens in the engine, told to who must know.

    def _look(self) -> None:
        self._standing.look()
        self._feeding.look()

    def _progressed(self) -> None:
        self._snapshots.consider()
        self._feeding.progressed()

    def _follow_member(self, change: MembershipChange) -> None:
        self._belonging.applied(change)
        told = next((member for member in self.status().members if member.node_id == change.node), None)
        if told is None:  # removed, by this change or by a later one that the log holds already
            return
        for listener in tuple(self._role_listeners):
            listener(told)

    def _silent_seconds(self, node: str) -> float | None:
        silent = self._upkeep.silent_seconds(node)
        return self._links.down_seconds(node) if silent is None else silent

    async def _append(self, data: bytes, command: Command) -> wire.Proposed:
        """Append a command as leader and see it applied."""
        index, done = self._engine.propose(data, command)
        return wire.Proposed(index, await done)

    async def _catch_up(self, index: int, deadline: float) -> None:
        """Wait until what the leader has applied is applied here too."""
        if index <= self.applied:
            return
        try:
            async with asyncio.timeout(max(deadline - self._given.clock.monotonic(), 0)):
                await self._engine.applied.wait(index)
        except TimeoutError as error:
            raise OutcomeUnknownError(f"committed at index {index}, but this node is behind; read elsewhere") from error

    async def _take_proposal(self, _sender: str, payload: bytes) -> bytes:
        command = wire.decode(payload, Command)
        try:
            async with asyncio.timeout(self._given.config.forward_seconds_max):
                return wire.encode(await self._append(payload, command))
        except TimeoutError as error:
            raise OutcomeUnknownError("the leader has not committed the write in time") from error

    def _ask_read_index(self, context: bytes) -> None:
        self._engine.core.read_index(context)
        self._engine.wake()


class _Stopped(Exception):  # noqa: N818  not an error: how `run` leaves its task group
    """`stop` was asked for."""


def _restored(contents: Contents) -> RestoredState:
    return RestoredState(
        hard_state=contents.hard_state,
        snapshot=contents.snapshot.meta,
        entries=contents.entries,
        applied=contents.snapshot.meta.index,
    )


def _core(given: Surroundings, restored: RestoredState) -> Raft:
    limits = RaftConfig(
        election_timeout_ticks=given.config.election_ticks,
        heartbeat_ticks=given.config.heartbeat_ticks,
        promotion_lag_entries_max=given.config.promote_lag_entries,
    )
    return Raft(node_id=given.node_id, config=limits, restored=restored, rng=given.rng)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what a user should see of a group: its first error, however deep."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
