"""What the scheduler's filters say of a Pod now, on one view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from swarmlet.model import kinds, objects, taints
from swarmlet.model.pod import Pod
from swarmlet.scheduler import explain, filters, placement
from swarmlet.scheduler.cluster import Cluster, NodeInfo
from swarmlet.scheduler.demand import Demand, demand_of
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

TOLD_OTHERWISE = (taints.UNSCHEDULABLE, taints.NOT_READY, taints.UNREACHABLE)
"""The taints that a cordon or a node's state put on: a filter of its own tells of these."""
OF_THE_NODE = (taints.MEMORY_PRESSURE, taints.DISK_PRESSURE, taints.PID_PRESSURE, taints.NETWORK_UNAVAILABLE)
KINDS = ("cordon", "taint", "node", "room", "other")
PODS_MAX = 10_000
"""In the cluster. To look at so many takes some 0.3 s, for which the daemon does nothing else."""
LOOKS_MAX = 20_000
"""Nodes that are looked at for one question, each once for every Pod that asks for something else: some 0.3 s, too."""
EVERY = filters.NODE_FILTERS + filters.ROOM_FILTERS


@dataclass(frozen=True, slots=True)
class Obstacle:
    """The one thing that keeps a Pod off a node: `why` in words, and `kind` for what can be done about it.

    Kinds are "cordon", "taint" (then its key), "node" (which is not well), "room" and "other", in the order told.
    """

    node: str
    kind: str
    why: str
    taint: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Why no node will do for a Pod, "" where one would, and what alone keeps it off some node, one of each kind."""

    refusal: str
    obstacles: Sequence[Obstacle] = ()


class Refusals:
    """The scheduler's picture of the nodes, kept from one question to the next: to make it, every Pod is looked at."""

    def __init__(self) -> None:
        self._cluster = Cluster()

    def on(self, view: View) -> Scheduler | None:
        """Return what may be asked of one view; None where there are too many Pods to look at."""
        return Scheduler(self, view) if len(view.list(kinds.POD.resource)) <= PODS_MAX else None

    def of(self, view: View, key: Key, demand: Demand) -> Answer:
        """Return what the filters say of a Pod that mounts no claim."""
        self._cluster.catch_up(view)
        (placed,) = placement.place([(key, demand)], self._cluster)
        return Answer(placed.refusal, self._obstacles(demand) if placed.refusal else ())

    def _obstacles(self, demand: Demand) -> Sequence[Obstacle]:
        """Return, of the nodes that refuse for one thing alone, the first one of each kind of thing.

        It does not look at what other Pods forbid, such as by anti-affinity.
        """
        found: dict[str, Obstacle] = {}
        for node in self._cluster.nodes.values():
            obstacle = _only_obstacle(demand, node)
            if obstacle is not None:
                found.setdefault(obstacle.kind, obstacle)
        return sorted(found.values(), key=lambda each: KINDS.index(each.kind))


@dataclass(frozen=True, slots=True)
class Scheduler:
    """What the filters say on one view, for one question. Pods that ask for the same get the same answer."""

    refusals: Refusals
    view: View
    _answers: dict[Demand, Answer] = field(default_factory=dict, init=False)

    def answer(self, pod: Pod) -> Answer | None:
        """Return what the filters say of a Pod; None where that would be too much for one question."""
        assert not objects.is_terminating(pod)
        demand = demand_of(pod)
        if demand not in self._answers:
            if self._answers and (len(self._answers) + 1) * len(self.view.list(kinds.NODE.resource)) > LOOKS_MAX:
                return None
            key = Key(kinds.POD.resource, pod.metadata.namespace, pod.metadata.name)
            self._answers[demand] = self.refusals.of(self.view, key, demand)
        return self._answers[demand]


def _only_obstacle(demand: Demand, node: NodeInfo) -> Obstacle | None:
    bare = node
    if node.cordoned or not node.ready:
        bare = node.copy()
        bare.taints = tuple(each for each in node.taints if each.key not in TOLD_OTHERWISE)
    refused = [(each, found) for each in EVERY if (found := each(demand, bare)) is not None]
    if len(refused) != 1:
        return None
    ((filter_, refusal),) = refused
    if filter_ is filters.is_not_cordoned:
        return Obstacle(node.name, "cordon", "is cordoned")
    if filter_ is filters.is_ready:
        return Obstacle(node.name, "node", "is not ready")
    if filter_ is filters.tolerates_taints:
        taint = taints.untolerated(bare.taints, demand.tolerations)
        key = taint.key if taint else ""
        return Obstacle(node.name, "node" if key in OF_THE_NODE else "taint", refusal.one, key)
    if filter_ is filters.has_room:
        words = explain.Refusals(demand)
        words.add(refusal, node)
        return Obstacle(node.name, "room", words.told(())[0].why)
    return Obstacle(node.name, "other", refusal.one)
