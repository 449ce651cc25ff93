"""Bugs that no schedule of messages and crashes can show, each with the test that does.

What a link checks when it opens lies below the simulated network; and a bug that only costs an election or two is no
broken promise.
"""

from __future__ import annotations

from tests.simulation.mutations.mutation import Mutation, World

SCENARIOS = "tests/raft/test_scenarios.py::test_scenario_sees_what_it_expects"
DISKS = "tests/consensus/test_disk.py"
LINKS = "tests/transport/test_tls_peers.py"

TESTED = (
    Mutation(
        name="answer-to-an-older-read-taken",
        source="RAFT.md: a read is confirmed by a round that began after it",
        file="consensus/reads.py",
        old="if self._asked and state.context == self._context:",
        new="if self._asked:",
        world=World.TEST,
        test="tests/consensus/test_reads.py::test_an_answer_to_a_question_that_was_asked_anew_is_none",
    ),
    Mutation(
        name="reader-joins-the-question-under-way",
        source="RAFT.md: a read is confirmed by a round that began after it",
        file="consensus/reads.py",
        old="        if self._next is None:\n            self._next = Round()\n        reading = self._next\n",
        new=(
            "        if self._next is None and self._asked is None:\n            self._next = Round()\n"
            "        reading = self._asked or self._next\n        assert reading\n"
        ),
        world=World.TEST,
        test="tests/consensus/test_reads.py::test_who_comes_while_a_question_is_under_way_shares_the_next_one",
    ),
    Mutation(
        name="compaction-forgets-the-term",
        source="Raft §7: the snapshot keeps the term of its last entry for the check of the next append",
        file="raft/log.py",
        old="self.base_index, self.base_term, self._base_total = index, term, total",
        new="self.base_index, self._base_total = index, total",
        world=World.TEST,
        test=f"{SCENARIOS}[snapshots-CompactionKeepsTheTerm]",
    ),
    Mutation(
        name="doubled-piece-appended",
        source="RAFT.md: chunked, resumable snapshots",
        file="consensus/snapshot_file.py",
        old="            if offset == held and piece:\n",
        new="            if piece:\n",
        world=World.TEST,
        test=f"{DISKS}::test_an_installed_snapshot_replaces_log_and_older_snapshots",
    ),
    Mutation(
        name="changes-overlap",
        source="RAFT.md: membership changes one at a time",
        file="raft/leadership.py",
        old="if history.latest_index > self._log.commit:",
        new="if not history:",
        world=World.TEST,
        test=f"{SCENARIOS}[membership-StepIgnoreConfig]",
    ),
    Mutation(
        name="change-before-a-commit-of-the-term",
        source="RAFT.md: membership changes only after an entry of the current term has committed",
        file="raft/leadership.py",
        old="        if not self.has_committed:\n            raise errors.UnavailableError(",
        new="        if not history:\n            raise errors.UnavailableError(",
        world=World.TEST,
        test=f"{SCENARIOS}[membership-NoChangeBeforeOwnCommit]",
    ),
    Mutation(
        name="removed-leader-leads-on",
        source="Raft dissertation §4.2.2: a leader that has left steps down",
        file="raft/leadership.py",
        old="return self._state.node_id not in history.latest.voters and history.latest_index <= self._log.commit",
        new="return False and bool(history)",
        world=World.TEST,
        test=f"{SCENARIOS}[membership-RemoveLeader]",
    ),
    Mutation(
        name="uncommitted-without-limit",
        source="RAFT.md: limits on uncommitted bytes",
        file="raft/leadership.py",
        old="if uncommitted and uncommitted + size_bytes(data) > limit:",
        new="if uncommitted < 0 and uncommitted + size_bytes(data) > limit:",
        world=World.TEST,
        test=f"{SCENARIOS}[replication-UncommittedEntryLimit]",
    ),
    Mutation(
        name="snapshot-report-ignored",
        source="etcd: a snapshot that could not be sent is sent again",
        file="raft/progress.py",
        old="        if self.state is ProgressState.SNAPSHOT:\n            next_index",
        new="        if self.state is ProgressState.SNAPSHOT and ok:\n            next_index",
        world=World.TEST,
        test=f"{SCENARIOS}[snapshots-SnapshotFailure]",
    ),
    Mutation(
        name="leader-cut-off-leads-on",
        source="RAFT.md: check-quorum",
        file="raft/election.py",
        old="if config.check_quorum and not leadership.take_quorum_active():",
        new="if config.check_quorum and leadership.take_quorum_active() is None:",
        world=World.TEST,
        test=f"{SCENARIOS}[check_quorum-LeaderStepdownWhenQuorumLost]",
    ),
    Mutation(
        name="transfer-never-given-up",
        source="etcd: a transfer that takes too long is called off",
        file="raft/election.py",
        old="            leadership.transferee = NO_NODE  # it took too long: we lead on\n",
        new="",
        world=World.TEST,
        test=f"{SCENARIOS}[transfer-LeaderTransferTimeout]",
    ),
    Mutation(
        name="membership-lost-by-compaction",
        source="pitfall 2: a snapshot carries the membership",
        file="raft/membership.py",
        old="self._steps = [(index, self.at(index)), *kept]",
        new="self._steps = [(index, self._steps[0][1]), *kept]",
        world=World.TEST,
        test="tests/raft/test_log.py::test_compaction_keeps_the_membership_of_its_index",
    ),
    Mutation(
        name="log-trimmed-before-the-snapshot-is-durable",
        source="pitfall 2: only then trim the log",
        file="consensus/sqlite_disk.py",
        old=(
            "        await self._run(self._snapshot_thread, self._snapshots.write, header, chunks)\n"
            "        if await self._run(self._log_thread, self._log.save_snapshot, header):\n"
        ),
        new=(
            "        pointed = await self._run(self._log_thread, self._log.save_snapshot, header)\n"
            "        await self._run(self._snapshot_thread, self._snapshots.write, header, chunks)\n"
            "        if pointed:\n"
        ),
        world=World.TEST,
        test=f"{DISKS}::test_a_snapshot_that_could_not_be_written_leaves_the_last_one",
    ),
    Mutation(
        name="old-snapshot-removed-first",
        source="pitfall 2: the old state stays until the new one counts",
        file="consensus/snapshot_file.py",
        old="        path = self.path(header.meta)\n        aside",
        new=(
            "        path = self.path(header.meta)\n"
            "        for older in self._found(PREFIX):\n"
            "            self._files.remove(older)\n"
            "        aside"
        ),
        world=World.TEST,
        test=f"{DISKS}::test_a_snapshot_that_could_not_be_written_leaves_the_last_one",
    ),
    Mutation(
        name="snapshot-moves-back",
        source="pitfall 2: applied index and state move together, and never back",
        file="raft/following.py",
        old="    if snapshot.index > log.commit:\n",
        new="    if snapshot:\n",
        world=World.TEST,
        test=f"{SCENARIOS}[snapshots-SnapshotNeverMovesBack]",
    ),
    Mutation(
        name="request-ids-not-in-the-snapshot",
        source="RAFT.md: a retried proposal is applied once, also across a snapshot",
        file="store/state.py",
        old="objects, requests = list(self._tables.everything()), self._requests.items()",
        new="objects, requests = list(self._tables.everything()), []",
        world=World.TEST,
        test="tests/store/test_state.py::test_a_restored_store_goes_on_where_the_snapshot_was_made",
    ),
    Mutation(
        name="acknowledges-its-last-index",
        source="pitfall 3: acknowledge prev + len(entries), not your last index",
        file="raft/following.py",
        old="    state.acknowledge(message.sender, end)\n",
        new="    state.acknowledge(message.sender, log.last_index)\n",
        world=World.TEST,
        test=f"{SCENARIOS}[replication-AckIsNotTheLastIndex]",
    ),
    Mutation(
        name="commit-beyond-the-message",
        source="Raft §5.3: commit no further than the last new entry",
        file="raft/following.py",
        old="    log.commit_to(min(message.commit, end))\n",
        new="    log.commit_to(min(message.commit, log.last_index))\n",
        world=World.TEST,
        test=f"{SCENARIOS}[replication-HandleMsgApp]",
    ),
    Mutation(
        name="replies-of-old-terms-count",
        source="pitfall 3: drop responses of old terms",
        file="raft/election.py",
        old="            self._answer_older(message)\n            return False\n",
        new="            self._answer_older(message)\n            return message.kind is MessageKind.APPEND_REPLY\n",
        world=World.TEST,
        test=f"{SCENARIOS}[replication-OldReplies]",
    ),
    Mutation(
        name="read-confirmed-by-an-old-round",
        source="RAFT.md: ReadIndex with a quorum round that began after the read",
        file="raft/reads.py",
        old="if self._round and context == self._round.context:",
        new="if self._round:",
        world=World.TEST,
        test=f"{SCENARIOS}[reads-StaleReadRoundConfirmsNothing]",
    ),
    Mutation(
        name="read-confirmed-by-learners",
        source="RAFT.md: ReadIndex with a quorum of voters",
        file="raft/reads.py",
        old="not quorum.is_quorum(self._round.confirmed_by, voters)",
        new="len(self._round.confirmed_by) < quorum.majority(len(voters))",
        world=World.TEST,
        test=f"{SCENARIOS}[reads-ReadOnlyWithLearner]",
    ),
    Mutation(
        name="persisted-of-another-term-counts",
        source="pitfall 1: what a Ready held and was cut meanwhile is not on disk",
        file="raft/log.py",
        old="if entries and self.term(entries[-1].index) == entries[-1].term:",
        new="if entries and entries[-1].index <= self.last_index:",
        world=World.TEST,
        test=f"{SCENARIOS}[replication-OverwrittenWhileBeingPersisted]",
    ),
    Mutation(
        name="persisted-before-the-snapshot-counts",
        source="pitfall 2: what was persisted before a snapshot took its place counts no more",
        file="raft/log.py",
        old="        if self.pending_snapshot:\n            return\n        if entries and",
        new="        if entries and",
        world=World.TEST,
        test="tests/raft/test_log.py::test_what_was_persisted_before_a_snapshot_counts_no_more",
    ),
    Mutation(
        name="snapshot-installed-beside-the-old-log",
        source="pitfall 4: a suffix stays only where (index, term) matches",
        file="consensus/sqlite_log.py",
        old='    db.execute("DELETE FROM entries")\n',
        new="",
        world=World.TEST,
        test=f"{DISKS}::test_an_installed_snapshot_leaves_nothing_of_a_log_that_went_beyond_it",
    ),
    Mutation(
        name="conflicting-tail-stays-on-disk",
        source="pitfall 3: what conflicts goes, with all after it",
        file="consensus/sqlite_log.py",
        old='db.execute("DELETE FROM entries WHERE position >= ?", (first,))',
        new='db.execute("DELETE FROM entries WHERE position BETWEEN ? AND ?", (first, entries[-1].index))',
        world=World.TEST,
        test=f"{DISKS}::test_entries_replace_what_stands_at_and_after_them",
    ),
    Mutation(
        name="refusal-bears-the-term-asked-for",
        source="pitfall 5: a refused candidate gets a reply that bears our term",
        file="raft/election.py",
        old="message.term if granted else state.term,",
        new="message.term,",
        world=World.TEST,
        test=f"{SCENARIOS}[elections-RecvMsgPreVote]",
    ),
    Mutation(
        name="learners-elect",
        source="Raft dissertation §4.2.1: only voters count in an election",
        file="raft/quorum.py",
        old="granted = sum(votes.get(voter, False) for voter in voters)",
        new="granted = sum(votes.values())",
        world=World.TEST,
        test=f"{SCENARIOS}[membership-LearnersDoNotElect]",
    ),
    Mutation(
        name="campaign-while-installing",
        source="pitfall 2: until a snapshot is installed, a node does not know what it would lead",
        file="raft/state.py",
        old="        if self.log.pending_snapshot:\n            return False\n",
        new="",
        world=World.TEST,
        test=f"{SCENARIOS}[snapshots-NoCampaignWhileInstalling]",
    ),
    Mutation(
        name="disk-of-another-node-taken",
        source="pitfall 7: a wiped or foreign disk never speaks under another's id",
        file="consensus/driver.py",
        old="        elif found != expected:\n            raise ConfigError(",
        new="        elif found != expected and not found[0]:\n            raise ConfigError(",
        world=World.TEST,
        test="tests/consensus/test_cluster.py::test_the_disk_of_another_node_is_refused",
    ),
    Mutation(
        name="caller-of-another-cluster-let-in",
        source="pitfall 7: the cluster id is checked on every connection",
        file="transport/upgrade.py",
        old="    if certified[0] != cluster_id:\n",
        new="    if not certified[0]:\n",
        world=World.TEST,
        test=f"{LINKS}::test_the_listener_refuses_a_node_of_another_cluster_by_itself",
    ),
    Mutation(
        name="caller-under-anothers-id-let-in",
        source="pitfall 7: the node id is checked on every connection",
        file="transport/upgrade.py",
        old="    if claimed != certified:\n",
        new="    if not claimed:\n",
        world=World.TEST,
        test=f"{LINKS}::test_a_node_that_claims_another_id_is_refused",
    ),
    Mutation(
        name="called-node-unchecked",
        source="pitfall 7: the node id is checked on every connection, from both ends",
        file="transport/dialler.py",
        old="        if (identity.cluster_id, identity.node_id) != (cluster_id, self.node):\n",
        new="        if not identity.node_id:\n",
        world=World.TEST,
        test=f"{LINKS}::test_a_node_that_answers_at_anothers_address_is_refused",
    ),
)
