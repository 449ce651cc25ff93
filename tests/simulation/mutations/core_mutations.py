"""Bugs in the consensus core that its random schedules must find."""

from __future__ import annotations

from tests.simulation.mutations.mutation import Mutation

ELECTIONS = (
    Mutation(
        name="vote-forgotten-by-a-restart",
        source="raftos: two votes in one term after a restart",
        file="raft/state.py",
        old="self.vote = restored.hard_state.vote if self.term == restored.hard_state.term else NO_NODE",
        new="self.vote = NO_NODE",
    ),
    Mutation(
        name="candidate-stands-again-in-its-term",
        source="raftos: two votes in one term after a candidate's timeout",
        file="raft/election.py",
        old="self._enter(Role.CANDIDATE, self._state.term + 1)",
        new="self._enter(Role.CANDIDATE, self._state.term + (self.role is Role.FOLLOWER or not self._state.vote))",
    ),
    Mutation(
        name="half-elects",
        source="raftos: two leaders in one term in a 2-2 split of four",
        file="raft/quorum.py",
        old="return voters // 2 + 1",
        new="return (voters + 1) // 2",
    ),
    Mutation(
        name="duplicate-vote-counts-twice",
        source="raftos: a duplicate vote counted twice",
        file="raft/election.py",
        old="        self._votes.setdefault(node, granted)\n",
        new=(
            "        if node in self._votes:\n"
            "            node = min(self._state.membership.voters - self._votes.keys(), default=node)\n"
            "        self._votes.setdefault(node, granted)\n"
        ),
    ),
    Mutation(
        name="second-vote-in-a-term",
        source="pitfall 1: the vote binds for its term",
        file="raft/election.py",
        old="is_free = state.vote == message.sender or (not state.vote and not state.leader)",
        new="is_free = state.vote == message.sender or not state.leader",
    ),
    Mutation(
        name="vote-before-the-disk",
        source="pitfall 1: the vote is on disk before the reply",
        file="raft/election.py",
        old=(
            "        if granted and not is_pre_vote:\n            state.promise(reply)\n"
            "        else:\n            state.send(reply)\n"
        ),
        new="        state.outbox.append(reply)\n",
    ),
    Mutation(
        name="candidacy-before-the-disk",
        source="pitfall 1: the candidate's own vote is on disk before it asks",
        file="raft/election.py",
        old="            state.promise(request)\n",
        new="            state.outbox.append(request)\n",
    ),
    Mutation(
        name="term-before-the-disk",
        source="pitfall 1: the term is on disk before any reply that bears it",
        file="raft/state.py",
        old="(self.outbox if self.ballot_is_durable else self.outbox_after_persist).append(message)",
        new="self.outbox.append(message)",
    ),
    Mutation(
        name="vote-for-a-short-log",
        source="Raft §5.4.1: no vote for a log that lacks what ours holds",
        file="raft/log.py",
        old="return (self.last_term, self.last_index) <= (last_term, last_index)",
        new="return self.last_term <= last_term",
    ),
    Mutation(
        name="vote-for-an-old-term-log",
        source="Raft §5.4.1: the last term decides before the length",
        file="raft/log.py",
        old="return (self.last_term, self.last_index) <= (last_term, last_index)",
        new="return self.last_index <= last_index",
        within=400,
    ),
    Mutation(
        name="pre-vote-takes-the-vote",
        source="pitfall 5: a pre-vote persists nothing",
        file="raft/election.py",
        old="        if granted and not is_pre_vote:\n            state.vote = message.sender\n",
        new="        if granted:\n            state.vote = message.sender\n",
    ),
    Mutation(
        name="pre-vote-counts-as-vote",
        source="pitfall 5: a pre-vote's answer is never a vote",
        file="raft/election.py",
        old="if asked.get(self.role) is message.kind:",
        new="if self.role in asked:",
    ),
    Mutation(
        name="votes-kept-from-the-pre-vote",
        source="pitfall 5: a pre-vote's answers are not counted again",
        file="raft/election.py",
        old="        self._votes = {}\n        self._forced = False\n        self._reset_timer()\n",
        new=(
            "        self._votes = self._votes if role is Role.CANDIDATE else {}\n"
            "        self._forced = False\n        self._reset_timer()\n"
        ),
    ),
    Mutation(
        name="old-term-unanswered",
        source="pitfall 5: a rejected stale candidate gets a reply that bears the term",
        file="raft/election.py",
        old="        state.send(Message(kind, state.node_id, message.sender, state.term, reject=True))\n",
        new="        return\n",
    ),
    Mutation(
        name="vote-kept-into-the-next-term",
        source="Raft §5.2: one vote a term, and a new term begins with none",
        file="raft/election.py",
        old="            state.term, state.vote = term, NO_NODE\n",
        new="            state.term = term\n",
    ),
)

