"""Taints and tolerations: which Pods a node keeps off, and for how long one may stay.

Source: k8s.io/component-helpers/scheduling/corev1/helpers.go and k8s.io/api/core/v1/toleration.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from swarmlet.model.core import Taint
from swarmlet.model.pod import Toleration

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"

KEEPS_OFF = ("NoSchedule", "NoExecute")


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether a toleration covers a taint; an empty key with Exists covers all, an empty effect every effect."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


def untolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration]) -> Taint | None:
    """Return the first taint that keeps new Pods off and is not tolerated."""
    tolerations = tuple(tolerations)
    keeping = (taint for taint in taints if taint.effect in KEEPS_OFF)
    return next((taint for taint in keeping if not any(tolerates(each, taint) for each in tolerations)), None)


def seconds_tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> float | None:
    """Return how long a Pod may stay once the taint evicts: 0 without a toleration, None for ever."""
    covering = [each for each in tolerations if tolerates(each, taint)]
    if not covering:
        return 0.0
    limits = [each.toleration_seconds for each in covering if each.toleration_seconds is not None]
    return float(max(0, min(limits))) if limits else None
