"""Who belongs: changed in single steps, effective on append, undone by truncation (Raft dissertation §4.1)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from swarmlet import errors
from swarmlet.raft.messages import ChangeKind, Entry, EntryKind, Membership, MembershipChange, NodeId

_decoder = msgspec.msgpack.Decoder(MembershipChange)
_ADDS = (ChangeKind.ADD_LEARNER, ChangeKind.ADD_SPARE)
_MAKES_SPARE = (ChangeKind.ADD_SPARE, ChangeKind.RELEASE)


def encode(change: MembershipChange) -> bytes:
    """Return the `data` of the entry that makes this change."""
    return msgspec.msgpack.encode(change)


def decode(data: bytes) -> MembershipChange:
    """Return the change that a MEMBERSHIP entry makes."""
    return _decoder.decode(data)


def members(membership: Membership) -> frozenset[NodeId]:
    """Return those to whom the log is replicated: voters and learners together."""
    return membership.voters | membership.learners


def everybody(membership: Membership) -> frozenset[NodeId]:
    """Return all who belong to the cluster, spares included."""
    return members(membership) | membership.spares


def check(membership: Membership, change: MembershipChange) -> None:
    """Raise `ConflictError` where `change` is no single step from `membership`."""
    node = change.node
    if not node:
        raise errors.ConflictError("a membership change must name a node")
    whom, problem = _whom(membership, change.kind)
    if node not in whom and change.kind not in _ADDS:
        raise errors.ConflictError(f"node {node} {problem}")
    if node in whom and change.kind in _ADDS:
        raise errors.ConflictError(f"node {node} is a member already")
    if membership.voters == {node}:
        raise errors.ConflictError(f"node {node} is the last voter; make another node a voter first")


def _whom(membership: Membership, kind: ChangeKind) -> tuple[frozenset[NodeId], str]:
    """Return whom a change can concern, and what is wrong with the others; of those it adds, whom it cannot."""
    match kind:
        case ChangeKind.ADD_LEARNER:
            return members(membership), ""
        case ChangeKind.ADD_SPARE:
            return everybody(membership), ""
        case ChangeKind.PROMOTE:
            return membership.learners, "is not a learner; only a learner can become a voter"
        case ChangeKind.DEMOTE:
            return membership.voters, "is not a voter"
        case ChangeKind.RELEASE:
            return members(membership), "is neither voter nor learner"
        case ChangeKind.REMOVE:
            return everybody(membership), "is not a member"


def after(membership: Membership, change: MembershipChange) -> Membership:
    """Return the membership that the change makes."""
    node = frozenset({change.node})
    voters, learners, spares = membership.voters - node, membership.learners - node, membership.spares - node
    if change.kind is ChangeKind.PROMOTE:
        return Membership(voters | node, learners, spares)
    if change.kind is ChangeKind.REMOVE:
        return Membership(voters, learners, spares)
    if change.kind in _MAKES_SPARE:
        return Membership(voters, learners, spares | node)
    return Membership(voters, learners | node, spares)


class MembershipHistory:
    """The membership at the log's base, and after each change in the log: one (index, membership) a step."""

    __slots__ = ("_steps",)

    def __init__(self, index: int, membership: Membership) -> None:
        self._steps = [(index, membership)]

    @property
    def latest(self) -> Membership:
        """The membership in force: that of the last change in the log, committed or not."""
        return self._steps[-1][1]

    @property
    def latest_index(self) -> int:
        """The index of the entry that made `latest`, or of the snapshot that brought it."""
        return self._steps[-1][0]

    def at(self, index: int) -> Membership:
        """Return the membership as of an index that is not below the log's base."""
        return next(membership for made_at, membership in reversed(self._steps) if made_at <= index)

    def record(self, entries: Iterable[Entry]) -> None:
        """Take note of the changes among entries that are appended to the log."""
        for entry in entries:
            if entry.kind is EntryKind.MEMBERSHIP:
                self._steps.append((entry.index, after(self.latest, decode(entry.data))))

    def truncate(self, first: int) -> None:
        """Undo the changes made at `first` or later."""
        while self._steps[-1][0] >= first and len(self._steps) > 1:
            self._steps.pop()

    def compact(self, index: int) -> None:
        """Forget the steps that `index` covers; the last of them is the new base."""
        kept = [step for step in self._steps if step[0] > index]
        self._steps = [(index, self.at(index)), *kept]