REPLICATION = (
    Mutation(
        name="stale-append-cuts-the-log",
        source="raftos: a stale AppendEntries cuts the log; pitfall 3: truncate only on a real term conflict",
        file="raft/log.py",
        old="            if self.term(entry.index) != entry.term:\n",
        new="            if entry:\n",
    ),
    Mutation(
        name="append-without-the-term-check",
        source="Raft §5.3: entries follow only where the one before them agrees",
        file="raft/following.py",
        old="    elif log.term(previous) != message.log_term:\n",
        new="    elif log.term(previous) is None:\n",
    ),
    Mutation(
        name="acknowledged-before-the-disk",
        source="pitfall 1: entries are on disk before the reply",
        file="raft/state.py",
        old="if index <= self.log.durable_index:",
        new="if index <= self.log.last_index:",
    ),
    Mutation(
        name="leader-counts-itself-before-the-disk",
        source="pitfall 1: the leader's own acknowledgement counts only after its own commit to disk",
        file="raft/leadership.py",
        old="return self._log.durable_index if node",
        new="return self._log.last_index if node",
    ),
    Mutation(
        name="cut-entries-stay-stable",
        source="pitfall 1: what came in place of cut entries is on disk only when it is",
        file="raft/log.py",
        old="        self.stable = min(self.stable, first - 1)\n",
        new="",
    ),
    Mutation(
        name="heartbeat-commits-unmatched",
        source="Raft §5.3: a heartbeat tells no higher commit index than is known to match",
        file="raft/leadership.py",
        old="commit = min(progress.match, self._log.commit)",
        new="commit = self._log.commit",
    ),
    Mutation(
        name="old-terms-entry-committed-by-copies",
        source="Raft §5.4.2, figure 8: commit only entries of the own term by counting",
        file="raft/leadership.py",
        old="if held > self._log.commit and self._log.term(held) == self._state.term:",
        new="if held > self._log.commit:",
    ),
    Mutation(
        name="half-commits",
        source="raftos: half of an even cluster is no quorum",
        file="raft/quorum.py",
        old="return ascending[(len(ascending) - 1) // 2]",
        new="return ascending[len(ascending) // 2]",
    ),
    Mutation(
        name="learners-commit",
        source="Raft dissertation §4.2.1: only voters count for commitment",
        file="raft/leadership.py",
        old="self._match(voter) for voter in self._state.membership.voters)",
        new="self._match(voter) for voter in membership.members(self._state.membership))",
    ),
    Mutation(
        name="no-entry-at-the-start-of-a-term",
        source="Raft §8: a new leader commits an entry of its own",
        file="raft/leadership.py",
        old='        self.append(b"")  # commits what earlier terms left behind (Raft §5.4.2)\n',
        new="",
    ),
    Mutation(
        name="applied-before-the-disk",
        source="pitfall 1: what is applied is on this node's disk",
        file="raft/log.py",
        old="return self.applied if self.pending_snapshot else min(self.commit, self.stable)",
        new="return self.applied if self.pending_snapshot else self.commit",
    ),
    Mutation(
        name="commit-forgotten-by-a-restart",
        source="RAFT.md: term, vote and commit never go back across a crash",
        file="raft/log.py",
        old="self.commit = max(restored.hard_state.commit, self.applied)",
        new="self.commit = self.applied",
    ),
)

