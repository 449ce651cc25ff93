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
