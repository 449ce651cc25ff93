"""How many are enough."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping

from swarmlet.raft.messages import NodeId


class Outcome(enum.Enum):
    """Of an election, so far."""

    PENDING = "pending"
    WON = "won"
    LOST = "lost"


def majority(voters: int) -> int:
    """Return how many of so many voters make a quorum: two of two, two of three, three of four."""
    return voters // 2 + 1


def is_quorum(nodes: Iterable[NodeId], voters: Collection[NodeId]) -> bool:
    """Whether enough of `voters` are among `nodes`."""
    return sum(node in voters for node in nodes) >= majority(len(voters))


def committed_index(acknowledged: Iterable[int]) -> int:
    """Return the highest index that a quorum holds; `acknowledged` is one index a voter (Raft §5.3)."""
    ascending = sorted(acknowledged)
    return ascending[(len(ascending) - 1) // 2]


def count(votes: Mapping[NodeId, bool], voters: Collection[NodeId]) -> Outcome:
    """Count the votes of `voters`; those of others do not matter."""
    needed = majority(len(voters))
    granted = sum(votes.get(voter, False) for voter in voters)
    refused = sum(not votes.get(voter, True) for voter in voters)
    if granted >= needed:
        return Outcome.WON
    return Outcome.LOST if len(voters) - refused < needed else Outcome.PENDING
