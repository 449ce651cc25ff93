from __future__ import annotations

import random

import pytest

from swarmlet.raft import quorum
from swarmlet.raft.quorum import Outcome


@pytest.mark.parametrize(("voters", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_a_majority_is_more_than_half(voters: int, needed: int) -> None:
    assert quorum.majority(voters) == needed


def test_the_committed_index_is_held_by_a_majority_and_is_the_highest_such() -> None:
    rng = random.Random(7)
    for _ in range(500):
        held = [rng.randrange(10) for _ in range(rng.randrange(1, 8))]
        committed = quorum.committed_index(held)
        needed = quorum.majority(len(held))
        assert sum(index >= committed for index in held) >= needed
        assert sum(index > committed for index in held) < needed


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [
        ({}, Outcome.PENDING),
        ({"n1": True}, Outcome.PENDING),
        ({"n1": True, "n2": True}, Outcome.WON),
        ({"n1": True, "n2": False}, Outcome.PENDING),
        ({"n1": True, "n2": False, "n3": False}, Outcome.LOST),
        ({"n1": True, "n8": True, "n9": True}, Outcome.PENDING),
        ({"n8": False, "n9": False}, Outcome.PENDING),
    ],
)
def test_only_voters_are_counted(votes: dict[str, bool], outcome: Outcome) -> None:
    assert quorum.count(votes, {"n1", "n2", "n3"}) is outcome


def test_half_of_an_even_number_does_not_win_and_cannot_lose_alone() -> None:
    voters = {"n1", "n2", "n3", "n4"}
    assert quorum.count({"n1": True, "n2": True}, voters) is Outcome.PENDING
    assert quorum.count({"n1": False, "n2": False}, voters) is Outcome.LOST
