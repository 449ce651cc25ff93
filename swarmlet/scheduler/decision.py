"""How a Pod came to its node, or to none: small enough to be kept with it, exact enough to be told in sentences."""

from __future__ import annotations

import msgspec

NODES_NAMED_MAX = 3
"""Of those that refuse alike; the count says how many there are."""


class Part(msgspec.Struct, frozen=True):
    """One part of a node's score: `value` from 0 (worst) to 1, and how much it weighs beside the others."""

    name: str
    value: float
    weight: float


class Rating(msgspec.Struct, frozen=True):
    """A node's score from 0 to 1, the mean of its parts by their weights."""

    node: str
    score: float
    parts: tuple[Part, ...]


class Refused(msgspec.Struct, frozen=True):
    """Nodes that will not do, for one reason: "lack memory (need 2Gi, best has 1.2Gi free)"."""

    count: int
    why: str
    nodes: tuple[str, ...]


class Decision(msgspec.Struct, frozen=True):
    """`nodes` is how many there are; those not refused would have done. `chosen` is None where all are refused.

    `runner_up` is the best of the others that would have done; `by_lot`: it was as good as the chosen one, and a lot
    decided.
    """

    nodes: int
    refused: tuple[Refused, ...] = ()
    chosen: Rating | None = None
    runner_up: Rating | None = None
    by_lot: bool = False
