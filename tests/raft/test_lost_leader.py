"""When the leader's process dies, its links close, and one of the others leads at once: no timeout passes."""

from __future__ import annotations

import random

import pytest

from swarmlet.raft.config import RaftConfig
from swarmlet.raft.messages import Message, MessageKind, Role
from tests.raft.network import Network, born

VOTERS = ("n1", "n2", "n3")


def led_by_n3(*, longer: str = "") -> Network:
    """Return a network whose leader has died; only `longer` got its last entry."""
    network = Network()
    for node in VOTERS:
        network.add(node, RaftConfig(), born(VOTERS), random.Random(node))
    leader = network.members["n3"].core
    leader.campaign()
    network.settle()
    assert leader.role is Role.LEADER
    if longer:
        for node in {"n1", "n2"} - {longer}:
            network.cut("n3", node)
        leader.propose(b"x")
        network.settle()
        assert network.members[longer].core.last_index == leader.last_index
    network.crash(network.members["n3"])
    return network


@pytest.mark.parametrize("longer", ["", "n1", "n2"])
@pytest.mark.parametrize("first", ["n1", "n2"])
@pytest.mark.parametrize("deaf", [False, True])
def test_whoever_hears_of_it_first_one_leads_without_waiting_for_a_timeout(longer: str, first: str, deaf: bool) -> None:
    """`deaf`: the second still believed in the leader when the first asked it."""
    network = led_by_n3(longer=longer)
    (second,) = {"n1", "n2"} - {first}
    network.members[first].core.campaign()
    if deaf:
        network.settle()
    network.members[second].core.campaign()
    network.settle()
    (leader,) = network.leaders()
    assert not longer or leader.core.node_id == longer


@pytest.mark.parametrize("terms", [(0, 0), (0, 1), (1, 0)])
@pytest.mark.parametrize("longer", ["", "n1", "n2"])
def test_two_who_ask_each_other_at_once_come_to_an_end(longer: str, terms: tuple[int, int]) -> None:
    """Whatever their logs and terms: one leads, and neither asks again for what the other will never grant."""
    network = led_by_n3(longer=longer)
    for node, more in zip(("n1", "n2"), terms, strict=True):
        core = network.members[node].core
        if more:
            core.step(Message(MessageKind.VOTE_REPLY, "n3", node, term=core.term + more, reject=True))
        core.campaign()
    asked = []
    network.settle(lambda message: asked.append(message.kind) if len(asked) < 100 else pytest.fail("no end"))
    assert asked.count(MessageKind.PRE_VOTE) <= 6
    (leader,) = network.leaders()
    assert not longer or leader.core.node_id == longer
