"""What holds a Pod back from the scheduler: its gates.

Source: k8s.io/api/core/v1/types.go (PodSchedulingGate), KEP-3521.
"""

from __future__ import annotations

from swarmlet.model.base import ApiStruct
from swarmlet.model.meta import Condition

POD_SCHEDULED = "PodScheduled"
"""The condition that says whether a Pod has its node."""
SCHEDULING_GATED = "SchedulingGated"


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
