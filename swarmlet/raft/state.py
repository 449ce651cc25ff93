"""What every role reads and writes: who we are, the ballot, the leader, the log, and what is to be sent."""

from __future__ import annotations

from swarmlet.raft import membership
from swarmlet.raft.config import RaftConfig, RestoredState
from swarmlet.raft.log import Log
from swarmlet.raft.messages import NO_NODE, HardState, Membership, Message, MessageKind, NodeId, ReadState


class State:
    """The part of a node that outlives its roles. `outbox` leaves at once, `outbox_after_persist` after the disk."""

    __slots__ = (
        "config",
        "durable_ballot",
        "leader",
        "log",
        "node_id",
        "outbox",
        "outbox_after_persist",
        "read_states",
        "term",
        "vote",
    )

    def __init__(self, node_id: NodeId, config: RaftConfig, restored: RestoredState) -> None:
        self.node_id = node_id
        self.config = config
        self.log = Log(restored)
        self.term = max(restored.hard_state.term, self.log.last_term)
        self.vote = restored.hard_state.vote if self.term == restored.hard_state.term else NO_NODE
        self.durable_ballot = (restored.hard_state.term, restored.hard_state.vote)
        self.leader: NodeId = NO_NODE
        self.outbox: list[Message] = []
        self.outbox_after_persist: list[Message] = []
        self.read_states: list[ReadState] = []

    @property
    def hard_state(self) -> HardState:
        return HardState(self.term, self.vote, self.log.commit)

    @property
    def ballot_is_durable(self) -> bool:
        return self.durable_ballot == (self.term, self.vote)

    @property
    def membership(self) -> Membership:
        return self.log.memberships.latest

    @property
    def peers(self) -> frozenset[NodeId]:
        """All other members."""
        return membership.members(self.membership) - {self.node_id}

    @property
    def may_campaign(self) -> bool:
        """Whether this node may ask for votes: a voter, and not in the midst of installing a snapshot.

        A voter whose removal is in the log but not committed may still be needed to commit it (dissertation §4.2.2).
        """
        memberships = self.log.memberships
        if self.log.pending_snapshot:
            return False
        return self.node_id in memberships.latest.voters or self.node_id in memberships.at(self.log.commit).voters

    def send(self, message: Message) -> None:
        """Queue a message: at once, unless it speaks from a term or vote that is not on disk."""
        (self.outbox if self.ballot_is_durable else self.outbox_after_persist).append(message)

    def promise(self, message: Message) -> None:
        """Queue a message that binds us: it leaves only when all that it rests on is on disk."""
        self.outbox_after_persist.append(message)

    def acknowledge(self, leader: NodeId, index: int) -> None:
        """Tell the leader that our log matches its own up to `index`, once that much is on disk."""
        reply = Message(MessageKind.APPEND_REPLY, self.node_id, leader, self.term, log_index=index)
        if index <= self.log.durable_index:
            self.send(reply)
        else:
            self.promise(reply)
