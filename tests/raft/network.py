"""Cores in memory, each with a disk that a crash leaves as it was last written, and the messages under way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from swarmlet.raft.config import RaftConfig, RestoredState
from swarmlet.raft.core import Raft
from swarmlet.raft.messages import (
    Entry,
    HardState,
    Membership,
    Message,
    MessageKind,
    NodeId,
    ReadState,
    Ready,
    Role,
    SnapshotMeta,
)


@dataclass(slots=True)
class Disk:
    """What survives a crash."""

    hard_state: HardState = field(default_factory=HardState)
    snapshot: SnapshotMeta = field(default_factory=SnapshotMeta)
    entries: list[Entry] = field(default_factory=list)

    @property
    def last_index(self) -> int:
        return self.snapshot.index + len(self.entries)

    def write(self, ready: Ready) -> None:
        if ready.snapshot:
            self.snapshot, self.entries = ready.snapshot, []
        if ready.entries:
            kept = ready.entries[0].index - self.snapshot.index - 1
            assert 0 <= kept <= len(self.entries), "entries follow what is on disk"
            self.entries[kept:] = ready.entries
        if ready.hard_state:
            self._check_ballot(ready.hard_state)
            self.hard_state = ready.hard_state

    def _check_ballot(self, new: HardState) -> None:
        old = self.hard_state
        assert new.term >= old.term, "a term never goes back"
        assert new.commit >= old.commit, "a commit index never goes back"
        assert new.term > old.term or not old.vote or new.vote == old.vote, "one vote a term"

    def restored(self) -> RestoredState:
        return RestoredState(
            hard_state=self.hard_state, snapshot=self.snapshot, entries=tuple(self.entries), applied=self.snapshot.index
        )


class Member:
    """One node: its core, its disk, and the Ready that is being worked on."""

    def __init__(self, node_id: NodeId, config: RaftConfig, disk: Disk, rng: random.Random) -> None:
        self.node_id = node_id
        self.config = config
        self.disk = disk
        self.rng = rng
        self.reads: list[ReadState] = []
        self.is_up = False
        self.start()

    def start(self) -> None:
        self.core = Raft(node_id=self.node_id, config=self.config, restored=self.disk.restored(), rng=self.rng)
        self.outstanding: Ready | None = None
        self.applied = self.disk.snapshot.index
        self.is_up = True
        self.core.validate()

    def compact(self, index: int) -> None:
        """Write a snapshot of the state at `index`, then forget the log up to it."""
        meta = self.core.snapshot_meta(index)
        self.disk.entries = [entry for entry in self.disk.entries if entry.index > index]
        self.disk.snapshot = meta
        self.core.compact(index)


Watcher = Callable[[Member, Ready], None]
Overhearer = Callable[[Message], None]


class Network:
    """Members and the messages between them, in the order in which they were sent."""

    def __init__(self, watch: Watcher = lambda _member, _ready: None) -> None:
        self.members: dict[NodeId, Member] = {}
        self.under_way: list[Message] = []
        self.cuts: set[tuple[NodeId, NodeId]] = set()
        self.watch = watch
        self.overhear: Overhearer = lambda _message: None

    def add(self, node_id: NodeId, config: RaftConfig, disk: Disk, rng: random.Random) -> Member:
        self.members[node_id] = Member(node_id, config, disk, rng)
        return self.members[node_id]

    # One member's work, in the steps between which it may crash.

    def take(self, member: Member) -> Ready:
        ready = member.core.ready()
        member.outstanding = ready
        if ready.committed:
            assert ready.committed[-1].index <= member.disk.last_index, "what is applied is on disk"
        self._send(ready.messages)
        member.core.validate()
        return ready

    def finish(self, member: Member) -> None:
        ready = member.outstanding
        assert ready is not None
        member.disk.write(ready)
        self._send(ready.messages_after_persist)
        if ready.snapshot:
            member.applied = ready.snapshot.index
        for entry in ready.committed:
            assert entry.index == member.applied + 1, "entries are applied one after another"
            member.applied = entry.index
        member.reads.extend(ready.read_states)
        member.outstanding = None
        member.core.advance(ready)
        member.core.validate()
        self.watch(member, ready)

    def crash(self, member: Member) -> None:
        member.is_up = False
        member.outstanding = None

    # Messages.

    def _send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.overhear(message)
            if (message.sender, message.to) in self.cuts or message.to not in self.members:
                self.lose(message)
            else:
                self.under_way.append(message)

    def lose(self, message: Message) -> None:
        sender = self.members[message.sender]
        if message.kind is MessageKind.SNAPSHOT and sender.is_up:
            sender.core.report_snapshot(message.to, ok=False)
            sender.core.validate()

    def deliver(self, message: Message) -> None:
        member, sender = self.members[message.to], self.members[message.sender]
        if not member.is_up:
            self.lose(message)
            return
        member.core.step(message)
        member.core.validate()
        if message.kind is MessageKind.SNAPSHOT and sender.is_up:
            sender.core.report_snapshot(message.to, ok=True)
            sender.core.validate()

    def settle(self, on_message: Callable[[Message], None] = lambda _message: None) -> None:
        """Work and deliver until nothing is left to do."""
        while self._work() or self.under_way:
            batch, self.under_way = self.under_way, []
            for message in batch:
                on_message(message)
                self.deliver(message)

    def _work(self) -> bool:
        busy = [member for member in self.members.values() if member.is_up and self.is_busy(member)]
        for member in busy:
            while self.is_busy(member):
                if member.outstanding is None:
                    self.take(member)
                self.finish(member)
        return bool(busy)

    @staticmethod
    def is_busy(member: Member) -> bool:
        return member.outstanding is not None or member.core.has_ready()

    def cut(self, one: NodeId, other: NodeId) -> None:
        self.cuts |= {(one, other), (other, one)}

    def isolate(self, node_id: NodeId) -> None:
        for other in self.members:
            if other != node_id:
                self.cut(node_id, other)

    def leaders(self) -> list[Member]:
        return [member for member in self.members.values() if member.is_up and member.core.role is Role.LEADER]


def born(voters: Iterable[NodeId], learners: Iterable[NodeId] = ()) -> Disk:
    """Return the disk of a founding member: a snapshot of nothing at index 1, term 1."""
    membership = Membership(frozenset(voters), frozenset(learners))
    return Disk(hard_state=HardState(term=1, commit=1), snapshot=SnapshotMeta(1, 1, membership))
