"""Who leads: terms, votes, timers, and every change of role.

    FOLLOWER -- timeout, or `campaign` --> PRE_CANDIDATE -- quorum would vote --> CANDIDATE -- quorum voted --> LEADER
    any -- a higher term, or a leader of our own --> FOLLOWER

A pre-candidate asks who *would* vote and changes nothing, neither its own term nor anyone's ballot (dissertation §9.6).
"""

from __future__ import annotations

import random

from swarmlet import errors
from swarmlet.raft import quorum
from swarmlet.raft.leadership import Leadership
from swarmlet.raft.messages import NO_NODE, Message, MessageKind, NodeId, Role
from swarmlet.raft.state import State

FROM_LEADER = frozenset({MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.SNAPSHOT})
REQUESTS = frozenset({MessageKind.VOTE, MessageKind.PRE_VOTE})
REPLY_TO = {MessageKind.VOTE: MessageKind.VOTE_REPLY, MessageKind.PRE_VOTE: MessageKind.PRE_VOTE_REPLY}


class Election:
    """Holds the role and the timers; `leadership` is there while we lead, and only then."""

    def __init__(self, state: State, rng: random.Random) -> None:
        self._state = state
        self._rng = rng
        self.role = Role.FOLLOWER
        self.leadership: Leadership | None = None
        self._votes: dict[NodeId, bool] = {}
        self._forced = False
        self._elapsed_ticks = 0
        self._heartbeat_elapsed_ticks = 0
        self._timeout_ticks = 0
        self._reset_timer()

    # Time.

    def tick(self) -> None:
        self._elapsed_ticks += 1
        if self.leadership:
            self._tick_leader(self.leadership)
        elif self._elapsed_ticks >= self._timeout_ticks and self._state.may_campaign:
            self._begin_campaign()

    def _tick_leader(self, leadership: Leadership) -> None:
        config = self._state.config
        if self._elapsed_ticks >= config.election_timeout_ticks:
            self._elapsed_ticks = 0
            leadership.transferee = NO_NODE  # it took too long: we lead on
            if config.check_quorum and not leadership.take_quorum_active():
                self.follow(self._state.term, NO_NODE)
                return
        self._heartbeat_elapsed_ticks += 1
        if self._heartbeat_elapsed_ticks >= config.heartbeat_ticks:
            self._heartbeat_elapsed_ticks = 0
            leadership.broadcast_heartbeat()

    def _reset_timer(self) -> None:
        shortest = self._state.config.election_timeout_ticks
        self._elapsed_ticks = 0
        self._heartbeat_elapsed_ticks = 0
        self._timeout_ticks = self._rng.randrange(shortest, 2 * shortest)

    def restart_transfer_clock(self) -> None:
        """Give a transfer that begins now a whole election timeout."""
        self._elapsed_ticks = 0

    # Changes of role.

    def follow(self, term: int, leader: NodeId) -> None:
        """Become a follower in `term`, whose leader may not be known yet."""
        self._enter(Role.FOLLOWER, term)
        self._state.leader = leader

    def campaign(self, *, force: bool = False) -> None:
        """Campaign now; with `force` at the leader's own wish, against all leases and without a pre-vote."""
        if self.role is Role.LEADER or not self._state.may_campaign:
            return
        self._begin_campaign(force=force)

    def _begin_campaign(self, *, force: bool = False) -> None:
        if self._state.config.pre_vote and not force:
            self._enter(Role.PRE_CANDIDATE, self._state.term)
            self._request_votes(MessageKind.PRE_VOTE)
            self._count_vote(self._state.node_id, granted=True)
        else:
            self._stand(force=force)

    def _stand(self, *, force: bool = False) -> None:
        self._enter(Role.CANDIDATE, self._state.term + 1)
        self._state.vote = self._state.node_id
        self._forced = force
        self._request_votes(MessageKind.VOTE)

    def _lead(self) -> None:
        self._enter(Role.LEADER, self._state.term)
        self._state.leader = self._state.node_id
        self.leadership = Leadership(self._state)

    def _enter(self, role: Role, term: int) -> None:
        state = self._state
        if term != state.term:
            state.term, state.vote = term, NO_NODE
        self.role = role
        self.leadership = None
        state.leader = NO_NODE
        self._votes = {}
        self._forced = False
        self._reset_timer()

    # Asking for votes.

    def _request_votes(self, kind: MessageKind) -> None:
        for voter in sorted(self._state.membership.voters - {self._state.node_id}):
            self._request_vote(kind, voter)

    def _request_vote(self, kind: MessageKind, voter: NodeId) -> None:
        state = self._state
        request = Message(
            kind,
            state.node_id,
            voter,
            state.term + 1 if kind is MessageKind.PRE_VOTE else state.term,
            log_index=state.log.last_index,
            log_term=state.log.last_term,
            force=self._forced,
        )
        if kind is MessageKind.VOTE:
            state.promise(request)
        else:
            state.send(request)

    def handle_vote_reply(self, message: Message) -> None:
        """Count a reply to the very question that we ask now."""
        asked = {Role.PRE_CANDIDATE: MessageKind.PRE_VOTE_REPLY, Role.CANDIDATE: MessageKind.VOTE_REPLY}
        if asked.get(self.role) is message.kind:
            self._count_vote(message.sender, granted=not message.reject)

    def count_own_vote(self) -> None:
        """Count our own vote, now that it may be on disk: a node alone would else lead on a vote it can forget."""
        if self.role is Role.CANDIDATE and self._state.ballot_is_durable:
            self._count_vote(self._state.node_id, granted=True)

    def _count_vote(self, node: NodeId, *, granted: bool) -> None:
        self._votes.setdefault(node, granted)
        outcome = quorum.count(self._votes, self._state.membership.voters)
        if outcome is quorum.Outcome.LOST:
            self.follow(self._state.term, NO_NODE)
        elif outcome is quorum.Outcome.WON:
            if self.role is Role.PRE_CANDIDATE:
                self._stand()
            else:
                self._lead()

    # Being asked.

    def handle_vote_request(self, message: Message) -> None:
        """Grant a vote at most once a term, to a log that holds all that ours may have committed; or say no.

        A pre-vote is for a term to come and binds nobody. A grant bears the term that was asked for, a refusal our own.
        """
        state, is_pre_vote = self._state, message.kind is MessageKind.PRE_VOTE
        is_free = state.vote == message.sender or (not state.vote and not state.leader)
        granted = state.log.may_follow(message.log_term, message.log_index) and (
            is_free or (is_pre_vote and message.term > state.term)
        )
        if is_pre_vote and self._outranks(message) and (self._is_young or not granted):
            self._request_vote(MessageKind.PRE_VOTE, message.sender)
            if granted:
                return
        if granted and not is_pre_vote:
            state.vote = message.sender
            self._elapsed_ticks = 0
        reply = Message(
            REPLY_TO[message.kind],
            state.node_id,
            message.sender,
            message.term if granted else state.term,
            reject=not granted,
        )
        if granted and not is_pre_vote:
            state.promise(reply)
        else:
            state.send(reply)

    def _outranks(self, message: Message) -> bool:
        """Whether another pre-candidate of the same moment should let us stand.

        When a leader dies, its links close at once and all voters campaign together; granting each other's pre-votes,
        they would split the vote. So of two, the one with the longer log, then the later term, then the greater id,
        asks again: the other may not have heard its first question, when it still believed in the leader. And it grants
        nothing while its campaign is young; later, a peer that cannot win itself must not block others.
        """
        if self.role is not Role.PRE_CANDIDATE:
            return False
        log = self._state.log
        theirs = (message.log_term, message.log_index, message.term, message.sender)
        return (log.last_term, log.last_index, self._state.term + 1, self._state.node_id) > theirs

    @property
    def _is_young(self) -> bool:
        """Whether our campaign began so lately that all who noticed the same loss may just be asking each other."""
        return self._elapsed_ticks < self._state.config.heartbeat_ticks

    # Terms.

    def admit(self, message: Message) -> bool:
        """Bring our term up to the message's; return whether the message is still to be handled."""
        if message.term > self._state.term:
            return self._admit_newer(message)
        if message.term < self._state.term:
            self._answer_older(message)
            return False
        if message.kind in FROM_LEADER:
            self._hear_leader(message.sender)
        return True

    def _admit_newer(self, message: Message) -> bool:
        if message.kind in REQUESTS and self._has_lease and not message.force:
            return False
        if message.kind is MessageKind.PRE_VOTE:
            return True
        if message.kind is MessageKind.PRE_VOTE_REPLY and not message.reject:
            return message.term == self._state.term + 1
        self.follow(message.term, message.sender if message.kind in FROM_LEADER else NO_NODE)
        return True

    @property
    def _has_lease(self) -> bool:
        """Whether a leader was heard of so lately that nobody may unseat it (dissertation §4.2.3)."""
        config = self._state.config
        return config.check_quorum and bool(self._state.leader) and self._elapsed_ticks < config.election_timeout_ticks

    def _answer_older(self, message: Message) -> None:
        """Tell a leader or candidate of an older term of ours; it steps down, and whoever is stuck comes free."""
        state = self._state
        if message.kind in REQUESTS:
            kind = REPLY_TO[message.kind]
        elif message.kind in FROM_LEADER:
            kind = MessageKind.APPEND_REPLY
        else:
            return
        state.send(Message(kind, state.node_id, message.sender, state.term, reject=True))

    def _hear_leader(self, leader: NodeId) -> None:
        if self.leadership:
            raise errors.BugError(f"node {leader} leads in term {self._state.term}, and so do we")
        if self.role is Role.FOLLOWER:
            self._state.leader = leader
            self._elapsed_ticks = 0
        else:
            self.follow(self._state.term, leader)

    def validate(self) -> None:
        """Assert what must hold between any two steps."""
        state = self._state
        assert (self.leadership is not None) == (self.role is Role.LEADER), "leadership is there while we lead"
        assert self.role is not Role.LEADER or state.leader == state.node_id, "a leader knows itself"
        assert self.role not in {Role.PRE_CANDIDATE, Role.CANDIDATE} or not state.leader, "a candidate has no leader"
        assert self.role is not Role.CANDIDATE or state.vote == state.node_id, "a candidate votes for itself"
        if self.leadership:
            self.leadership.validate()
