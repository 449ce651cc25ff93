"""Which of the nodes that will do is best: the smallest score wins."""

from __future__ import annotations

from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.demand import POD_COUNT, Demand

PODS_USUAL = 110_000  # thousandths: what Kubernetes lets a node run, where the node itself sets no bound
MEASURED = ("cpu", "memory", POD_COUNT)

Score = tuple[int, float]


class Scorer:
    """Scores nodes for Pods of one demand."""

    def __init__(self, demand: Demand) -> None:
        requests = dict(demand.requests)
        self._owner = demand.owner
        self._asked = [(name, requests.get(name, 0)) for name in MEASURED]

    def score(self, node: NodeInfo) -> Score:
        """Prefer the node with the fewest Pods of the same owner, then the one that will have the least of it taken."""
        return node.owners.get(self._owner, 0) if self._owner else 0, self.load(node)

    def load(self, node: NodeInfo) -> float:
        """Return how much of the node is taken with one Pod more, over CPU, memory and the number of Pods alike."""
        used, allocatable = node.used, node.allocatable
        total = 0.0
        for name, asked in self._asked:
            bound = allocatable.get(name, PODS_USUAL if name == POD_COUNT else 0)
            total += (used.get(name, 0) + asked) / bound if bound else 0.0
        return total / len(MEASURED)
