"""Linearizable reads: many under one round, in which a quorum says that the leader still leads (Raft §8, ReadIndex)."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarmlet.raft import quorum
from swarmlet.raft.messages import NodeId

NO_ROUND = b""


@dataclass(frozen=True, slots=True)
class Read:
    """Somebody's read: `requester` is the node that asked, `context` its own name for it."""

    requester: NodeId
    context: bytes


@dataclass(slots=True)
class Round:
    """Reads that may be served at `index` once a quorum has answered a heartbeat that bears `context`."""

    context: bytes
    index: int
    reads: tuple[Read, ...]
    confirmed_by: set[NodeId] = field(default_factory=set)


class ReadQueue:
    """The reads of one leader's term: one round is under way, and all that arrive meanwhile share the next one."""

    def __init__(self, reads_max: int) -> None:
        self._reads_max = reads_max
        self._waiting: list[Read] = []
        self._round: Round | None = None
        self._rounds = 0

    @property
    def context(self) -> bytes:
        """The context that heartbeats bear: that of the round under way."""
        return self._round.context if self._round else NO_ROUND

    @property
    def is_ready_for_round(self) -> bool:
        return bool(self._waiting) and self._round is None

    def ask(self, read: Read) -> bool:
        """Queue a read; return False where the limit is reached."""
        under_way = len(self._round.reads) if self._round else 0
        if len(self._waiting) + under_way >= self._reads_max:
            return False
        self._waiting.append(read)
        return True

    def start_round(self, commit: int) -> None:
        """Put all waiting reads under one round; each may be served at the commit index of this moment."""
        self._rounds += 1
        self._round = Round(self._rounds.to_bytes(8, "big"), commit, tuple(self._waiting))
        self._waiting = []

    def confirm(self, node: NodeId, context: bytes) -> None:
        """Take note that `node` has answered a heartbeat of this term that bore `context`."""
        if self._round and context == self._round.context:
            self._round.confirmed_by.add(node)

    def take_confirmed(self, voters: frozenset[NodeId]) -> Round | None:
        """End and return the round under way, where a quorum of voters has confirmed it."""
        if self._round is None or not quorum.is_quorum(self._round.confirmed_by, voters):
            return None
        confirmed, self._round = self._round, None
        return confirmed
