"""Which Pods a node's NoExecute taints drive away, and when. Pure.

A Pod goes when the first of the taints that it does not tolerate, or not that long, asks for it. One that says nothing
of a node that is not ready or unreachable stays as long as the cluster is patient with the node, where Kubernetes gives
it a toleration of 300 s; what a Pod itself says of these counts, longer or shorter.
Source: kubernetes pkg/controller/tainteviction.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from swarmlet.controllers.nodes import conditions as node_conditions
from swarmlet.controllers.nodes.health import Health
from swarmlet.model import taints
from swarmlet.model.core import Node, Taint
from swarmlet.model.pod import Pod

READINESS = frozenset(node_conditions.READINESS_TAINTS.values())


def evicting(node: Node) -> list[Taint]:
    """Return the taints that drive Pods away."""
    return [each for each in node.spec.taints if each.effect == node_conditions.NO_EXECUTE]


def seconds_left(pod: Pod, node: Node, health: Health | None, now: datetime) -> float | None:
    """Return for how long a Pod may stay on its node: 0 where its time is over, None where it may stay for good.

    `health` is None while a new leader has not heard of the node: what an earlier one thought of it moves nobody.
    """
    times = [each for each in _times(pod, node, health, now) if each is not None]
    return max(0.0, min(times)) if times else None


def _times(pod: Pod, node: Node, health: Health | None, now: datetime) -> Iterator[float | None]:
    for taint in evicting(node):
        tolerated = taints.seconds_tolerated(taint, pod.spec.tolerations)
        if taint.key in READINESS and (health is None or not _speaks_of(pod, taint)):
            yield health.patience_left if health else None
        elif tolerated is not None:
            yield tolerated - (now - (taint.time_added or now)).total_seconds()


def _speaks_of(pod: Pod, taint: Taint) -> bool:
    return any(taints.tolerates(each, taint) for each in pod.spec.tolerations)
