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
        name="request-ids-not-in-the-snapshot",
        source="RAFT.md: a retried proposal is applied once, also across a snapshot",
        file="store/state.py",
        old="list(self._tables.everything()), self._requests.items())",
        new="list(self._tables.everything()), [])",
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
        test=f"{SCENARIOS}[replication-TruncatedWhileBeingPersisted]",
    ),
    Mutation(
        name="persisted-before-the-snapshot-counts",
        source="pitfall 2: what was persisted before a snapshot took its place counts no more",
        file="raft/log.py",
        old="        if self.pending_snapshot:\n            return\n        if entries and",
        new="        if entries and",
        world=World.TEST,
        test=f"{SCENARIOS}[snapshots-AppendDuringInstallation]",
    ),
    Mutation(
        name="snapshot-installed-beside-the-old-log",
        source="pitfall 4: a suffix stays only where (index, term) matches",
        file="consensus/sqlite_log.py",
        old='    db.execute("DELETE FROM entries")\n',
        new="",
        world=World.TEST,
        test=f"{DISKS}::test_an_installed_snapshot_replaces_log_and_older_snapshots",
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
        name="stale-candidate-gets-no-term",
        source="pitfall 5: a rejected stale candidate gets a reply that bears the term",
        file="raft/election.py",
        old="message.term if granted else state.term,",
        new="message.term,",
        world=World.TEST,
        test=f"{SCENARIOS}[elections-StaleCandidateLearnsTheTerm]",
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
