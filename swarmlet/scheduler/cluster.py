"""What each node has and what its Pods have taken of it, kept in step with the store change by change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from swarmlet.errors import ExpiredError
from swarmlet.model import conditions, kinds, pods, quantity
from swarmlet.model.core import Node, Taint
from swarmlet.model.pod import Pod
from swarmlet.scheduler.demand import Demand, HostPort, demand_of
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource


class NodeInfo:
    """One node. Amounts are in thousandths, by resource name; `owners` counts Pods by the uid of their controller."""

    __slots__ = ("allocatable", "cordoned", "labels", "name", "owners", "ports", "ready", "taints", "used")

    def __init__(self, node: Node, demands: Iterable[Demand] = ()) -> None:
        self.name = node.metadata.name
        self.labels: Mapping[str, str] = node.metadata.labels
        self.taints: tuple[Taint, ...] = node.spec.taints
        self.cordoned = node.spec.unschedulable
        self.ready = conditions.is_true(node.status.conditions, "Ready")
        self.allocatable = {name: quantity.to_milli(text) for name, text in node.status.allocatable.items()}
        self.used: dict[str, int] = {}
        self.owners: dict[str, int] = {}
        self.ports: list[HostPort] = []
        for demand in demands:
            self.add(demand)

    def copy(self) -> NodeInfo:
        """Return one that can be added to without touching this."""
        twin = NodeInfo.__new__(NodeInfo)
        for name in ("allocatable", "cordoned", "labels", "name", "ready", "taints"):
            setattr(twin, name, getattr(self, name))
        twin.used, twin.owners, twin.ports = dict(self.used), dict(self.owners), list(self.ports)
        return twin

    def add(self, demand: Demand) -> None:
        """Let a Pod take what it asks for."""
        for name, amount in demand.requests:
            self.used[name] = self.used.get(name, 0) + amount
        self.owners[demand.owner] = self.owners.get(demand.owner, 0) + 1
        self.ports += demand.ports

    def remove(self, demand: Demand) -> None:
        """Give back what a Pod took."""
        for name, amount in demand.requests:
            self.used[name] -= amount
        self.owners[demand.owner] -= 1
        if not self.owners[demand.owner]:
            del self.owners[demand.owner]
        for port in demand.ports:
            self.ports.remove(port)

    def free(self, name: str) -> int | None:
        """Return what is left of a resource; None where the node sets no bound, as it may for its number of Pods."""
        if name not in self.allocatable:
            return None if name == PODS else 0
        return self.allocatable[name] - self.used.get(name, 0)


class Cluster:
    """Every node, by name."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self._bound: dict[str, dict[Key, Demand]] = {}
        self._node_of: dict[Key, str] = {}
        self._revision = -1

    def catch_up(self, view: View) -> None:
        """Take in what changed since the last call; where the store has forgotten that, read everything.

        Called often, it never needs to: the store remembers some thousand changes.
        """
        if self._revision == view.revision:
            return
        if not 0 <= self._revision <= view.revision:
            self._rebuild(view)
            return
        try:
            for resource in (PODS, NODES):
                for change in view.changes_since(resource, self._revision):
                    self._take_in(change)
        except ExpiredError:
            self._rebuild(view)
        self._revision = view.revision

    def validate(self) -> None:
        """Check that what is counted is what is bound (for tests: it looks at everything)."""
        for name, node in self.nodes.items():
            bound = self._bound.get(name, {}).values()
            for resource in {*node.used, *(each for demand in bound for each, _ in demand.requests)}:
                total = sum(dict(demand.requests).get(resource, 0) for demand in bound)
                assert node.used.get(resource, 0) == total, f"{name}: {resource}"
            assert sum(node.owners.values()) == len(bound)

    def _rebuild(self, view: View) -> None:
        self.nodes, self._bound, self._node_of = {}, {}, {}
        for stored in view.list(PODS):
            self._bind(stored)
        for stored in view.list(NODES):
            self._know(stored)
        self._revision = view.revision

    def _take_in(self, change: Change) -> None:
        if change.key.resource == NODES:
            self._know(change.new) if change.new else self.nodes.pop(change.key.name, None)
            return
        if change.old and change.new and _holds(change.old) == _holds(change.new):
            return
        self._unbind(change.key)
        if change.new:
            self._bind(change.new)

    def _know(self, stored: Stored) -> None:
        name = stored.key.name
        self.nodes[name] = NodeInfo(cast("Node", stored.object), self._bound.get(name, {}).values())

    def _bind(self, stored: Stored) -> None:
        name = _holds(stored)
        if not name:
            return
        demand = demand_of(cast("Pod", stored.object))
        self._bound.setdefault(name, {})[stored.key] = demand
        self._node_of[stored.key] = name
        if name in self.nodes:
            self.nodes[name].add(demand)

    def _unbind(self, key: Key) -> None:
        name = self._node_of.pop(key, "")
        if not name:
            return
        demand = self._bound[name].pop(key)
        if not self._bound[name]:
            del self._bound[name]
        if name in self.nodes:
            self.nodes[name].remove(demand)


def _holds(stored: Stored) -> str:
    """Return the node whose resources a Pod holds: "" where it has none, or has finished."""
    pod = cast("Pod", stored.object)
    return "" if pods.is_finished(pod) else pod.spec.node_name
