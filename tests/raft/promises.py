"""What must hold after every step, looked at from outside all members and their disks at once."""

from __future__ import annotations

from collections.abc import Iterable

from swarmlet.raft import membership
from swarmlet.raft.log import Log
from swarmlet.raft.messages import (
    Entry,
    EntryKind,
    Membership,
    Message,
    MessageKind,
    NodeId,
    Ready,
    Role,
    SnapshotMeta,
)

from .network import Disk, Member

ALL_BYTES = 1 << 30
OF_A_TERM_TO_COME = {MessageKind.PRE_VOTE, MessageKind.PRE_VOTE_REPLY}


class Promises:
    """The truth about one run: who led, and what was committed. Every method asserts."""

    def __init__(self, members: dict[NodeId, Member], founders: Iterable[NodeId]) -> None:
        self._members = members
        self._founders = Membership(frozenset(founders))
        self.committed: dict[int, Entry] = {}
        self.leaders: dict[int, NodeId] = {}
        self.reads: dict[bytes, int] = {}
        self.reads_served = 0
        self._commit = 1
        self._looked_at: dict[NodeId, int] = {}

    # Told as it happens.

    def asked(self, context: bytes) -> None:
        """A read begins: it must see all that is committed now."""
        self.reads[context] = max((each.core.commit for each in self._members.values()), default=0)

    def sent(self, message: Message) -> None:
        """Nothing leaves that rests on what is not on the sender's disk."""
        sender = self._members[message.sender]
        self.look(sender)
        ballot = sender.disk.hard_state
        if message.kind not in OF_A_TERM_TO_COME:
            assert message.term <= ballot.term, "a term is on disk before it is spoken of"
        is_vote = message.kind is MessageKind.VOTE_REPLY and not message.reject
        if is_vote or message.kind is MessageKind.VOTE:
            chosen = message.to if is_vote else message.sender
            assert ballot.term > message.term or ballot.vote == chosen, "a vote is on disk before it is given"
        if message.kind is MessageKind.APPEND_REPLY and not message.reject:
            is_there = ballot.term > message.term or message.log_index <= sender.disk.last_index
            assert is_there, "what is acknowledged is on disk"

    def worked(self, member: Member, ready: Ready) -> None:
        for entry in ready.committed:
            assert self.committed.setdefault(entry.index, entry) == entry, "state machine safety"
        if ready.snapshot and ready.snapshot.index > 1:
            self.snapshot_holds(ready.snapshot)
        for read in ready.read_states:
            assert read.index >= self.reads.pop(read.context, 0), "a read sees all that was committed before it"
            self.reads_served += 1
        self.look(member)

    def snapshot_holds(self, snapshot: SnapshotMeta) -> None:
        assert self.committed[snapshot.index].term == snapshot.term, "snapshots hold what is committed"
        current = self._founders
        for index, entry in sorted(self.committed.items()):
            if index <= snapshot.index and entry.kind is EntryKind.MEMBERSHIP:
                current = membership.after(current, membership.decode(entry.data))
        assert snapshot.membership == current, "a snapshot bears the membership as of its index"

    # Looked at.

    def look(self, member: Member) -> None:
        core, log = member.core, member.core._log
        for index in range(max(log.base_index, self._looked_at.get(member.node_id, 0)) + 1, core.commit + 1):
            self._commits(log, log.slice(index, index, 0)[0])
        self._looked_at[member.node_id] = core.commit
        if core.role is Role.LEADER:
            self._leads(member)
        self._commit = max(self._commit, core.commit)

    def started(self, member: Member) -> None:
        """A new life may know less of what is committed than the last one did."""
        self._looked_at[member.node_id] = member.core.commit

    def _commits(self, log: Log, entry: Entry) -> None:
        if entry.index not in self.committed:
            self.committed[entry.index] = entry
            memberships = log.memberships.at(entry.index), log.memberships.latest
            assert any(self._is_on_a_quorum(entry, each) for each in memberships), "what is committed is on a quorum"
        assert self.committed[entry.index] == entry, "what is committed stays"

    def _is_on_a_quorum(self, entry: Entry, members: Membership) -> bool:
        holders = sum(_holds(self._members[voter].disk, entry.index, entry.term) for voter in members.voters)
        return holders > len(members.voters) // 2

    def _leads(self, member: Member) -> None:
        core, log = member.core, member.core._log
        if self.leaders.get(core.term) != member.node_id:
            assert core.term not in self.leaders, "one leader a term"
            self.leaders[core.term] = member.node_id
            for index, entry in self.committed.items():
                assert index <= log.base_index or log.term(index) == entry.term, "leader completeness"
        if core.commit > self._commit:
            assert log.term(core.commit) == core.term, "a leader commits by counting only what is of its own term"
        for node, status in core.progress.items():
            disk, term = self._members[node].disk, log.term(status.match)
            if status.match and term is not None and disk.hard_state.term <= core.term:
                assert _holds(disk, status.match, term), "what a leader takes for acknowledged is on that disk"

    def match_logs(self) -> None:
        logs = [member.core._log for member in self._members.values()]
        for one in logs:
            for other in logs:
                low, high = max(one.base_index, other.base_index), min(one.last_index, other.last_index)
                agree = [one.term(index) == other.term(index) for index in range(low + 1, high + 1)]
                if True in agree:
                    last = len(agree) - agree[::-1].index(True)
                    same = one.slice(low + 1, low + last, ALL_BYTES) == other.slice(low + 1, low + last, ALL_BYTES)
                    assert same, "log matching"


def _holds(disk: Disk, index: int, term: int) -> bool:
    if index <= disk.snapshot.index:
        return True
    position = index - disk.snapshot.index - 1
    return position < len(disk.entries) and disk.entries[position].term == term
