"""Which Pods of lower priority must go for one that fits nowhere: of one node the fewest and least important that do.

    relief = Preemption(view, cluster)
    placements = placement.place(requests, cluster, relief=relief)    # in order of their priority
    for each in placements:
        ...  # each.nomination: where it waits, and whose end it waits for

All that it goes by is in the store: Pods that are about to go, and where a Pod was nominated. So whoever leads next
goes on where the one before stopped, and nobody is evicted twice for one Pod.
Source: kubernetes pkg/scheduler/framework/preemption and plugins/defaultpreemption.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from swarmlet.model import affinity, kinds, moves, priorities, selectors
from swarmlet.model.pod import Pod
from swarmlet.model.policy import PodDisruptionBudget
from swarmlet.scheduler import filters
from swarmlet.scheduler.cluster import Cluster, NodeInfo
from swarmlet.scheduler.constraints import Constraints
from swarmlet.scheduler.demand import Demand
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

BUDGETS = kinds.POD_DISRUPTION_BUDGET.resource
CANDIDATES_MIN = 100
CANDIDATES_SHARE = 10
"""So many nodes are compared, or one in so many where that is more. Source: DefaultPreemptionArgs."""
PREEMPTIONS_MAX = 50
COMPARISONS_MAX = 500
"""Of one round, the second of nodes: the rest waits until these are written, and others have had their turn."""
LEAST_PRIORITY = -(2**31)
NOT_STARTED = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Nomination:
    """Where a Pod gets room once Pods of lower priority have ended: those of `victims`, and those already leaving."""

    node: str
    victims: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class _Occupant:
    """A Pod that may have to go."""

    pod: Key
    demand: Demand
    started: datetime


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A node with the Pods that would go from it; `violations`: how many against their disruption budgets."""

    node: str
    victims: tuple[_Occupant, ...]
    violations: int

    @property
    def cost(self) -> tuple[float, ...]:
        """The less the better: first budgets count, then priorities, then numbers, then how long Pods have run."""
        if not self.victims:
            return ()
        highest = max(each.demand.priority for each in self.victims)
        started = min(each.started for each in self.victims if each.demand.priority == highest)
        total = sum(each.demand.priority - LEAST_PRIORITY for each in self.victims)
        return self.violations, highest, total, len(self.victims), -started.timestamp()


class _Budget:
    """What a disruption budget still allows in this round."""

    def __init__(self, budget: PodDisruptionBudget) -> None:
        self._namespace = budget.metadata.namespace
        self._selects = selectors.from_labels(budget.spec.selector)
        self._disrupted = budget.status.disrupted_pods
        self.allowed = budget.status.disruptions_allowed

    def counts(self, occupant: _Occupant) -> bool:
        """Whether the Pod's end is one of those that the budget bounds; one that was granted already is not."""
        pod, demand = occupant.pod, occupant.demand
        if pod.namespace != self._namespace or pod.name in self._disrupted:
            return False
        return self._selects(dict(demand.labels))


