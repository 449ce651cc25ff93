"""Placing Pods: those that ask for the same together, each on the node that is best after the ones before it."""

from __future__ import annotations

import functools
import heapq
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from swarmlet.model import affinity
from swarmlet.model.volumes import HOSTNAME
from swarmlet.scheduler import explain, filters, scores
from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.demand import Demand
from swarmlet.store.commands import Key

Candidate = tuple[scores.Score, int, str]
"""A node that will do: its score, its lot among equals, its name."""
Members = dict[Key, frozenset[str]]
"""The Pods of one shape, each with what no other Pod may take in the same round."""


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
    groups: dict[Demand, Members] = {}
    for key, demand in requests:
        groups.setdefault(demand.shape, {})[key] = demand.volumes.exclusive if demand.volumes else frozenset()
    answers: list[Placement] = []
    placed = 0
    taken: set[str] = set()
    for shape, members in groups.items():
        if placed >= placements_max:
            break
        keys = _apart(members, taken)
        found = ballot.place(shape, keys, placements_max - placed) if keys else []
        for each in found:
            if each.node:
                placed += 1
                taken |= members[each.pod]
        answers += found
        answers += _refused_alike(members, found, taken)
    return answers


def _apart(members: Members, taken: AbstractSet[str]) -> list[Key]:
    """Return the Pods that ask for nothing that is taken, nor for what one before them asks for."""
    keys: list[Key] = []
    asked = set(taken)
    for key, exclusive in members.items():
        if not exclusive & asked:
            asked |= exclusive
            keys.append(key)
    return keys


def _refused_alike(members: Members, found: Sequence[Placement], taken: AbstractSet[str]) -> list[Placement]:
    """Return the refusal of those that were held back for one that was then refused: no node will do for them too."""
    refusal = next((each.refusal for each in found if not each.node), "")
    if not refusal:
        return []
    answered = {each.pod for each in found}
    held_back = (key for key, exclusive in members.items() if key not in answered and not exclusive & taken)
    return [Placement(key, "", refusal) for key in held_back]


class _Ballot:
    """The nodes, with what this round has already placed on them."""

    def __init__(self, nodes: Mapping[str, NodeInfo], rng: random.Random) -> None:
        self._nodes = dict(nodes)
        self._borrowed = set(nodes)
        order = sorted(nodes)
        rng.shuffle(order)
        self._lot = {name: number for number, name in enumerate(order)}

    @functools.cached_property
    def _names_by_host(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, list[str]] = {}
        for name, node in self._nodes.items():
            found.setdefault(node.labels.get(HOSTNAME, ""), []).append(name)
        return {host: frozenset(names) for host, names in found.items()}

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
        """Return the nodes to look at.

        Of Pods that name theirs, as a DaemonSet's do, there are as many as nodes; and of those whose volumes lie on a
        node there may be.
        """
        named = affinity.names_asked_for(demand.required_nodes) if demand.required_nodes else None
        if named is None and demand.volumes and demand.volumes.homes:
            named = self._names_by_host.get(demand.volumes.homes[0][1], frozenset())
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
