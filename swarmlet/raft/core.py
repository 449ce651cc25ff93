"""`Raft`: the consensus core as a state machine; messages, ticks and requests in, one `Ready` at a time out."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from swarmlet import errors
from swarmlet.raft import following
from swarmlet.raft.config import RaftConfig, RestoredState
from swarmlet.raft.election import Election
from swarmlet.raft.leadership import Leadership
from swarmlet.raft.messages import (
    NO_NODE,
    Entry,
    HardState,
    Membership,
    MembershipChange,
    Message,
    MessageKind,
    NodeId,
    Ready,
    Role,
    SnapshotMeta,
)
from swarmlet.raft.progress import ProgressStatus
from swarmlet.raft.state import State


class Raft:
    """One node of the cluster. Pure: it does what it is told, and says in `Ready` what is to be done.

    `step`, `tick`, the requests and the reports change the state; `ready` hands out what follows from it, and `advance`
    takes note that it is done. Any number of changes may stand between two Readys, and also between a Ready and its
    `advance`.
    """

    def __init__(self, *, node_id: NodeId, config: RaftConfig, restored: RestoredState, rng: random.Random) -> None:
        self._state = State(node_id, config, restored)
        self._log = self._state.log
        self._election = Election(self._state, rng)
        self._outstanding: Ready | None = None
        self._hard_state_handed = restored.hard_state
        self._standing_handed = (Role.FOLLOWER, NO_NODE, self._state.term)
        self._handlers: Mapping[MessageKind, Callable[[Message], None]] = {
            MessageKind.APPEND: lambda message: following.handle_append(self._state, message),
            MessageKind.HEARTBEAT: lambda message: following.handle_heartbeat(self._state, message),
            MessageKind.SNAPSHOT: lambda message: following.handle_snapshot(self._state, message),
            MessageKind.APPEND_REPLY: self._handle_append_reply,
            MessageKind.HEARTBEAT_REPLY: self._handle_heartbeat_reply,
            MessageKind.VOTE: self._election.handle_vote_request,
            MessageKind.PRE_VOTE: self._election.handle_vote_request,
            MessageKind.VOTE_REPLY: self._election.handle_vote_reply,
            MessageKind.PRE_VOTE_REPLY: self._election.handle_vote_reply,
            MessageKind.TIMEOUT_NOW: lambda _: self._election.campaign(force=True),
            MessageKind.READ_INDEX: self._handle_read_index,
            MessageKind.READ_INDEX_REPLY: lambda message: following.handle_read_index_reply(self._state, message),
            MessageKind.TRANSFER_LEADER: self._handle_transfer,
        }

    # What is seen from outside.

    @property
    def node_id(self) -> NodeId:
        return self._state.node_id

    @property
    def role(self) -> Role:
        return self._election.role

    @property
    def leader(self) -> NodeId:
        """The leader of this term as far as known, else ""."""
        return self._state.leader

    @property
    def term(self) -> int:
        return self._state.term

    @property
    def vote(self) -> NodeId:
        return self._state.vote

    @property
    def commit(self) -> int:
        return self._log.commit

    @property
    def applied(self) -> int:
        return self._log.applied

    @property
    def first_index(self) -> int:
        """The first index that the log still holds."""
        return self._log.base_index + 1

    @property
    def last_index(self) -> int:
        return self._log.last_index

    @property
    def last_term(self) -> int:
        """The term of the last entry."""
        return self._log.last_term

    @property
    def membership(self) -> Membership:
        """The membership in force: it may rest on an entry that is not committed yet."""
        return self._state.membership

    @property
    def has_committed_in_term(self) -> bool:
        """Whether this node leads and may act on it: all that earlier terms committed is known to it."""
        leadership = self._election.leadership
        return leadership is not None and leadership.has_committed

    @property
    def transferee(self) -> NodeId:
        """The node to which this leader is handing the lead, else ""."""
        return self._election.leadership.transferee if self._election.leadership else NO_NODE

    @property
    def progress(self) -> Mapping[NodeId, ProgressStatus]:
        """How far each member is, on the leader; empty elsewhere."""
        return self._election.leadership.progress if self._election.leadership else {}

    # Time, messages and reports.

    def tick(self) -> None:
        """Let one tick pass."""
        self._election.tick()

    def step(self, message: Message) -> None:
        """Take a message from a peer. A SNAPSHOT only once all its bytes are here."""
        if message.term == 0 or self._election.admit(message):
            self._handlers[message.kind](message)

    def campaign(self) -> None:
        """Campaign now: the link to the leader closed, so it is likely dead. Does nothing on who cannot be elected.

        Where a campaign is under way, it goes on.
        """
        if self.role is Role.FOLLOWER:
            self._election.campaign()

    def report_unreachable(self, node: NodeId) -> None:
        """Tell that messages to `node` may have been lost."""
        if self._election.leadership:
            self._election.leadership.report_unreachable(node)

    def report_snapshot(self, node: NodeId, ok: bool) -> None:
        """Tell that the snapshot for `node` has been sent, or could not be. Due once for each SNAPSHOT message."""
        if self._election.leadership:
            self._election.leadership.report_snapshot(node, ok=ok)

    # What a spare is told: no leader replicates to it, so it takes what is committed from any peer.

    def learn(self, entries: Sequence[Entry], *, leader: NodeId, term: int) -> None:
        """Take committed entries that follow our log, which must end with a committed one; and who leads in `term`.

        Only for a node that is neither voter nor learner: it acknowledges nothing. Its ballot stays what it was, since
        it may vote again one day.
        """
        leader = NO_NODE if leader == self.node_id else leader
        if term > self.term:
            self._election.follow(term, leader)
        elif term == self.term:
            self._state.leader = leader
        following.learn(self._state, entries)

    def learn_snapshot(self, snapshot: SnapshotMeta) -> None:
        """Begin anew after a snapshot of committed state that is here whole, where it is ahead of our log."""
        following.learn_snapshot(self._state, snapshot)

    # Requests.

    def propose(self, data: bytes) -> int:
        """Append a command and return its index; it holds once that index is committed in this term.

        Raises `UnavailableError` where this node does not lead or is handing over, `BusyError` where too much waits for
        a quorum.
        """
        return self._lead().propose(data)

    def propose_membership(self, change: MembershipChange) -> int:
        """Append a single-step change of the membership and return its index; it is in force at once.

        Raises `ConflictError` where the change makes no sense now, `BusyError` while another one is under way or a
        learner is too far behind to vote, `UnavailableError` as `propose` does or before a first commit in the term.
        """
        return self._lead().propose_membership(change)

    def read_index(self, context: bytes) -> None:
        """Ask for a linearizable read, which comes back as a `ReadState` that bears `context`; or never, if it is lost.

        Raises `UnavailableError` where no leader is known, `BusyError` where too many wait.
        """
        state, leadership = self._state, self._election.leadership
        if leadership:
            if not leadership.read_index(state.node_id, context):
                raise errors.BusyError(f"{state.config.max_pending_reads} reads wait for a quorum; try again later")
        elif state.leader:
            state.send(Message(MessageKind.READ_INDEX, state.node_id, state.leader, context=context))
        else:
            raise errors.UnavailableError("no leader is known; try again")

    def transfer_leadership(self, to: NodeId) -> None:
        """Hand the lead to the voter `to`; it is tried for one election timeout. On a follower, ask the leader to.

        Raises `ConflictError` where `to` is not a voter, `UnavailableError` where no leader is known.
        """
        state = self._state
        if to not in state.membership.voters:
            raise errors.ConflictError(f"node {to} is not a voter and cannot lead")
        if self._election.leadership:
            self._transfer(self._election.leadership, to)
        elif state.leader:
            request = Message(MessageKind.TRANSFER_LEADER, state.node_id, state.leader, context=to.encode())
            state.send(request)
        else:
            raise errors.UnavailableError("no leader is known; try again")

    def _lead(self) -> Leadership:
        leadership = self._election.leadership
        if leadership is None:
            raise errors.UnavailableError(
                f"node {self.node_id} does not lead; the leader is {self.leader or 'unknown'}"
            )
        return leadership

    def _transfer(self, leadership: Leadership, to: NodeId) -> None:
        if leadership.transfer(to):
            self._election.restart_transfer_clock()

    # What only a leader handles.

    def _handle_append_reply(self, message: Message) -> None:
        if self._election.leadership:
            self._election.leadership.handle_append_reply(message)
            self._retire_if_over()

    def _handle_heartbeat_reply(self, message: Message) -> None:
        if self._election.leadership:
            self._election.leadership.handle_heartbeat_reply(message)

    def _handle_read_index(self, message: Message) -> None:
        if self._election.leadership:
            self._election.leadership.read_index(message.sender, message.context)

    def _handle_transfer(self, message: Message) -> None:
        to = message.context.decode()
        if self._election.leadership and to in self._state.membership.voters:
            self._transfer(self._election.leadership, to)

    def _retire_if_over(self) -> None:
        """Step down once the change that took our vote is committed (dissertation §4.2.2)."""
        leadership = self._election.leadership
        if leadership and leadership.is_over:
            leadership.retire()
            self._election.follow(self._state.term, NO_NODE)

    # What is to be done.

    def has_ready(self) -> bool:
        """Whether `ready` has something to hand out; False while a Ready is outstanding."""
        if self._outstanding:
            return False
        state, log, leadership = self._state, self._log, self._election.leadership
        return bool(
            state.outbox
            or state.outbox_after_persist
            or state.read_states
            or log.pending_snapshot
            or log.stable < log.last_index
            or log.applied < log.applicable_index
            or state.hard_state != self._hard_state_handed
            or self._standing != self._standing_handed
            or (leadership and leadership.wants_flush)
        )

    @property
    def _standing(self) -> tuple[Role, NodeId, int]:
        return self._election.role, self._state.leader, self._state.term

    def ready(self) -> Ready:
        """Hand out all that is to be done now; call `advance` with it once it is."""
        if self._outstanding:
            raise errors.BugError("the last Ready is not done yet: advance first")
        if self._election.leadership:
            self._election.leadership.flush()
        state, log, handed = self._state, self._log, self._hard_state_handed
        hard_state = state.hard_state
        entries = log.slice(log.stable + 1, log.last_index, log.bytes_after(log.stable))
        ballot_moved = (hard_state.term, hard_state.vote) != (handed.term, handed.vote)
        self._outstanding = Ready(
            hard_state=hard_state if hard_state != handed else None,
            entries=entries,
            snapshot=log.pending_snapshot,
            messages=tuple(state.outbox),
            messages_after_persist=tuple(state.outbox_after_persist),
            committed=log.slice(log.applied + 1, log.applicable_index, state.config.max_committed_bytes_per_ready),
            read_states=tuple(state.read_states),
            role=self.role,
            leader=self.leader,
            term=self.term,
            must_sync=bool(entries or log.pending_snapshot or ballot_moved),
        )
        self._hard_state_handed, self._standing_handed = hard_state, self._standing
        state.outbox, state.outbox_after_persist, state.read_states = [], [], []
        return self._outstanding

    def advance(self, ready: Ready) -> None:
        """Take note that all of `ready` is done: persisted, sent and applied."""
        if ready is not self._outstanding:
            raise errors.BugError("only the Ready that was handed out last can be advanced")
        self._outstanding = None
        if ready.hard_state:
            self._state.durable_ballot = (ready.hard_state.term, ready.hard_state.vote)
        self._log.persisted(ready.entries, ready.snapshot)
        if ready.committed:
            self._log.applied = max(self._log.applied, ready.committed[-1].index)
        if self._election.leadership:
            self._election.leadership.advance_commit()
            self._retire_if_over()
        self._election.count_own_vote()

    # What the log holds.

    def entries_after(self, index: int, last: int, max_bytes: int) -> Sequence[Entry]:
        """Return entries `index + 1 ... last`, cut to `max_bytes` but never to nothing.

        Raises `ExpiredError` where the log no longer reaches back to `index`.
        """
        if self._log.term(index) is None:
            raise errors.ExpiredError(f"index {index} is compacted; the log begins after {self._log.base_index}")
        return self._log.slice(index + 1, last, max_bytes)

    # Snapshots.

    def snapshot_meta(self, index: int) -> SnapshotMeta:
        """Return what belongs to a snapshot of the state at `index`: its term, and the membership as of it.

        Raises `ExpiredError` where the log no longer holds the index: a newer snapshot has arrived, and will be in the
        next Ready. Raises `BugError` for an index that is not committed.
        """
        if index > self._log.commit:
            raise errors.BugError(f"index {index} is not committed (up to {self._log.commit})")
        term = self._log.term(index)
        if term is None:
            raise errors.ExpiredError(f"index {index} is compacted; the log begins after {self._log.base_index}")
        return SnapshotMeta(index, term, self._log.memberships.at(index))

    def tail_base(self, index: int, *, entries_max: int, bytes_max: int) -> int:
        """Return what to compact to, so that the log keeps at most so many entries and bytes up to `index`."""
        return self._log.tail_base(index, entries_max=entries_max, bytes_max=bytes_max)

    def compact(self, index: int) -> None:
        """Forget the log up to `index`, which must be applied, and covered by a snapshot that is durable."""
        self._log.compact(index)

    @property
    def hard_state(self) -> HardState:
        return self._state.hard_state

    def validate(self) -> None:
        """Assert every invariant that one node can see; tests call it after each step."""
        self._log.validate()
        self._election.validate()
