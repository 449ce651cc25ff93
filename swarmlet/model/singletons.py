"""Strict singletons: Pods of which never two may live at once, on whatever side of a broken network.

Such a Pod's object is the claim to run it: it stays in the store until its containers are known to have ended, and
who wants to replace it waits for that (docs/decisions/0006-fencing.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swarmlet.model import objects, pods
from swarmlet.model.core import Node, Taint
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodTemplateSpec

STRICT_SINGLETON = "swarmlet.io/strict-singleton"
"""The annotation that asks for it, with the value "true"; a Pod keeps what it was created with."""
MAY_RUN_UNTIL = "swarmlet.io/may-run-until"
"""On a Pod that is waited for: the time after which its node has certainly ended it, or `NOBODY_KNOWS`."""
NOBODY_KNOWS = "unknown"
FENCED = "swarmlet.io/fenced"
"""On a Pod whose node has certainly ended it, with its uid, which no user can know before: its object goes next.

Its node gets no lease while one bears this."""
FENCE_AFTER = "swarmlet.io/fence-after-seconds"
"""On a Node that fences itself: how long after its last lease it ends its strict singletons."""
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""The taint by which an operator vouches that a node's machine is dead. Source: KEP-2268."""

FENCE_AFTER_SECONDS_MAX = 60.0
KILL_SECONDS_MAX = 2.0
"""From the end of a lease to the end of the last process: both who watch look five times a second, and use SIGKILL."""
CLOCK_DRIFT_MAX = 0.1
"""How far a machine's clock may go too fast or too slow; chrony slews by up to 0.083, a bare quartz by 0.0002."""


def must_be_single(pod: Pod) -> bool:
    """Whether never two of this Pod may live: a StatefulSet's, or one that bears the annotation."""
    controller = objects.controller_of(pod)
    return _asks(pod.metadata) or (controller is not None and controller.kind == "StatefulSet")


def asks_for_single(template: PodTemplateSpec) -> bool:
    """Whether the Pods of a template are strict singletons."""
    return _asks(template.metadata)


def is_held(pod: Pod) -> bool:
    """Whether a node may run this strict singleton: its object may not go before that is known to be over."""
    return must_be_single(pod) and bool(pod.spec.node_name) and not pods.is_finished(pod)


def occupies(pod: Pod) -> bool:
    """Whether a strict singleton takes its place still, though it may be about to go."""
    return must_be_single(pod) and (pods.is_active(pod) or is_held(pod))


def is_fenced(pod: Pod) -> bool:
    """Whether the Pod's end has been told in the store."""
    return pod.metadata.annotations.get(FENCED) == pod.metadata.uid


def fence_after_seconds(annotations: Mapping[str, str]) -> float | None:
    """Return after how long a node ends its strict singletons by itself, by its Node's annotations; None: never."""
    try:
        seconds = float(annotations.get(FENCE_AFTER, ""))
    except ValueError:
        return None
    return seconds if 0 < seconds <= FENCE_AFTER_SECONDS_MAX else None


def certain_after_seconds(fence_after: float) -> float:
    """Return how long after granting a lease its granter knows, by its own clock, that its holder has ended all.

    The holder's clock may be slow and the granter's fast, each by `CLOCK_DRIFT_MAX`.
    """
    return (fence_after + KILL_SECONDS_MAX) * (1 + CLOCK_DRIFT_MAX) / (1 - CLOCK_DRIFT_MAX)


def is_out_of_service(node: Node) -> bool:
    """Whether an operator has said that the node's machine is dead."""
    return _has(node.spec.taints, OUT_OF_SERVICE)


def _has(taints: Iterable[Taint], key: str) -> bool:
    return any(each.key == key for each in taints)


def _asks(metadata: ObjectMeta) -> bool:
    return metadata.annotations.get(STRICT_SINGLETON) == "true"
