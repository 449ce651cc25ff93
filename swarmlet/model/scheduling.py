"""PriorityClass (scheduling.k8s.io/v1), and what of a Pod the scheduler heeds beside where it may go.

Source: k8s.io/api/scheduling/v1/types.go, pkg/apis/scheduling (SystemPriorityClasses), k8s.io/api/core/v1/types.go
(PodSchedulingGate), KEP-3521.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, always
from swarmlet.model.meta import Condition, Object, ObjectMeta

PREEMPT_LOWER_PRIORITY = "PreemptLowerPriority"
NEVER = "Never"
PREEMPTION_POLICIES = (PREEMPT_LOWER_PRIORITY, NEVER)

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_CRITICAL_PRIORITY = 2 * HIGHEST_USER_PRIORITY
"""Pods from this priority on are never given up by a node that is short of something."""
SYSTEM_PREFIX = "system-"
CLUSTER_CRITICAL = "system-cluster-critical"
NODE_CRITICAL = "system-node-critical"

POD_SCHEDULED = "PodScheduled"
"""The condition that says whether a Pod has its node."""
SCHEDULING_GATED = "SchedulingGated"


class PriorityClass(Object, frozen=True, kw_only=True):
    """`value` is the priority of the Pods that name the class; the higher, the sooner they are scheduled."""

    api_version: str = always("scheduling.k8s.io/v1")
    kind: str = always("PriorityClass")
    value: int = msgspec.field(default_factory=int)  # on the wire when it is 0, too
    global_default: bool = False
    description: str = ""
    preemption_policy: str = ""


SYSTEM_CLASSES = (
    PriorityClass(
        metadata=ObjectMeta(name=CLUSTER_CRITICAL, generation=1),
        value=SYSTEM_CRITICAL_PRIORITY,
        description=(
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
        ),
        preemption_policy=PREEMPT_LOWER_PRIORITY,
    ),
    PriorityClass(
        metadata=ObjectMeta(name=NODE_CRITICAL, generation=1),
        value=SYSTEM_CRITICAL_PRIORITY + 1000,
        description="Used for system critical pods that must not be moved from their current node.",
        preemption_policy=PREEMPT_LOWER_PRIORITY,
    ),
)
"""The classes that every cluster has."""


class PodSchedulingGate(ApiStruct, frozen=True, kw_only=True):
    """Whoever put it on a Pod takes it off when the Pod may be scheduled."""

    name: str


GATED = Condition(
    type=POD_SCHEDULED,
    status="False",
    reason=SCHEDULING_GATED,
    message="Scheduling is blocked due to non-empty scheduling gates",
)
"""On a Pod with gates, from its creation on."""


def with_defaults(value: PriorityClass) -> PriorityClass:
    """Return a class as it is stored."""
    return msgspec.structs.replace(value, preemption_policy=value.preemption_policy or PREEMPT_LOWER_PRIORITY)
