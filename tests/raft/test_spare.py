"""What a spare's core takes from its peers, and what it keeps."""

from __future__ import annotations

import random

import msgspec

from swarmlet.raft.config import RaftConfig, RestoredState
from swarmlet.raft.core import Raft
from swarmlet.raft.messages import Entry, HardState, Membership, MembershipChange, Message, MessageKind, SnapshotMeta

NOBODY = Membership(voters=frozenset({"n1", "n2", "n3"}), spares=frozenset({"n4"}))


def spare(*, term: int = 3, vote: str = "n2", applied: int = 5) -> Raft:
    restored = RestoredState(
        hard_state=HardState(term, vote, applied), snapshot=SnapshotMeta(applied, 2, NOBODY), applied=applied
    )
    return Raft(node_id="n4", config=RaftConfig(), restored=restored, rng=random.Random(4))


def drained(core: Raft) -> list[Entry]:
    """Do all that is to be done; return what was applied."""
    applied: list[Entry] = []
    while core.has_ready():
        ready = core.ready()
        applied += ready.committed
        core.advance(ready)
        core.validate()
    return applied


def test_what_is_learned_is_applied_in_order_and_once() -> None:
    core = spare()
    first, second, third = (Entry(index, 3, b"x") for index in (6, 7, 8))
    core.learn((first, second), leader="n1", term=3)
    core.learn((first, second, third), leader="n1", term=3)
    assert drained(core) == [first, second, third]
    assert core.commit == 8


def test_a_spare_follows_who_leads_and_asks_it_for_reads() -> None:
    core = spare()
    core.learn((), leader="n1", term=4)
    core.read_index(b"r")
    ready = core.ready()
    assert (core.leader, core.term) == ("n1", 4)
    assert [(message.kind, message.to) for message in ready.messages_after_persist + ready.messages] == [
        (MessageKind.READ_INDEX, "n1")
    ]


def test_an_older_term_says_nothing_of_the_leader() -> None:
    core = spare(term=4)
    core.learn((), leader="n2", term=4)
    core.learn((), leader="n1", term=3)
    assert core.leader == "n2"


def test_a_spare_keeps_its_vote_of_the_term() -> None:
    core = spare(term=3, vote="n2")
    core.learn((Entry(6, 3, b"x"),), leader="", term=3)
    drained(core)
    core.step(Message(MessageKind.VOTE, "n3", "n4", 3, log_index=9, log_term=3))
    ready = core.ready()
    assert [message.reject for message in ready.messages + ready.messages_after_persist] == [True]


def test_a_snapshot_that_is_behind_changes_nothing() -> None:
    core = spare(applied=5)
    core.learn_snapshot(SnapshotMeta(4, 2, NOBODY))
    assert not core.has_ready()
    core.learn_snapshot(SnapshotMeta(9, 3, NOBODY))
    assert core.ready().snapshot == SnapshotMeta(9, 3, NOBODY)


def test_what_was_written_before_there_were_spares_still_reads() -> None:
    old_membership = msgspec.msgpack.encode((["n1"], ["n2"]))
    old_change = msgspec.msgpack.encode((0, "n2", b"n2:7600"))
    assert msgspec.msgpack.decode(old_membership, type=Membership) == Membership(frozenset({"n1"}), frozenset({"n2"}))
    assert msgspec.msgpack.decode(old_change, type=MembershipChange).reason == ""