SNAPSHOTS = (
    Mutation(
        name="conflicting-suffix-kept",
        source="pitfall 4: a suffix stays only where (index, term) matches",
        file="raft/following.py",
        old="if log.term(snapshot.index) == snapshot.term:",
        new="if log.last_index >= snapshot.index:",
    ),
    Mutation(
        name="snapshot-acknowledged-before-the-disk",
        source="pitfall 1: a snapshot is on disk before its acknowledgement",
        file="raft/log.py",
        old="return 0 if self.pending_snapshot else self.stable",
        new="return self.stable",
    ),
    Mutation(
        name="applied-stays-behind-the-snapshot",
        source="pitfall 2: applied index and state move together",
        file="raft/log.py",
        old="            self.applied = max(self.applied, snapshot.index)\n",
        new="            pass\n",
    ),
    Mutation(
        name="snapshot-with-the-latest-membership",
        source="RAFT.md: snapshots carry the membership as of their index",
        file="raft/core.py",
        old="return SnapshotMeta(index, term, self._log.memberships.at(index))",
        new="return SnapshotMeta(index, term, self._log.memberships.latest)",
    ),
)

READS = (
    Mutation(
        name="read-before-a-commit-of-the-term",
        source="pitfall 6: ReadIndex only after a commit in the current term",
        file="raft/leadership.py",
        old="return self._reads.is_ready_for_round and self.has_committed",
        new="return self._reads.is_ready_for_round",
    ),
    Mutation(
        name="read-without-a-quorum",
        source="RAFT.md: ReadIndex with a quorum round",
        file="raft/reads.py",
        old="if self._round is None or not quorum.is_quorum(self._round.confirmed_by, voters):",
        new="if self._round is None:",
    ),
    Mutation(
        name="read-joins-the-round-under-way",
        source="RAFT.md: a read is served at a commit index from after it was asked",
        file="raft/reads.py",
        old="        self._waiting.append(read)\n",
        new=(
            "        if self._round:\n            self._round.reads += (read,)\n"
            "        else:\n            self._waiting.append(read)\n"
        ),
    ),
)

MEMBERSHIP = (
    Mutation(
        name="change-survives-truncation",
        source="pitfall 8: append-time configuration is rolled back on truncation",
        file="raft/log.py",
        old="        self.memberships.truncate(first)\n",
        new="",
    ),
    Mutation(
        name="change-in-force-on-commit",
        source="RAFT.md: membership changes are effective on append",
        file="raft/state.py",
        old="return self.log.memberships.latest\n",
        new="return self.log.memberships.at(self.log.commit)\n",
    ),
)

FLOW = (
    Mutation(
        name="window-without-limit",
        source="RAFT.md: pipelining with bounded in-flight bytes",
        file="raft/progress.py",
        old="return len(self._under_way) >= self._messages_max or self._bytes >= self._bytes_max",
        new="return False",
    ),
    Mutation(
        name="lost-append-is-not-missed",
        source="etcd: a heartbeat's answer lets the leader find out what the pipeline lost",
        file="raft/leadership.py",
        old="        progress.nudged = progress.match < self._log.last_index\n",
        new="",
    ),
    Mutation(
        name="probe-waits-for-ever",
        source="etcd: a heartbeat's answer lets one more probe go",
        file="raft/progress.py",
        old="        self.recently_active = True\n        self.probe_is_out = False\n",
        new="        self.recently_active = True\n",
    ),
)

CORE = (*ELECTIONS, *REPLICATION, *SNAPSHOTS, *READS, *MEMBERSHIP, *FLOW)
