"""What the Pods of each priority hold of each node: whether preemption could help there is then told at a glance."""

from __future__ import annotations

from collections import Counter

from swarmlet.scheduler.demand import Demand


class Ranks:
    """Amounts in thousandths, by node, priority and resource."""

    def __init__(self) -> None:
        self._held: dict[str, dict[int, dict[str, int]]] = {}
        self._pods: Counter[int] = Counter()

    @property
    def lowest(self) -> int:
        """The least priority of any bound Pod; 0 where there is none."""
        return min(self._pods, default=0)

    def add(self, node: str, demand: Demand) -> None:
        """Count a Pod on its node."""
        self._pods[demand.priority] += 1
        held = self._held.setdefault(node, {}).setdefault(demand.priority, {})
        for name, amount in demand.requests:
            held[name] = held.get(name, 0) + amount

    def remove(self, node: str, demand: Demand) -> None:
        """Take back what `add` counted."""
        ranks = self._held[node]
        held = ranks[demand.priority]
        for name, amount in demand.requests:
            held[name] -= amount
            if not held[name]:
                del held[name]
        if not held:
            del ranks[demand.priority]
        if not ranks:
            del self._held[node]
        self._pods[demand.priority] -= 1
        if not self._pods[demand.priority]:
            del self._pods[demand.priority]

    def below(self, node: str, priority: int) -> list[dict[str, int]]:
        """Return what the Pods of each lower priority hold of a node; nothing where there are none."""
        return [held for each, held in self._held.get(node, {}).items() if each < priority]
