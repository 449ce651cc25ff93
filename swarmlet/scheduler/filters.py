"""Whether a node will do for a Pod; and where not, why.

A filter returns None where the node will do, else a `Refusal`. Those in `NODE_FILTERS` look at what the node is and
hold for all Pods of one demand; those in `ROOM_FILTERS` look at what its Pods have left, which each placement changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmlet.model import affinity, taints
from swarmlet.model.core import Taint
from swarmlet.scheduler import volumes
from swarmlet.scheduler.cluster import NodeInfo
from swarmlet.scheduler.demand import Demand


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node will not do. Nodes that refuse alike are told of together.

    `one` and `many` say it of one node and of several ("lacks ...", "lack ..."). `lacking` names resources.
    """

    one: str
    many: str
    lacking: tuple[str, ...] = ()


def _always(words: str) -> Refusal:
    """Return a refusal that says the same of one node and of several."""
    return Refusal(words, words)


Filter = Callable[[Demand, NodeInfo], Refusal | None]

NOT_READY = Refusal("not ready", "not ready")
CORDONED = Refusal("cordoned", "cordoned")
OTHER_NODE = Refusal("does not match the node affinity", "do not match the node affinity")
ELSEWHERE = _always("node(s) didn't match PersistentVolume's node affinity")
IN_USE_ELSEWHERE = _always("node(s) cannot mount a ReadWriteOnce volume that is in use on another node")
NO_VOLUME = _always("node(s) didn't find available persistent volumes to bind")
NO_STORAGE = _always("node(s) did not have enough free storage")
_CORDON = Taint(key=taints.UNSCHEDULABLE, effect="NoSchedule")


def is_ready(_demand: Demand, node: NodeInfo) -> Refusal | None:
    """Refuse on a node that is not known to be well."""
    return None if node.ready else NOT_READY


def is_not_cordoned(demand: Demand, node: NodeInfo) -> Refusal | None:
    """Refuse on a node that was cordoned, unless the Pod tolerates that."""
    return CORDONED if node.cordoned and taints.untolerated((_CORDON,), demand.tolerations) else None


def tolerates_taints(demand: Demand, node: NodeInfo) -> Refusal | None:
    """Refuse on a node with a taint that keeps the Pod off."""
    taint = taints.untolerated(node.taints, demand.tolerations) if node.taints else None
    if taint is None:
        return None
    words = f"taint {taint.key}{'=' if taint.value else ''}{taint.value}:{taint.effect} that the Pod does not tolerate"
    return Refusal(f"has the {words}", f"have the {words}")


def matches_node_selector(demand: Demand, node: NodeInfo) -> Refusal | None:
    """Refuse on a node without the labels that the Pod asks for."""
    missing = [f"{key}={value}" for key, value in demand.node_selector if node.labels.get(key) != value]
    if not missing:
        return None
    words = f"not match the node selector ({', '.join(missing)})"
    return Refusal(f"does {words}", f"do {words}")


def matches_affinity(demand: Demand, node: NodeInfo) -> Refusal | None:
    """Refuse on a node that is none of those the Pod must be on."""
    wanted = demand.required_nodes
    return None if wanted is None or affinity.matches(wanted, node.name, node.labels) else OTHER_NODE


def has_ports_free(demand: Demand, node: NodeInfo) -> Refusal | None:
    """Refuse on a node where a Pod holds a host port that this one asks for."""
    taken = [f"{port.port}/{port.protocol}" for port in demand.ports if any(map(port.collides, node.ports))]
    if not taken:
        return None
    words = f"host port {', '.join(taken)} taken"
    return Refusal(f"has {words}", f"have {words}")


def has_room(demand: Demand, node: NodeInfo) -> Refusal | None:
    """Refuse on a node with less left of a resource than the Pod asks for."""
    lacking = tuple(name for name, amount in demand.requests if (free := node.free(name)) is not None and free < amount)
    return Refusal("lacks", "lack", lacking) if lacking else None


def reaches_volumes(demand: Demand, node: NodeInfo) -> Refusal | None:
    """Refuse on a node where a claim's volume is not, or where a claim would get none."""
    wanted = demand.volumes
    if wanted is None:
        return None
    if not volumes.is_reached(wanted, node.name, node.labels):
        return ELSEWHERE
    if wanted.node not in ("", node.name):
        return IN_USE_ELSEWHERE
    found = volumes.chosen(wanted, node.name, node.labels)
    if found is None:
        return NO_VOLUME
    return NO_STORAGE if node.name in wanted.full and None in found.values() else None


NODE_FILTERS: tuple[Filter, ...] = (
    is_ready,
    is_not_cordoned,
    tolerates_taints,
    matches_node_selector,
    matches_affinity,
    reaches_volumes,
)
ROOM_FILTERS: tuple[Filter, ...] = (has_ports_free, has_room)


def refusal(filters: tuple[Filter, ...], demand: Demand, node: NodeInfo) -> Refusal | None:
    """Return the first refusal of some filters."""
    for each in filters:
        found = each(demand, node)
        if found is not None:
            return found
    return None
