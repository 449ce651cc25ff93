"""How good a node is by itself, among those that will do: what is taken of it, and what the Pod would rather have.

`ballot` adds what depends on the other Pods. Each part is from 0 to 1, and counts by its weight.
"""

from __future__ import annotations

from typing import Literal

from swarmlet.model import affinity, resource_names, taints
from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.demand import POD_COUNT, Demand

PODS_USUAL = 110_000  # thousandths: what Kubernetes lets a node run, where the node itself sets no bound
MEASURED = ("cpu", "memory", POD_COUNT)
PACKED = ("cpu", "memory")

Strategy = Literal["least-allocated", "most-allocated"]
LEAST_ALLOCATED: Strategy = "least-allocated"
MOST_ALLOCATED: Strategy = "most-allocated"

ALLOCATED_WEIGHT = 1.0
NODE_AFFINITY_WEIGHT = 2.0
TAINTS_WEIGHT = 3.0


class Scorer:
    """Scores nodes for Pods of one demand. `minds_taints`: there are nodes whose taints discourage."""

    def __init__(self, demand: Demand, strategy: Strategy = LEAST_ALLOCATED, *, minds_taints: bool = True) -> None:
        requests = dict(demand.requests)
        self._demand = demand
        self._packs = strategy == MOST_ALLOCATED
        extended = [name for name in requests if resource_names.is_extended(name)] if self._packs else []
        measured = (*PACKED, *extended) if self._packs else MEASURED
        self._asked = [(name, requests.get(name, 0)) for name in measured]
        self._minds_taints = minds_taints
        self._preferred = sum(each.weight for each in demand.preferred_nodes)
        self._standing: dict[str, tuple[float, float]] = {}

    def score(self, node: NodeInfo) -> float:
        """Return the weighted sum of the parts; the highest is best."""
        load = self.load(node)
        allocated = ALLOCATED_WEIGHT * (load if self._packs else 1 - load)
        if not (self._preferred or self._minds_taints):
            return allocated
        wanted, welcome = self._lasting(node)
        return allocated + NODE_AFFINITY_WEIGHT * wanted + (TAINTS_WEIGHT * welcome if self._minds_taints else 0.0)

    def parts(self, node: NodeInfo) -> list[tuple[str, float, float]]:
        """Return name, value and weight of each part that tells nodes apart for this demand."""
        load = self.load(node)
        wanted, welcome = self._lasting(node)
        name = "most allocated" if self._packs else "least allocated"
        found = [(name, load if self._packs else 1 - load, ALLOCATED_WEIGHT)]
        if self._preferred:
            found.append(("node affinity", wanted, NODE_AFFINITY_WEIGHT))
        if self._minds_taints:
            found.append(("tolerated taints", welcome, TAINTS_WEIGHT))
        return found

    def load(self, node: NodeInfo) -> float:
        """Return how much of the node is taken with one Pod more, over the measured resources alike."""
        used, allocatable = node.used, node.allocatable
        total = 0.0
        for name, asked in self._asked:
            bound = allocatable.get(name, PODS_USUAL if name == POD_COUNT else 0)
            total += (used.get(name, 0) + asked) / bound if bound else 0.0
        return total / len(self._asked)

    def _lasting(self, node: NodeInfo) -> tuple[float, float]:
        """Return the parts that no placement changes: preferred labels, and taints that discourage."""
        found = self._standing.get(node.name)
        if found is None:
            found = self._standing[node.name] = self._wanted(node), self._welcome(node)
        return found

    def _wanted(self, node: NodeInfo) -> float:
        if not self._preferred:
            return 0.0
        terms = self._demand.preferred_nodes
        matched = (each.weight for each in terms if affinity.matches_term(each.preference, node.name, node.labels))
        return sum(matched) / self._preferred

    def _welcome(self, node: NodeInfo) -> float:
        tolerations = self._demand.tolerations
        against = [
            each
            for each in node.discouraging
            if not any(taints.tolerates(toleration, each) for toleration in tolerations)
        ]
        return 1 / (1 + len(against))