class Preemption:
    """One for a round of placements: whom it chose is as good as gone to the Pods that come later.

    `trials` is on how many nodes it has tried out who would have to go. `kept` is the room, node by node, of those that
    were nominated before and are no part of the round.
    """

    def __init__(self, view: View, cluster: Cluster, kept: Iterable[tuple[str, Demand]] = ()) -> None:
        self.trials = 0
        self.kept = tuple(kept)
        self._view = view
        self._cluster = cluster
        self._budgets = [_Budget(cast("PodDisruptionBudget", each.object)) for each in view.list(BUDGETS)]
        self._chosen: set[Key] = set()
        self._preemptions = 0
        self._comparisons = 0
        self._constraints: Constraints | None = None
        self._names: Sequence[str] = ()
        self._known: dict[str, _Candidate | None] = {}
        self._is_hopeless = False

    @property
    def is_spent(self) -> bool:
        """Whether no more Pods may be chosen in this round."""
        return self._preemptions >= PREEMPTIONS_MAX or self._comparisons >= COMPARISONS_MAX

    def nominate(
        self, key: Key, demand: Demand, nodes: Mapping[str, NodeInfo], constraints: Constraints
    ) -> Nomination | None:
        """Return where a Pod gets room that has none on any of `nodes`, and at whose cost; None where it gets none.

        `constraints` are those of all Pods of one demand, which come one after another.
        """
        stored = self._view.get(key)
        pod = cast("Pod", stored.object) if stored else None
        if pod is None or demand.priority <= self._cluster.ranks.lowest:
            return None
        if not priorities.may_preempt(pod) or moves.of(pod):  # what is moved is well where it is
            return None
        if constraints is not self._constraints:
            self._constraints, self._known, self._is_hopeless = constraints, {}, False
            self._names = _in_turn(demand, nodes)
        if self._is_hopeless:
            return None
        known = len(self._known)
        found = self._best(demand, self._nodes(nodes, pod.status.nominated_node_name), constraints)
        if found is None:
            self._is_hopeless = True
            return None
        is_news = found.victims or found.node != pod.status.nominated_node_name
        if is_news:  # else nothing is written that the rest would have to wait for
            self._comparisons += len(self._known) - known
        self._spend(found, constraints)
        return Nomination(found.node, tuple(each.pod for each in found.victims))

    def _nodes(self, nodes: Mapping[str, NodeInfo], nominated: str) -> Iterable[NodeInfo]:
        """Yield the nodes to look at, the one where the Pod was nominated first."""
        if nominated in nodes:
            yield nodes[nominated]
        yield from (nodes[name] for name in self._names if name != nominated)

    def _best(self, demand: Demand, nodes: Iterable[NodeInfo], constraints: Constraints) -> _Candidate | None:
        candidates: list[_Candidate] = []
        for node in nodes:
            if not self._may_help(demand, node):
                continue
            if node.name not in self._known:
                self._known[node.name] = self._candidate(demand, node, constraints)
            found = self._known[node.name]
            if found is None:
                continue
            if not found.victims:
                return found
            candidates.append(found)
            if len(candidates) >= max(CANDIDATES_MIN, len(self._names) // CANDIDATES_SHARE):
                break
        return min(candidates, key=lambda each: each.cost, default=None)

    def _may_help(self, demand: Demand, node: NodeInfo) -> bool:
        """Whether there are Pods of lower priority, and room enough if all of them went."""
        below = self._cluster.ranks.below(node.name, demand.priority)
        if not below:
            return False
        for name, amount in demand.requests:
            free = node.free(name)
            if free is not None and free + sum(held.get(name, 0) for held in below) < amount:
                return False
        return True

    def _candidate(self, demand: Demand, node: NodeInfo, constraints: Constraints) -> _Candidate | None:
        """Return who must go from a node; None where the Pod would not fit though all went that may."""
        if filters.refusal(filters.NODE_FILTERS, demand, node) is not None:
            return None
        self.trials += 1
        trial = _Trial(demand, node, constraints)
        occupants: list[_Occupant] = []
        for key, each in self._cluster.bound_to(node.name).items():
            if each.priority < demand.priority:
                trial.remove(key, each)
                if not (each.leaving or key in self._chosen):
                    occupants.append(_Occupant(key, each, self._started(key)))
        return self._spared(node.name, trial, occupants) if trial.fits() else None

    def _spared(self, node: str, trial: _Trial, occupants: list[_Occupant]) -> _Candidate:
        """Return those who must go in the end: each that can stay does, the more important first."""
        occupants.sort(key=lambda each: (-each.demand.priority, each.started, each.pod))
        guarded = self._guarded(occupants)
        victims = []
        for each in sorted(occupants, key=lambda each: each.pod not in guarded):
            trial.add(each.pod, each.demand)
            if not trial.fits():
                trial.remove(each.pod, each.demand)
                victims.append(each)
        return _Candidate(node, tuple(victims), sum(each.pod in guarded for each in victims))

    def _guarded(self, occupants: Iterable[_Occupant]) -> set[Key]:
        """Return the Pods whose end would break a budget, if all went that stand before them."""
        guarded = set()
        left = [each.allowed for each in self._budgets]
        for occupant in occupants:
            for number, budget in enumerate(self._budgets):
                if budget.counts(occupant):
                    left[number] -= 1
                    if left[number] < 0:
                        guarded.add(occupant.pod)
        return guarded

    def _spend(self, found: _Candidate, constraints: Constraints) -> None:
        """Take note of what is no more as it was: the node, and what depends on it."""
        self._preemptions += bool(found.victims)
        counted = False
        for each in found.victims:
            self._chosen.add(each.pod)
            for budget in self._budgets:
                if budget.counts(each):
                    budget.allowed -= 1
                    counted = True
        if counted or constraints.hard:
            self._known.clear()
        self._known.pop(found.node, None)

    def _started(self, key: Key) -> datetime:
        stored = self._view.get(key)
        return (cast("Pod", stored.object).status.start_time if stored else None) or NOT_STARTED


class _Trial:
    """A node as it would be without some of its Pods."""

    def __init__(self, demand: Demand, node: NodeInfo, constraints: Constraints) -> None:
        self._demand = demand
        self._node = node.copy()
        self._constraints = constraints
        self._gone: dict[Key, Demand] = {}

    def remove(self, pod: Key, demand: Demand) -> None:
        self._node.remove(demand)
        self._gone[pod] = demand

    def add(self, pod: Key, demand: Demand) -> None:
        self._node.add(demand)
        del self._gone[pod]

    def fits(self) -> bool:
        """Whether the Pod has room there, and no Pod beside it forbids it."""
        if filters.refusal(filters.ROOM_FILTERS, self._demand, self._node) is not None:
            return False
        if not self._constraints.hard:
            return True
        return self._constraints.refusal(self._node, tuple(self._gone.values())) is None


def _in_turn(demand: Demand, nodes: Iterable[str]) -> Sequence[str]:
    """Return the names of the nodes to look at, from one that its owner's lot chooses on."""
    named = affinity.names_asked_for(demand.required_nodes) if demand.required_nodes else None
    names = sorted(nodes if named is None else named.intersection(nodes))
    start = zlib.crc32(demand.lot.encode()) % len(names) if names else 0
    return [*names[start:], *names[:start]]
