"""What holds of `Raft` itself, beside what the scenarios tell."""

from __future__ import annotations

import random

import pytest

from swarmlet import errors
from swarmlet.raft.config import RaftConfig, RestoredState
from swarmlet.raft.core import Raft
from swarmlet.raft.messages import Membership, Message, MessageKind, Role, SnapshotMeta
from swarmlet.raft.progress import ProgressState


def single() -> Raft:
    raft = Raft(node_id="n1", config=RaftConfig(), restored=RestoredState.bootstrap("n1"), rng=random.Random(1))
    raft.campaign()
    work(raft)
    return raft


def work(raft: Raft) -> None:
    while raft.has_ready():
        raft.advance(raft.ready())
        raft.validate()


def test_a_new_cluster_is_born_as_a_snapshot_of_nothing() -> None:
    raft = single()
    assert raft.role is Role.LEADER
    assert raft.snapshot_meta(1) == SnapshotMeta(1, 1, Membership(frozenset({"n1"})))
    assert raft.has_committed_in_term


def test_a_proposal_is_told_its_index() -> None:
    raft = single()
    assert [raft.propose(b"a"), raft.propose(b"b")] == [3, 4]


def test_one_ready_at_a_time() -> None:
    raft = single()
    raft.propose(b"a")
    ready = raft.ready()
    assert not raft.has_ready()
    with pytest.raises(errors.BugError, match="advance first"):
        raft.ready()
    raft.advance(ready)
    with pytest.raises(errors.BugError, match="handed out last"):
        raft.advance(ready)


def test_a_change_of_leader_alone_is_worth_a_ready() -> None:
    membership = Membership(frozenset({"n1", "n2", "n3"}))
    restored = RestoredState(snapshot=SnapshotMeta(1, 1, membership), applied=1)
    raft = Raft(node_id="n1", config=RaftConfig(), restored=restored, rng=random.Random(1))
    raft.step(Message(MessageKind.HEARTBEAT, "n2", "n1", term=2))
    work(raft)
    raft.tick()
    assert not raft.has_ready()
    raft.campaign()
    assert raft.ready().role is Role.PRE_CANDIDATE


def test_the_snapshot_of_what_is_not_committed_is_refused() -> None:
    raft = single()
    raft.propose(b"a")
    with pytest.raises(errors.BugError, match="index 3 is not committed"):
        raft.snapshot_meta(3)


def test_the_snapshot_of_what_is_compacted_has_expired() -> None:
    raft = single()
    raft.propose(b"a")
    work(raft)
    raft.compact(3)
    assert (raft.first_index, raft.last_index) == (4, 3)
    with pytest.raises(errors.ExpiredError, match="index 2 is compacted"):
        raft.snapshot_meta(2)


def test_progress_is_told_on_the_leader_itself_included() -> None:
    raft = single()
    assert raft.progress["n1"].match == raft.last_index
    assert raft.progress["n1"].state is ProgressState.REPLICATE


def test_two_leaders_in_a_term_are_a_bug_and_said_to_be_one() -> None:
    raft = single()
    with pytest.raises(errors.BugError, match="n2 leads in term 2, and so do we"):
        raft.step(Message(MessageKind.HEARTBEAT, "n2", "n1", term=2))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"heartbeat_ticks": 10, "election_timeout_ticks": 10}, "heartbeat_ticks"),
        ({"max_append_bytes": 0}, "max_append_bytes must be positive"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(settings: dict[str, int], words: str) -> None:
    with pytest.raises(errors.ConfigError, match=words):
        RaftConfig(**settings)


def test_election_timeouts_are_spread_over_once_to_twice_the_shortest() -> None:
    timeouts = set()
    for seed in range(200):
        membership = Membership(frozenset({"n1", "n2"}))
        restored = RestoredState(snapshot=SnapshotMeta(1, 1, membership), applied=1)
        raft = Raft(node_id="n1", config=RaftConfig(), restored=restored, rng=random.Random(seed))
        ticks = 0
        while raft.role is Role.FOLLOWER:
            raft.tick()
            ticks += 1
        timeouts.add(ticks)
    assert timeouts == set(range(10, 20))


@pytest.mark.parametrize("pre_vote", [False, True])
@pytest.mark.parametrize("stands_already", [False, True])
def test_timeouts_seldom_run_out_together(pre_vote: bool, stands_already: bool) -> None:
    voters = Membership(frozenset({"n1", "n2", "n3", "n4", "n5"}))
    together, rounds = 0, 500
    for seed in range(rounds):
        nodes = [
            Raft(
                node_id=node,
                config=RaftConfig(pre_vote=pre_vote),
                restored=RestoredState(snapshot=SnapshotMeta(1, 1, voters), applied=1),
                rng=random.Random(f"{seed}/{node}"),
            )
            for node in sorted(voters.voters)
        ]
        if stands_already:
            for node in nodes:
                node.campaign()
        first = 0
        while not first:
            before = [node._election._elapsed_ticks for node in nodes]
            for node in nodes:
                node.tick()
            first = sum(node._election._elapsed_ticks < was for node, was in zip(nodes, before, strict=True))
        together += first > 1
    assert together / rounds < 0.3, "of five timeouts drawn from ten, the two shortest are the same in 23 of 100"
