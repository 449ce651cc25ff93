"""Turns the core's wheel: what it is told goes in at once, what it asks for is done in its order, one Ready at a time.

Every input is one synchronous call on the event loop, so nothing stands between reading and changing the core's state.
`run` is the only task that takes Readys. While it awaits the disk, messages are stepped and proposals accepted; all of
them share the next Ready and thus the next durable commit.

A spare's wheel turns too, on what a peer feeds it: its core learns what is committed, nothing of it goes to disk, and
of what peers send it only the answers to its reads count. What a node is follows from its applied log: where that log
makes a voter or learner of a spare, or a spare of one of these, the engine writes the applied state to disk in place
of the whole log, keeps term and vote, and goes on with a new core. The store stays, and its index never goes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from swarmlet.consensus.addresses import AddressBook
from swarmlet.consensus.disk import Batch, Disk
from swarmlet.consensus.settings import APPLY_BYTES_MAX, APPLY_ENTRIES_MAX
from swarmlet.consensus.snapshot_file import Header
from swarmlet.consensus.waiting import AppliedIndex, Proposals
from swarmlet.errors import BugError, SwarmletError, UnavailableError
from swarmlet.raft import membership
from swarmlet.raft.config import RestoredState
from swarmlet.raft.core import Raft
from swarmlet.raft.messages import (
    Entry,
    EntryKind,
    HardState,
    MembershipChange,
    Message,
    MessageKind,
    ReadState,
    Ready,
    Role,
    SnapshotMeta,
)
from swarmlet.store.commands import Command, Outcome
from swarmlet.store.snapshot import Restoration
from swarmlet.store.state import Store

log = structlog.get_logger()


@dataclass(slots=True)
class Counters:
    """What has happened since the start; `node.py` shows them as metrics."""

    entries_persisted: int = 0
    disk_commits: int = 0
    entries_applied: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    proposals: int = 0
    leader_changes: int = 0
    snapshots_taken: int = 0
    snapshots_sent: int = 0
    snapshots_installed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told what, synchronously, in the order in which it happens."""

    send: Callable[[Sequence[Message]], None]
    read: Callable[[ReadState], None]
    role: Callable[[], None]
    """Role, leader or term may have changed, or an entry of the current term was applied."""
    member: Callable[[MembershipChange], None]
    progressed: Callable[[], None]
    """Entries were applied: it may be time for a snapshot, and spares are waiting."""


