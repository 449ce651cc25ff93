"""How good a node is by itself, among those that will do: what is taken of it, and what the Pod would rather have.

`ballot` adds what depends on the other Pods. Each part is from 0 to 1, and counts by its weight.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
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
IMAGES_WEIGHT = 1.0
IMAGE_BYTES_LEAST = 23 * 1024**2
IMAGE_BYTES_MOST = 1000 * 1024**2
"""Images of less in all count for nothing; of each container, more than that counts no more."""
NO_IMAGES: Mapping[str, float] = MappingProxyType({})


class Scorer:
    """Scores nodes for Pods of one demand. `minds_taints`: there are nodes whose taints discourage.

    `images` are those of the Pod that are somewhere, each with the share of all nodes that have it.
    """

    def __init__(
        self,
        demand: Demand,
        strategy: Strategy = LEAST_ALLOCATED,
        *,
        minds_taints: bool = True,
        images: Mapping[str, float] = NO_IMAGES,
    ) -> None:
        requests = dict(demand.requests)
        self._demand = demand
        self._packs = strategy == MOST_ALLOCATED
        extended = [name for name in requests if resource_names.is_extended(name)] if self._packs else []
        measured = (*PACKED, *extended) if self._packs else MEASURED
        self._asked = [(name, requests.get(name, 0)) for name in measured]
        self._minds_taints = minds_taints
        self._preferred = sum(each.weight for each in demand.preferred_nodes)
        self._images = images
        self._lasts = bool(self._preferred or minds_taints or images)
        self._standing: dict[str, tuple[float, float, float]] = {}

    def score(self, node: NodeInfo) -> float:
        """Return the weighted sum of the parts; the highest is best."""
        load = self.load(node)
        allocated = ALLOCATED_WEIGHT * (load if self._packs else 1 - load)
        if not self._lasts:
            return allocated
        wanted, welcome, present = self._lasting(node)
        return allocated + NODE_AFFINITY_WEIGHT * wanted + TAINTS_WEIGHT * welcome + IMAGES_WEIGHT * present

    def parts(self, node: NodeInfo) -> list[tuple[str, float, float]]:
        """Return name, value and weight of each part that tells nodes apart for this demand."""
        load = self.load(node)
        wanted, welcome, present = self._lasting(node)
        name = "most allocated" if self._packs else "least allocated"
        found = [(name, load if self._packs else 1 - load, ALLOCATED_WEIGHT)]
        if self._preferred:
            found.append(("node affinity", wanted, NODE_AFFINITY_WEIGHT))
        if self._minds_taints:
            found.append(("tolerated taints", welcome, TAINTS_WEIGHT))
        if self._images:
            found.append(("images present", present, IMAGES_WEIGHT))
        return found

    def load(self, node: NodeInfo) -> float:
        """Return how much of the node is taken with one Pod more, over the measured resources alike."""
        used, allocatable = node.used, node.allocatable
        total = 0.0
        for name, asked in self._asked:
            bound = allocatable.get(name, PODS_USUAL if name == POD_COUNT else 0)
            total += (used.get(name, 0) + asked) / bound if bound else 0.0
        return total / len(self._asked)

    def _lasting(self, node: NodeInfo) -> tuple[float, float, float]:
        """Return the parts that no placement changes: preferred labels, taints that discourage, images."""
        found = self._standing.get(node.name)
        if found is None:
            found = self._standing[node.name] = self._wanted(node), self._welcome(node), self._present(node)
        return found

    def _wanted(self, node: NodeInfo) -> float:
        if not self._preferred:
            return 0.0
        terms = self._demand.preferred_nodes
        matched = (each.weight for each in terms if affinity.matches_term(each.preference, node.name, node.labels))
        return sum(matched) / self._preferred

    def _welcome(self, node: NodeInfo) -> float:
        if not self._minds_taints:
            return 0.0
        tolerations = self._demand.tolerations
        against = [each for each in node.discouraging if not any(taints.tolerates(one, each) for one in tolerations)]
        return 1 / (1 + len(against))

    def _present(self, node: NodeInfo) -> float:
        """Return how much of the Pod's images need not be fetched.

        An image that few nodes have counts less, lest all its Pods end up there. Source: plugins/imagelocality.
        """
        if not self._images:
            return 0.0
        size = sum(node.images.get(name, 0) * share for name, share in self._images.items())
        most = IMAGE_BYTES_MOST * len(self._demand.images)
        return min(1.0, max(0.0, (size - IMAGE_BYTES_LEAST) / (most - IMAGE_BYTES_LEAST)))


def shares(images: Iterable[str], nodes: Collection[NodeInfo]) -> dict[str, float]:
    """Return which share of all nodes has each of some images; none that is nowhere."""
    counts = {name: sum(name in node.images for node in nodes) for name in images}
    return {name: count / len(nodes) for name, count in counts.items() if count}
