"""What a leader does and knows in one term; all of it is forgotten when the term ends."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet import errors
from swarmlet.raft import membership, quorum
from swarmlet.raft.log import size_bytes
from swarmlet.raft.messages import (
    NO_NODE,
    ChangeKind,
    Entry,
    EntryKind,
    MembershipChange,
    Message,
    MessageKind,
    NodeId,
    ReadState,
    SnapshotMeta,
)
from swarmlet.raft.progress import Progress, ProgressState, ProgressStatus
from swarmlet.raft.reads import Read, ReadQueue
from swarmlet.raft.state import State


class Leadership:
    """Replicates, commits, confirms reads, changes the membership and hands the lead over.

    Nothing is sent when it is caused, but in `flush`, which runs once a Ready: whatever happened since the last one,
    each follower gets one message for it where the limits allow.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._log = state.log
        self._progress = {node: Progress(state.config, self._log.last_index + 1) for node in sorted(state.peers)}
        self._reads = ReadQueue(state.config.max_pending_reads)
        self.transferee: NodeId = NO_NODE
        self.append(b"")  # commits what earlier terms left behind (Raft §5.4.2)

    # Proposals.

    def append(self, data: bytes, kind: EntryKind = EntryKind.NORMAL) -> int:
        """Append an entry of this term and return its index."""
        index = self._log.last_index + 1
        self._log.append(Entry(index, self._state.term, data, kind))
        return index

    def propose(self, data: bytes) -> int:
        self._refuse_while_transferring()
        uncommitted, limit = self._log.bytes_after(self._log.commit), self._state.config.max_uncommitted_bytes
        if uncommitted and uncommitted + size_bytes(data) > limit:
            raise errors.BusyError(f"{uncommitted} bytes wait for a quorum (limit {limit}); try again later")
        return self.append(data)

    def propose_membership(self, change: MembershipChange) -> int:
        self._refuse_while_transferring()
        history = self._log.memberships
        if not self.has_committed:
            raise errors.UnavailableError("the leader has committed nothing in its term yet; try again")
        if history.latest_index > self._log.commit:
            raise errors.BusyError(f"the membership change at index {history.latest_index} is under way; try again")
        membership.check(history.latest, change)
        if change.kind is ChangeKind.PROMOTE:
            self._refuse_unless_caught_up(change.node)
        index = self.append(membership.encode(change), EntryKind.MEMBERSHIP)
        self._meet_members()
        return index

    def _refuse_while_transferring(self) -> None:
        if self.transferee:
            raise errors.UnavailableError(f"the lead is being handed to {self.transferee}; try again")

    def _refuse_unless_caught_up(self, learner: NodeId) -> None:
        match = self._progress[learner].match if learner in self._progress else self._log.last_index
        if self._log.commit - match > self._state.config.promotion_lag_entries_max:
            raise errors.BusyError(
                f"learner {learner} holds the log up to index {match} of {self._log.commit}; "
                "it can vote once it has caught up"
            )

    def _meet_members(self) -> None:
        """Begin with those who are new, forget those who left, and count the quorum anew."""
        peers = self._state.peers
        for node in sorted(peers - self._progress.keys()):
            self._progress[node] = Progress(self._state.config, self._log.last_index, recently_active=True)
        for node in self._progress.keys() - peers:
            del self._progress[node]
        if self.transferee not in self._state.membership.voters:
            self.transferee = NO_NODE
        self.advance_commit()
        self._serve_confirmed_reads()  # those who are left may all have confirmed: nobody else will answer

    # Commitment.

    @property
    def has_committed(self) -> bool:
        """Whether an entry of this term is committed; before that, the commit index may be an old one (Raft §8)."""
        return self._log.term(self._log.commit) == self._state.term

    @property
    def is_over(self) -> bool:
        """Whether a committed change has taken our vote, so that another must lead."""
        history = self._log.memberships
        return self._state.node_id not in history.latest.voters and history.latest_index <= self._log.commit

    def advance_commit(self) -> None:
        """Commit what a quorum has on disk, if it is of this term (Raft §5.4.2)."""
        held = quorum.committed_index(self._match(voter) for voter in self._state.membership.voters)
        if held > self._log.commit and self._log.term(held) == self._state.term:
            self._log.commit_to(held)

    def _match(self, node: NodeId) -> int:
        return self._log.durable_index if node == self._state.node_id else self._progress[node].match

    # What followers answer.

    def handle_append_reply(self, message: Message) -> None:
        progress = self._progress.get(message.sender)
        if progress is None:
            return
        progress.recently_active = True
        if message.reject:
            agree_at_most, _ = self._log.last_of_term(message.hint_index, message.hint_term)
            progress.refused(message.log_index, agree_at_most)
        elif progress.acknowledged(message.log_index):
            self.advance_commit()
            self._hand_over_if_caught_up()

    def handle_heartbeat_reply(self, message: Message) -> None:
        progress = self._progress.get(message.sender)
        if progress is None:
            return
        progress.heard()
        progress.nudged = progress.match < self._log.last_index
        if message.context:
            self._reads.confirm(message.sender, message.context)
            self._serve_confirmed_reads()

    def report_unreachable(self, node: NodeId) -> None:
        if node in self._progress:
            self._progress[node].unreachable()

    def report_snapshot(self, node: NodeId, *, ok: bool) -> None:
        if node in self._progress:
            self._progress[node].snapshot_ended(ok=ok)

    def take_quorum_active(self) -> bool:
        """Whether a quorum was heard of since the last call (check-quorum)."""
        active = {node for node, progress in self._progress.items() if progress.recently_active}
        for progress in self._progress.values():
            progress.recently_active = False
        return quorum.is_quorum(active | {self._state.node_id}, self._state.membership.voters)

    # Reads.

    def read_index(self, requester: NodeId, context: bytes) -> bool:
        """Queue a read; return False where too many wait."""
        return self._reads.ask(Read(requester, context))

    def _start_read_round(self) -> None:
        self._reads.start_round(self._log.commit)
        self._reads.confirm(self._state.node_id, self._reads.context)
        self._serve_confirmed_reads()
        if self._reads.context:
            self.broadcast_heartbeat()

    def _serve_confirmed_reads(self) -> None:
        confirmed = self._reads.take_confirmed(self._state.membership.voters)
        for read in confirmed.reads if confirmed else ():
            self._answer(read, confirmed.index if confirmed else 0)

    def _answer(self, read: Read, index: int) -> None:
        state = self._state
        if read.requester == state.node_id:
            state.read_states.append(ReadState(index, read.context))
            return
        state.send(
            Message(MessageKind.READ_INDEX_REPLY, state.node_id, read.requester, log_index=index, context=read.context)
        )

    # Handing over.

    def transfer(self, to: NodeId) -> bool:
        """Begin to hand the lead to a voter; return whether a new transfer began. Naming ourselves calls it off."""
        if to == self.transferee:
            return False
        if to not in self._state.membership.voters:
            raise errors.ConflictError(f"node {to} is not a voter and cannot lead")
        self.transferee = NO_NODE if to == self._state.node_id else to
        self._hand_over_if_caught_up()
        return bool(self.transferee)

    def _hand_over_if_caught_up(self) -> None:
        if self.transferee and self._progress[self.transferee].match == self._log.last_index:
            self._let_stand(self.transferee)

    def retire(self) -> None:
        """Tell all what is committed, our leaving included, and let the voter that holds most stand at once."""
        self.flush()
        self._let_stand(max(sorted(self._state.membership.voters), key=self._match))

    def _let_stand(self, voter: NodeId) -> None:
        state = self._state
        state.send(Message(MessageKind.TIMEOUT_NOW, state.node_id, voter, state.term))

    # What is sent.

    def broadcast_heartbeat(self) -> None:
        """Tell all that we lead, what they may apply, and of the read round under way."""
        state = self._state
        for node, progress in self._progress.items():
            commit = min(progress.match, self._log.commit)
            state.send(
                Message(
                    MessageKind.HEARTBEAT, state.node_id, node, state.term, commit=commit, context=self._reads.context
                )
            )

    @property
    def wants_flush(self) -> bool:
        """Whether `flush` would send something."""
        return self._wants_read_round or any(self._wants(progress) for progress in self._progress.values())

    @property
    def _wants_read_round(self) -> bool:
        return self._reads.is_ready_for_round and self.has_committed

    def _wants(self, progress: Progress) -> bool:
        if not progress.wants(self._log.last_index, self._log.commit):
            return False
        return progress.recently_active or progress.next > self._log.base_index  # no snapshot to the silent

    def flush(self) -> None:
        """Send each follower what it lacks and the limits allow, and begin a read round for those who wait."""
        if self._wants_read_round:
            self._start_read_round()
        slices: dict[int, tuple[Entry, ...]] = {}
        for node, progress in self._progress.items():
            while self._wants(progress):
                self._send_append(node, progress, slices)

    def _send_append(self, node: NodeId, progress: Progress, slices: dict[int, tuple[Entry, ...]]) -> None:
        """Send one append, or a snapshot; `slices` lets followers at the same place share one tuple of entries."""
        state, log, previous = self._state, self._log, progress.next - 1
        previous_term = log.term(previous)
        if previous_term is None:
            self._send_snapshot(node, progress)
            return
        entries: tuple[Entry, ...] = ()
        if not progress.window.is_full:
            if progress.next not in slices:
                slices[progress.next] = log.slice(progress.next, log.last_index, state.config.max_append_bytes)
            entries = slices[progress.next]
        state.send(
            Message(
                MessageKind.APPEND,
                state.node_id,
                node,
                state.term,
                log_index=previous,
                log_term=previous_term,
                commit=log.commit,
                entries=entries,
            )
        )
        last = previous + len(entries)
        progress.sent(last, log.bytes_after(previous) - log.bytes_after(last), log.commit)

    def _send_snapshot(self, node: NodeId, progress: Progress) -> None:
        state, log = self._state, self._log
        meta = SnapshotMeta(log.base_index, log.base_term, log.memberships.at(log.base_index))
        progress.await_snapshot(meta.index)
        state.send(Message(MessageKind.SNAPSHOT, state.node_id, node, state.term, snapshot=meta))

    # What is asked about it.

    @property
    def progress(self) -> Mapping[NodeId, ProgressStatus]:
        own = ProgressStatus(self._log.durable_index, ProgressState.REPLICATE, recently_active=True)
        return {self._state.node_id: own} | {node: progress.status for node, progress in self._progress.items()}

    def validate(self) -> None:
        """Assert what must hold between any two steps."""
        assert self._progress.keys() == self._state.peers, "progress is kept of every other member"
        for progress in self._progress.values():
            assert progress.match < progress.next, "what is acknowledged was sent"
            assert progress.match <= self._log.last_index, "nobody acknowledges what we do not hold"
            assert len(progress.window) <= self._state.config.max_inflight_messages, "the window is bounded"
