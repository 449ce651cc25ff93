"""What each node has and what its Pods have taken of it, kept in step with the store change by change."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from swarmlet.errors import ExpiredError
from swarmlet.model import conditions, image_names, kinds, objects, pods, quantity
from swarmlet.model.core import Node, Taint
from swarmlet.model.pod import Pod
from swarmlet.scheduler.demand import Demand, HostPort, demand_of
from swarmlet.scheduler.peers import Peers
from swarmlet.scheduler.ranks import Ranks
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
NAMESPACES = kinds.NAMESPACE.resource
PRIORITIES_END = 2**31
"""No priority is as high."""


_LASTING = ("allocatable", "cordoned", "discouraging", "images", "labels", "name", "number", "ready", "taints")
"""What of a node no Pod changes."""


class NodeInfo:
    """One node. Amounts are in thousandths, by resource name; `owners` counts Pods by the uid of their controller.

    `discouraging` are its taints of the effect PreferNoSchedule; `number` stands for its name where lots are drawn.
    `images` are those it has, with their size in bytes.
    """

    __slots__ = (
        "allocatable",
        "cordoned",
        "discouraging",
        "images",
        "labels",
        "name",
        "number",
        "owners",
        "ports",
        "ready",
        "taints",
        "used",
    )

    def __init__(self, node: Node, demands: Iterable[Demand] = ()) -> None:
        self.name = node.metadata.name
        self.labels: Mapping[str, str] = node.metadata.labels
        self.number = zlib.crc32(self.name.encode())
        self.taints: tuple[Taint, ...] = node.spec.taints
        self.discouraging = tuple(each for each in node.spec.taints if each.effect == "PreferNoSchedule")
        self.cordoned = node.spec.unschedulable
        self.images = {
            image_names.familiar(name): each.size_bytes for each in node.status.images for name in each.names
        }
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
        for name in _LASTING:
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


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes and Pods as they might be: what `placement` reads of a `Cluster`."""

    nodes: Mapping[str, NodeInfo]
    peers: Peers


class Cluster:
    """Every node, by name, and which Pods are beside which (`peers`)."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.peers = Peers()
        self._bound: dict[str, dict[Key, Demand]] = {}
        self.ranks = Ranks()
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
            for resource in (NAMESPACES, PODS, NODES):
                for change in view.changes_since(resource, self._revision):
                    self._take_in(change)
        except ExpiredError:
            self._rebuild(view)
        self._revision = view.revision

    def forget(self) -> None:
        """Read everything at the next call of `catch_up`: something was tried out here and not undone."""
        self._revision = -1

    def bound_to(self, node: str) -> Mapping[Key, Demand]:
        """Return the Pods that hold a node's resources."""
        return self._bound.get(node, {})

    def know(self, node: Node) -> None:
        """Take in a node as it is now."""
        name = node.metadata.name
        self.nodes[name] = NodeInfo(node, self._bound.get(name, {}).values())

    def bind(self, pod: Key, demand: Demand, node: str) -> None:
        """Let a Pod take what it asks for."""
        self._bound.setdefault(node, {})[pod] = demand
        self._node_of[pod] = node
        self.ranks.add(node, demand)
        self.peers.add(node, demand)
        if node in self.nodes:
            self.nodes[node].add(demand)

    def unbind(self, pod: Key) -> None:
        """Take a Pod off its node, where it has one."""
        name = self._node_of.pop(pod, "")
        if not name:
            return
        demand = self._bound[name].pop(pod)
        if not self._bound[name]:
            del self._bound[name]
        self.ranks.remove(name, demand)
        self.peers.remove(name, demand)
        if name in self.nodes:
            self.nodes[name].remove(demand)

    def validate(self) -> None:
        """Check that what is counted is what is bound (for tests: it looks at everything)."""
        for name, node in self.nodes.items():
            bound = self._bound.get(name, {}).values()
            for resource in {*node.used, *(each for demand in bound for each, _ in demand.requests)}:
                total = sum(dict(demand.requests).get(resource, 0) for demand in bound)
                assert node.used.get(resource, 0) == total, f"{name}: {resource}"
                ranked = sum(held.get(resource, 0) for held in self.ranks.below(name, PRIORITIES_END))
                assert ranked == total, f"{name}: {resource} by priority"
            assert sum(node.owners.values()) == len(bound)

    def _rebuild(self, view: View) -> None:
        self.nodes, self._bound, self._node_of, self.peers = {}, {}, {}, Peers()
        self.ranks = Ranks()
        for stored in view.list(NAMESPACES):
            self.peers.know_namespace(stored.key.name, stored.object.metadata.labels)
        for stored in view.list(PODS):
            self._hold(stored)
        for stored in view.list(NODES):
            self.know(cast("Node", stored.object))
        self._revision = view.revision

    def _take_in(self, change: Change) -> None:
        name, new = change.key.name, change.new
        if change.key.resource == NAMESPACES:
            self.peers.know_namespace(name, new.object.metadata.labels if new else None)
        elif change.key.resource == NODES:
            self.know(cast("Node", new.object)) if new else self.nodes.pop(name, None)
        elif not (change.old and new and _holds(change.old) == _holds(new)):
            self.unbind(change.key)
            if new:
                self._hold(new)

    def _hold(self, stored: Stored) -> None:
        pod = cast("Pod", stored.object)
        node = _node_of(pod)
        if node:
            self.bind(stored.key, demand_of(pod), node)


def _holds(stored: Stored) -> tuple[object, ...]:
    """Return what a change of which makes a Pod count otherwise: its node, whose it is, and what others' terms see."""
    pod = cast("Pod", stored.object)
    return _node_of(pod), objects.controller_of(pod), pod.metadata.labels, objects.is_terminating(pod)


def _node_of(pod: Pod) -> str:
    """Return the node whose resources a Pod holds, "" where it has none or has finished."""
    return "" if pods.is_finished(pod) else pod.spec.node_name
