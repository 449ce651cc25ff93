"""Placing Pods: those that ask for the same together, each on the node that is best after the ones before it."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from swarmlet.model import affinity
from swarmlet.model.volumes import HOSTNAME
from swarmlet.scheduler import explain, filters, scores, terms
from swarmlet.scheduler.ballot import Ballot, Standing, total
from swarmlet.scheduler.cluster import Cluster, NodeInfo, Picture
from swarmlet.scheduler.constraints import Constraints
from swarmlet.scheduler.decision import Decision
from swarmlet.scheduler.demand import Demand
from swarmlet.scheduler.explain import Refusals
from swarmlet.scheduler.preemption import Nomination, Preemption
from swarmlet.scheduler.terms import Wishes
from swarmlet.store.commands import Key

Request = tuple[Key, Demand]
Members = dict[Key, Demand]
"""The Pods of one shape."""
NOTHING: frozenset[str] = frozenset()
TRIAL_LOOKS = 20
"""What one node costs on which preemption tries out who would have to go, in looks."""
BATCH_GROWTH = 4
"""Of requests that are read at once: first as many as may be placed; while they fit nowhere, ever more."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a Pod goes: `node`, or "" and a `refusal` that says why it goes nowhere.

    `decision` says how that came about; None where the nodes were not compared. `nomination`: where the Pod gets room
    once others have ended.
    """

    pod: Key
    node: str
    refusal: str = ""
    decision: Decision | None = None
    nomination: Nomination | None = None


def place(
    requests: Iterable[Request],
    cluster: Cluster | Picture,
    *,
    seed: int = 0,
    strategy: scores.Strategy = scores.LEAST_ALLOCATED,
    placements_max: int = sys.maxsize,
    looks_max: int = sys.maxsize,
    relief: Preemption | None = None,
) -> list[Placement]:
    """Return a placement for each Pod; `cluster` stays as it is. `seed` decides between nodes that are equally good.

    After `placements_max` placements the rest get no answer: ask again once these are written. So it is with a Pod
    that asks for a claim or a volume that one placed before it takes, and with Pods of further demands after
    `looks_max` looks at nodes.
    With `relief`, whose Pods must come in the order of their priority, one that fits nowhere may be nominated to a
    node; the room that it waits for is not for those that come after it.
    """
    field = _Round(cluster, seed, strategy, relief, looks_max)
    answers: list[Placement] = []
    taken: set[str] = set()
    left, size = iter(requests), placements_max
    placed = 0
    try:
        while placed < placements_max and not field.is_over and (batch := list(itertools.islice(left, size))):
            found = _place_batch(field, batch, taken, placements_max - placed)
            placed += sum(bool(each.node) for each in found)
            answers += found
            size = min(size * BATCH_GROWTH, sys.maxsize)
    finally:
        field.forget()
    return answers


def _place_batch(field: _Round, requests: Sequence[Request], taken: set[str], placements_max: int) -> list[Placement]:
    """Place Pods together; `taken` is what no Pod may take any more, and grows."""
    keys = field.label_keys(requests)
    groups: dict[Demand, Members] = {}
    for key, demand in requests:
        groups.setdefault(demand.shape(keys), {})[key] = demand
    answers: list[Placement] = []
    placed = 0
    for shape, members in groups.items():
        if placed >= placements_max or field.is_over:
            break
        apart = _apart(members, taken)
        found = field.place(shape, apart, placements_max - placed) if apart else []
        for each in found:
            if each.node:
                placed += 1
                taken |= _exclusive(members[each.pod])
        answers += found
        if not field.is_spent:
            answers += _refused_alike(members, found, taken)
    return answers


def _exclusive(demand: Demand) -> frozenset[str]:
    """Return what no other Pod may take in the same round."""
    return demand.volumes.exclusive if demand.volumes else NOTHING


def _apart(members: Members, taken: AbstractSet[str]) -> Members:
    """Return the Pods that ask for nothing that is taken, nor for what one before them asks for."""
    found: Members = {}
    asked = set(taken)
    for key, demand in members.items():
        exclusive = _exclusive(demand)
        if not exclusive & asked:
            asked |= exclusive
            found[key] = demand
    return found


def _refused_alike(members: Members, found: Sequence[Placement], taken: AbstractSet[str]) -> list[Placement]:
    """Return the refusal of those that were held back for one that was then refused: no node will do for them too."""
    refused = next((each for each in found if not each.node), None)
    if refused is None:
        return []
    answered = {each.pod for each in found}
    held_back = (key for key, each in members.items() if key not in answered and not _exclusive(each) & taken)
    return [Placement(key, "", refused.refusal, refused.decision) for key in held_back]


class _Round:
    """The nodes and Pods, with what this round has already placed."""

    def __init__(
        self,
        cluster: Cluster | Picture,
        seed: int,
        strategy: scores.Strategy,
        relief: Preemption | None,
        looks_max: int,
    ) -> None:
        self._looks_left = looks_max
        self._nodes = dict(cluster.nodes)
        self._borrowed = set(cluster.nodes)
        self._peers = cluster.peers
        self._wishes: set[Wishes] = set()
        self._with_terms = cluster.peers.has_held
        self._placed: list[tuple[str, Demand]] = []
        self._seed = seed
        self._strategy = strategy
        self._relief = relief
        self._minds_taints = any(node.discouraging for node in self._nodes.values())
        self._knows_images = any(node.images for node in self._nodes.values())
        self._unique: dict[str, bool] = {}
        for name, demand in relief.kept if relief else ():
            self._keep(name, demand)

    @functools.cached_property
    def _names_by_host(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, list[str]] = {}
        for name, node in self._nodes.items():
            found.setdefault(node.labels.get(HOSTNAME, ""), []).append(name)
        return {host: frozenset(names) for host, names in found.items()}

    @property
    def is_spent(self) -> bool:
        """Whether no more Pods may be nominated in this round: those that come next might take what they need."""
        return self._relief is not None and self._relief.is_spent

    @property
    def is_over(self) -> bool:
        """Whether no Pods of further demands are placed in this round: each costs a look at every node."""
        return self.is_spent or self._looks_left <= 0

    def place(self, demand: Demand, members: Members, placements_max: int) -> list[Placement]:
        refusals = Refusals(demand)
        images = scores.shares(demand.images, self._nodes.values()) if self._knows_images else scores.NO_IMAGES
        scorer = scores.Scorer(demand, self._strategy, minds_taints=self._minds_taints, images=images)
        constraints = Constraints(demand, self._nodes, self._peers)
        ballot = Ballot(demand, constraints, scorer, self._is_unique, self._seed)
        ballot.enter(self._able(demand, refusals))
        placed: list[Placement] = []
        keys = list(members)
        for key in keys[:placements_max]:
            best = ballot.best()
            if best is None:
                left = {key: members[key] for key in keys[len(placed) :]}
                return placed + self._refused(left, ballot, refusals, constraints)
            decision = self._decision(ballot, refusals, *best)
            name = best[0].first
            node = self._own(name)
            node.add(demand)
            self._count(name, members[key])
            refusal = filters.refusal(filters.ROOM_FILTERS, demand, node)
            if refusal is not None:
                refusals.add(refusal, node)
            ballot.take(best[0], node, has_room=refusal is None)
            placed.append(Placement(key, name, decision=decision))
        return placed

    def label_keys(self, requests: Sequence[Request]) -> AbstractSet[str] | None:
        """Return the labels of Pods that any term looks at; None where there is no term."""
        self._wishes |= {demand.wishes for _, demand in requests if demand.wishes is not terms.NONE}
        if self._wishes and not self._with_terms:
            self._with_terms = True
            for name, demand in self._placed:
                self._peers.add(name, demand)
        if not self._with_terms:
            return None
        return {*self._peers.label_keys, *(key for each in self._wishes for key in each.label_keys())}

    def forget(self) -> None:
        """Leave the Pods that were there before as they were."""
        if self._with_terms:
            for name, demand in reversed(self._placed):
                self._peers.remove(name, demand)

    def _keep(self, name: str, demand: Demand) -> None:
        """Let no other Pod have the room that one waits for."""
        if name in self._nodes:
            self._own(name).add(demand)
            self._count(name, demand)

    def _count(self, name: str, demand: Demand) -> None:
        """Note a Pod that others' terms may be about."""
        self._placed.append((name, demand))
        if self._with_terms:
            self._peers.add(name, demand)

    def _decision(self, ballot: Ballot, refusals: Refusals, first: Standing, second: Standing | None) -> Decision:
        return Decision(
            nodes=len(self._nodes),
            refused=refusals.told(ballot.refused()),
            chosen=ballot.rating(first, self._nodes[first.first]),
            runner_up=ballot.rating(second, self._nodes[second.first]) if second else None,
            by_lot=second is not None and total(first) == total(second),
        )

    def _refused(
        self, members: Members, ballot: Ballot, refusals: Refusals, constraints: Constraints
    ) -> list[Placement]:
        refused = refusals.told(ballot.refused())
        words = explain.sentence(len(self._nodes), refused)
        decision = Decision(nodes=len(self._nodes), refused=refused)
        found = []
        for key, demand in members.items():
            if self.is_spent:
                break
            found.append(Placement(key, "", words, decision, self._nominate(key, demand, constraints)))
        return found

    def _nominate(self, key: Key, demand: Demand, constraints: Constraints) -> Nomination | None:
        """Find room for a Pod at the cost of others, and keep it from those that come after."""
        if self._relief is None:
            return None
        trials = self._relief.trials
        found = self._relief.nominate(key, demand, self._nodes, constraints)
        self._looks_left -= TRIAL_LOOKS * (self._relief.trials - trials)
        if found is not None:
            self._keep(found.node, demand)
            constraints.count(self._nodes[found.node])
        return found

    def _able(self, demand: Demand, refusals: Refusals) -> list[NodeInfo]:
        """Return the nodes that will do as far as other Pods let them, and note why the others will not."""
        every = filters.NODE_FILTERS + filters.ROOM_FILTERS
        found = []
        for node in self._looked_at(demand, refusals):
            self._looks_left -= 1
            refusal = filters.refusal(every, demand, node)
            if refusal is None:
                found.append(node)
            else:
                refusals.add(refusal, node)
        return found

    def _looked_at(self, demand: Demand, refusals: Refusals) -> Iterable[NodeInfo]:
        """Return the nodes to look at.

        Of Pods that name theirs, as a DaemonSet's do, there are as many as nodes; and of those whose volumes lie on a
        node there may be.
        """
        named = affinity.names_asked_for(demand.required_nodes) if demand.required_nodes else None
        elsewhere = filters.OTHER_NODE
        if named is None and demand.volumes and demand.volumes.homes:
            named = self._names_by_host.get(demand.volumes.homes[0][1], frozenset())
            elsewhere = filters.ELSEWHERE
        if named is None:
            return self._nodes.values()
        found = [self._nodes[name] for name in sorted(named) if name in self._nodes]
        refusals.pass_over(elsewhere, len(self._nodes) - len(found))
        return found

    def _is_unique(self, key: str) -> bool:
        """Whether each domain of a key is one node, as for the label of its name."""
        found = self._unique.get(key)
        if found is None:
            domains = [node.labels[key] for node in self._nodes.values() if key in node.labels]
            found = self._unique[key] = len(set(domains)) == len(domains)
        return found

    def _own(self, name: str) -> NodeInfo:
        if name in self._borrowed:
            self._borrowed.discard(name)
            self._nodes[name] = self._nodes[name].copy()
        return self._nodes[name]
