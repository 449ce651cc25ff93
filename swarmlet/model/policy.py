"""policy/v1: PodDisruptionBudget, and the Eviction that asks to be allowed a disruption.

Source: k8s.io/api/policy/v1/types.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, IntOrString, Time, always
from swarmlet.model.meta import Condition, DeleteOptions, LabelSelector, Object

IF_HEALTHY_BUDGET = "IfHealthyBudget"
ALWAYS_ALLOW = "AlwaysAllow"

DISRUPTION_ALLOWED = "DisruptionAllowed"
SUFFICIENT_PODS = "SufficientPods"
INSUFFICIENT_PODS = "InsufficientPods"
SYNC_FAILED = "SyncFailed"


class BudgetCondition(Condition, frozen=True, kw_only=True):
    """A condition of meta/v1, whose clients require a message, be it empty."""

    message: str = always("")


class PodDisruptionBudgetSpec(ApiStruct, frozen=True, kw_only=True):
    """One of the first two at most. A `selector` of None selects no Pod, an empty one all of the namespace."""

    min_available: IntOrString | None = None
    max_unavailable: IntOrString | None = None
    selector: LabelSelector | None = None
    unhealthy_pod_eviction_policy: str = ""


class PodDisruptionBudgetStatus(ApiStruct, frozen=True, kw_only=True):
    """The four counts are on the wire at zero, too: clients require them.

    `disrupted_pods` are Pods by name whose eviction was granted, and when: they count as gone before they are.
    """

    observed_generation: int = 0
    disrupted_pods: dict[str, Time] = {}
    disruptions_allowed: int = msgspec.field(default_factory=int)
    current_healthy: int = msgspec.field(default_factory=int)
    desired_healthy: int = msgspec.field(default_factory=int)
    expected_pods: int = msgspec.field(default_factory=int)
    conditions: tuple[BudgetCondition, ...] = ()


class PodDisruptionBudget(Object, frozen=True, kw_only=True):
    api_version: str = always("policy/v1")
    kind: str = always("PodDisruptionBudget")
    spec: PodDisruptionBudgetSpec = PodDisruptionBudgetSpec()
    status: PodDisruptionBudgetStatus = msgspec.field(default_factory=PodDisruptionBudgetStatus)


class Eviction(Object, frozen=True, kw_only=True):
    """The body of a POST to a Pod's `/eviction`; it is stored nowhere."""

    api_version: str = always("policy/v1")
    kind: str = always("Eviction")
    delete_options: DeleteOptions | None = None
