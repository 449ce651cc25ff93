"""Which of the nodes that will do is best: the smallest score wins."""

from __future__ import annotations

from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.demand import POD_COUNT, Demand

PODS_USUAL = 110_000  # thousandths: what Kubernetes lets a node run, where the node itself sets no bound
MEASURED = ("cpu", "memory", POD_COUNT)

Score = tuple[int, float]


def score(demand: Demand, node: NodeInfo) -> Score:
    """Prefer the node with the fewest Pods of the same owner, then the one with the least of it in use."""
    siblings = node.owners.get(demand.owner, 0) if demand.owner else 0
    return siblings, load(node)


def load(node: NodeInfo) -> float:
    """Return how much of the node is taken, from 0 to 1, over CPU, memory and the number of Pods alike."""
    used, allocatable = node.used, node.allocatable
    total = 0.0
    for name in MEASURED:
        bound = allocatable.get(name, PODS_USUAL if name == POD_COUNT else 0)
        total += used.get(name, 0) / bound if bound else 0.0
    return total / len(MEASURED)