class Engine:
    """The driver of one node's core."""

    def __init__(
        self,
        *,
        restored: RestoredState,
        new_core: Callable[[RestoredState], Raft],
        disk: Disk,
        store: Store,
        book: AddressBook,
        counters: Counters,
    ) -> None:
        self._new_core = new_core
        self.core = new_core(restored)
        self.proposals = Proposals()
        self.applied = AppliedIndex(self.core.applied)
        self.applied_term = 0
        self.silent_ticks = 0
        """Since the leader was last heard of; 0 on the leader itself."""
        self.bytes_since_snapshot = 0
        self.snapshot_index = restored.snapshot.index
        """Of the last snapshot: found on disk, taken or installed."""
        self._disk = disk
        self._store = store
        self._book = book
        self._counters = counters
        self._arrived: dict[SnapshotMeta, Header] = {}
        self._wake = asyncio.Event()
        self._failure: SwarmletError | None = None
        self._lazy: HardState | None = None
        self._was_leader = False
        self._stopping = False
        self._released_index = 0
        self._durable_index = restored.snapshot.index
        self._durable_ballot = (restored.hard_state.term, restored.hard_state.vote)
        self.is_spare = self._should_be_spare()
        self._may_change = False
        self._turned = asyncio.Event()
        """Set, and replaced by another, when this node becomes a spare or ceases to be one."""

    # Inputs. Each is synchronous.

    def tick(self) -> None:
        self.silent_ticks = 0 if self.core.role is Role.LEADER else self.silent_ticks + 1
        if not self.is_spare:
            self.core.tick()
            self._wake.set()

    def campaign(self) -> None:
        """Campaign now, unless this node is a spare, whose log may still call it a voter."""
        if not self.is_spare:
            self.core.campaign()
            self._wake.set()

    def step(self, messages: Iterable[Message]) -> None:
        """Take messages of a peer; a broken invariant ends `run` and not the link that brought them."""
        try:
            for message in messages:
                self._counters.messages_received += 1
                if self.is_spare and message.kind is not MessageKind.READ_INDEX_REPLY:
                    continue
                self.core.step(message)
                if message.sender == self.core.leader:
                    self.silent_ticks = 0
        except BugError as error:
            self.fail(error)
        self._wake.set()

    def propose(self, data: bytes, command: Command) -> tuple[int, asyncio.Future[tuple[Outcome, ...]]]:
        """Append an encoded command as leader; return its index and what resolves once it is applied."""
        self._check()
        self.proposals.check_room()
        index = self.core.propose(data)
        self._counters.proposals += 1
        self._wake.set()
        return index, self.proposals.add(index, self.core.term, command)

    def propose_membership(self, change: MembershipChange) -> asyncio.Future[tuple[Outcome, ...]]:
        """Append a membership change as leader; return what resolves once it is applied."""
        self._check()
        self.proposals.check_room()
        index = self.core.propose_membership(change)
        self._wake.set()
        return self.proposals.add(index, self.core.term, None)

    def install(self, header: Header, message: Message) -> None:
        """Take a snapshot that arrived whole and verified."""
        self._arrived[header.meta] = header
        self.step((message,))

    def learn(self, entries: Sequence[Entry], *, leader: str, term: int) -> None:
        """Take what a peer feeds to a spare: committed entries that follow ours, and who leads."""
        self.core.learn(entries, leader=leader, term=term)
        self._wake.set()

    def learn_state(self, header: Header) -> None:
        """Take a snapshot that a peer fed to a spare; it arrived whole and verified."""
        self._arrived[header.meta] = header
        self.core.learn_snapshot(header.meta)
        self._wake.set()

    def release(self, index: int) -> None:
        """Be a spare at least until `index` is applied: a peer knows that the cluster has made this node one."""
        log.info("role_lost", applied=self.applied.index, released_by=index)
        self._released_index = index
        self._may_change = True
        self._wake.set()

    async def wait_until_spare(self) -> None:
        """Return once this node is a spare."""
        while not self.is_spare:
            await self._turned.wait()

    async def digest(self, index: int) -> None:
        """Return once what was fed up to `index` is applied, or was dropped with the log by a change of role."""
        if index <= self.applied.index:
            return
        waits = [asyncio.ensure_future(self.applied.wait(index)), asyncio.ensure_future(self._turned.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def fail(self, error: SwarmletError) -> None:
        """Let `run` end with `error`."""
        self._failure = self._failure or error
        self._wake.set()

    def wake(self) -> None:
        """Look at the core again: somebody told it something."""
        self._wake.set()

    def stop(self) -> None:
        """Let `run` end after the Ready in hand."""
        self._stopping = True
        self._wake.set()

    def _check(self) -> None:
        if self._failure or self._stopping:
            raise UnavailableError("this node is stopping; ask another")

    # The wheel.

    async def run(self, listeners: Listeners) -> None:
        """Serve the core until `stop`; raise `DiskError` or `BugError` where going on would be wrong."""
        try:
            while not self._stopping:
                await self._wake.wait()
                self._wake.clear()
                while self.core.has_ready() and not self._failure:
                    await self._serve(self.core.ready(), listeners)
                if self._failure:
                    raise self._failure
                if self._may_change:
                    await self._follow_role(listeners)
                if self.is_spare and not self.core.has_ready():
                    self.core.compact(self.applied.index)
            if self._lazy and not self.is_spare:
                await self._disk.persist(Batch(hard_state=self._lazy))
        finally:
            self._stopping = True
            self.proposals.fail()

    async def _serve(self, ready: Ready, listeners: Listeners) -> None:
        """Do what one Ready asks for, in the order of its docstring."""
        self._book.append(ready.entries)
        listeners.send(ready.messages)
        self._note_role(listeners)
        self._lazy = ready.hard_state or self._lazy
        if ready.must_sync or ready.entries or ready.snapshot:
            await self._persist(ready)
        listeners.send(ready.messages_after_persist)
        if ready.snapshot:
            await self._restore(ready.snapshot)
        await self._apply(ready.committed, listeners)
        self.core.advance(ready)
        for read_state in ready.read_states:
            listeners.read(read_state)
        self._note_role(listeners)

    async def _persist(self, ready: Ready) -> None:
        snapshot = self._arrived[ready.snapshot] if ready.snapshot else None
        hard_state, self._lazy = self._lazy, None
        entries = ready.entries
        if snapshot:
            self._durable_index = snapshot.meta.index
        if self.is_spare:
            entries = ()
            hard_state = hard_state and msgspec.structs.replace(hard_state, commit=self._durable_index)
            if not snapshot and (hard_state is None or self._is_durable(hard_state)):
                return
        if hard_state:
            self._durable_ballot = (hard_state.term, hard_state.vote)
        await self._disk.persist(Batch(entries=entries, hard_state=hard_state, snapshot=snapshot))
        self._counters.disk_commits += 1
        self._counters.entries_persisted += len(entries)

    def _is_durable(self, hard_state: HardState) -> bool:
        return self._durable_ballot == (hard_state.term, hard_state.vote)

    async def _restore(self, meta: SnapshotMeta) -> None:
        """Replace the state by the snapshot that the disk holds now, read a chunk at a time beside it."""
        chunks = await self._disk.read_state()
        restoration = Restoration()
        for chunk in chunks:
            restoration.add(chunk)
            await asyncio.sleep(0)  # heartbeats are answered, and readers served, as ever
        if chunks:
            self._store.adopt(restoration)
        header = self._arrived[meta]
        self._book.restore(header.addresses, header.reasons)
        self._may_change = True
        self._arrived = {later: header for later, header in self._arrived.items() if later.index > meta.index}
        self.applied_term = meta.term
        self.bytes_since_snapshot = 0
        self.snapshot_index = meta.index
        self._counters.snapshots_installed += 1
        self.applied.advance(meta.index)

    async def _apply(self, entries: Sequence[Entry], listeners: Listeners) -> None:
        """Apply committed entries, a slice at a time, so that the event loop is never held up for long."""
        in_slice = slice_bytes = 0
        for entry in entries:
            if in_slice >= APPLY_ENTRIES_MAX or slice_bytes >= APPLY_BYTES_MAX:
                await asyncio.sleep(0)
                in_slice = slice_bytes = 0
            self._apply_entry(entry, listeners)
            in_slice += 1
            slice_bytes += len(entry.data)
        if entries:
            listeners.progressed()

    def _apply_entry(self, entry: Entry, listeners: Listeners) -> None:
        proposal = self.proposals.take(entry.index, entry.term)
        outcomes: tuple[Outcome, ...] = ()
        if entry.kind is EntryKind.MEMBERSHIP:
            self._may_change = True
            listeners.member(self._book.apply(entry))
        elif proposal and proposal.command:
            outcomes = self._store.apply(proposal.command)
        elif entry.data:
            outcomes = self._store.apply_entry(entry.data)
        self.applied_term = entry.term
        self.bytes_since_snapshot += len(entry.data)
        self._counters.entries_applied += 1
        self.applied.advance(entry.index)
        if proposal and not proposal.done.done():
            proposal.done.set_result(outcomes)

    # Being a spare, or not.

    def _should_be_spare(self) -> bool:
        """Whether, as far as the applied log says, nothing is replicated to this node."""
        applied = self.core.snapshot_meta(self.applied.index).membership
        return self.applied.index < self._released_index or self.core.node_id not in membership.members(applied)

    async def _follow_role(self, listeners: Listeners) -> None:
        """Become what the applied log says that this node is; the whole log gives way to the applied state."""
        self._may_change = False
        should_be_spare = self._should_be_spare()
        if should_be_spare == self.is_spare:
            return
        core = self.core
        meta = core.snapshot_meta(self.applied.index)
        hard_state = HardState(core.term, core.vote, meta.index)
        header = self._book.header(meta)
        if meta.index:
            await self._disk.save_snapshot(header, self._store.capture().encode_chunks(), trim_to=meta.index)
            await self._disk.persist(Batch(hard_state=hard_state, snapshot=header))
        self._lazy, self._durable_index = None, meta.index
        self.snapshot_index, self.bytes_since_snapshot = meta.index, 0
        self.core = self._new_core(RestoredState(hard_state=hard_state, snapshot=meta, applied=meta.index))
        self.core.learn((), leader=core.leader, term=core.term)
        self._durable_ballot = (hard_state.term, hard_state.vote)
        self._book.restore(header.addresses, header.reasons)
        self.silent_ticks = 0
        self.is_spare = should_be_spare
        self._turned.set()
        self._turned = asyncio.Event()
        log.info("log_dropped" if should_be_spare else "log_begun", applied=meta.index, term=core.term)
        self._note_role(listeners)

    def _note_role(self, listeners: Listeners) -> None:
        leads = self.core.role is Role.LEADER
        if self._was_leader and not leads:
            self.proposals.fail()
        self._was_leader = leads
        listeners.role()
