"""Placing Pods: those that ask for the same together, each on the node that is best after the ones before it."""

from __future__ import annotations

import heapq
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from swarmlet.model import affinity
from swarmlet.scheduler import explain, filters, scores
from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.demand import Demand
from swarmlet.store.commands import Key

Candidate = tuple[scores.Score, int, str]
"""A node that will do: its score, its lot among equals, its name."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a Pod goes: `node`, or "" and a `refusal` that says why it goes nowhere."""

    pod: Key
    node: str
    refusal: str = ""


def place(
    requests: Sequence[tuple[Key, Demand]],
    nodes: Mapping[str, NodeInfo],
    rng: random.Random,
    *,
    placements_max: int = sys.maxsize,
) -> list[Placement]:
    """Return a placement for each Pod; `nodes` stays as it is. `rng` decides between nodes that are equally good.

    After `placements_max` placements the rest get no answer: ask again once these are written. So it is with a Pod
    that asks for a claim or a volume that one placed before it takes.
    """
    ballot = _Ballot(nodes, rng)
    groups: dict[Demand, list[Key]] = {}
    for key, demand in requests:
        groups.setdefault(demand, []).append(key)
    answers: list[Placement] = []
    placed = 0
    taken: set[str] = set()
    for demand, keys in groups.items():
        if placed >= placements_max:
            break
        exclusive = demand.volumes.exclusive if demand.volumes else frozenset[str]()
        if exclusive & taken:
            continue
        found = ballot.place(demand, keys, 1 if exclusive else placements_max - placed)
        if any(each.node for each in found):
            taken |= exclusive
        placed += sum(1 for each in found if each.node)
        answers += found
    return answers


class _Ballot:
    """The nodes, with what this round has already placed on them."""

    def __init__(self, nodes: Mapping[str, NodeInfo], rng: random.Random) -> None:
        self._nodes = dict(nodes)
        self._borrowed = set(nodes)
        order = sorted(nodes)
        rng.shuffle(order)
        self._lot = {name: number for number, name in enumerate(order)}

    def place(self, demand: Demand, keys: Sequence[Key], placements_max: int) -> list[Placement]:
        scorer = scores.Scorer(demand)
        candidates = self._candidates(demand, scorer)
        placed: list[Placement] = []
        for key in keys[:placements_max]:
            if not candidates:
                break
            name = candidates[0][-1]
            self._own(name).add(demand)
            self._renew(candidates, demand, scorer, name)
            placed.append(Placement(key, name))
        left = keys[len(placed) :] if not candidates else ()
        refusal = explain.refusal(demand, self._nodes.values()) if left else ""
        return placed + [Placement(key, "", refusal) for key in left]

    def _candidates(self, demand: Demand, scorer: scores.Scorer) -> list[Candidate]:
        """Return the nodes that will do, as a heap with the best first."""
        every = filters.NODE_FILTERS + filters.ROOM_FILTERS
        heap = [
            (scorer.score(node), self._lot[name], name)
            for name, node in self._able(demand)
            if filters.refusal(every, demand, node) is None
        ]
        heapq.heapify(heap)
        return heap

    def _able(self, demand: Demand) -> Iterable[tuple[str, NodeInfo]]:
        """Return the nodes to look at: of Pods that name theirs, as a DaemonSet's do, there are as many as nodes."""
        named = affinity.names_asked_for(demand.required_nodes) if demand.required_nodes else None
        if named is None:
            return self._nodes.items()
        return [(name, self._nodes[name]) for name in sorted(named) if name in self._nodes]

    def _renew(self, candidates: list[Candidate], demand: Demand, scorer: scores.Scorer, name: str) -> None:
        """Put the node that just took a Pod, the first, where it now belongs; only its own score changed."""
        node = self._nodes[name]
        if filters.refusal(filters.ROOM_FILTERS, demand, node) is None:
            heapq.heapreplace(candidates, (scorer.score(node), self._lot[name], name))
        else:
            heapq.heappop(candidates)

    def _own(self, name: str) -> NodeInfo:
        if name in self._borrowed:
            self._borrowed.discard(name)
            self._nodes[name] = self._nodes[name].copy()
        return self._nodes[name]
