"""What a PodDisruptionBudget allows, by its status: the API grants evictions by it, a controller keeps it true.

    for stored in view.list(kinds.POD_DISRUPTION_BUDGET.resource, namespace):
        if disruptions.covers(stored.object, pod): ...
    if not disruptions.objection(budget):
        budget = disruptions.granted(budget, pod, now)

Source: kubernetes pkg/registry/core/pod/storage/eviction.go and pkg/apis/policy.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

import msgspec

from swarmlet.model import conditions, objects, pods, selectors
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.model.policy import (
    ALWAYS_ALLOW,
    DISRUPTION_ALLOWED,
    INSUFFICIENT_PODS,
    SUFFICIENT_PODS,
    SYNC_FAILED,
    BudgetCondition,
    PodDisruptionBudget,
    PodDisruptionBudgetStatus,
)

DISRUPTED_PODS_MAX = 2_000
"""Granted evictions that the controller has not yet seen happen."""
DELETION_TIMEOUT = timedelta(minutes=2)
"""A Pod whose eviction was granted and that is still not being deleted then counts again."""

EVICTED = Condition(
    type="DisruptionTarget", status="True", reason="EvictionByEvictionAPI", message="Eviction API: evicting"
)
"""On a Pod that is evicted, for a Job's podFailurePolicy to tell it from one that failed."""


def covers(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """Whether the Pod is one of the budget's."""
    if budget.metadata.namespace != pod.metadata.namespace:
        return False
    return selectors.from_labels(budget.spec.selector)(pod.metadata.labels)


def needs_no_budget(pod: Pod) -> bool:
    """Whether to delete the Pod disrupts nothing: it is not up yet, not up any more, or about to go."""
    return pods.is_finished(pod) or pod.status.phase == "Pending" or objects.is_terminating(pod)


def frees_unready(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """Whether the Pod may go without being counted, since it is unready and does not serve anyway."""
    if pods.is_ready(pod):
        return False
    if budget.spec.unhealthy_pod_eviction_policy == ALWAYS_ALLOW:
        return True
    status = budget.status
    return status.current_healthy >= status.desired_healthy > 0


def is_observed(budget: PodDisruptionBudget) -> bool:
    """Whether the status is of the spec as it is now."""
    return budget.status.observed_generation >= budget.metadata.generation


def objection(budget: PodDisruptionBudget) -> str:
    """Return why one more Pod may not go now, "" where it may."""
    name, status = budget.metadata.name, budget.status
    if len(status.disrupted_pods) > DISRUPTED_PODS_MAX:
        why = "too many pending evictions not confirmed by PDB controller"
        return f"The disruption budget {name} does not allow evicting pods currently: {why}"
    if status.disruptions_allowed > 0:
        return ""
    told = conditions.get(status.conditions, DISRUPTION_ALLOWED)
    if told and told.status == "False" and told.message and told.reason == SYNC_FAILED:
        return (
            f"The disruption budget {name} does not allow evicting pods currently because it failed sync: "
            f"{told.message}"
        )
    return (
        f"The disruption budget {name} needs {status.desired_healthy} healthy pods and has "
        f"{status.current_healthy} currently"
    )


def granted(budget: PodDisruptionBudget, pod: Pod, now: datetime) -> PodDisruptionBudget:
    """Return the budget with one disruption less, spent on this Pod, which from now on is no healthy one."""
    status = budget.status
    spent = msgspec.structs.replace(
        status,
        disruptions_allowed=status.disruptions_allowed - 1,
        current_healthy=status.current_healthy - pods.is_ready(pod),
        disrupted_pods={**status.disrupted_pods, pod.metadata.name: clock_time(now)},
    )
    return msgspec.structs.replace(budget, status=judged(spent, now))


def judged(status: PodDisruptionBudgetStatus, now: datetime) -> PodDisruptionBudgetStatus:
    """Return the status with the condition that its counts come to."""
    allowed = status.disruptions_allowed > 0
    reason = SUFFICIENT_PODS if allowed else INSUFFICIENT_PODS
    return _told(status, "True" if allowed else "False", reason, "", now)


def failed(status: PodDisruptionBudgetStatus, why: str, now: datetime) -> PodDisruptionBudgetStatus:
    """Return the status that allows nothing, because the counts cannot be told."""
    return _told(msgspec.structs.replace(status, disruptions_allowed=0), "False", SYNC_FAILED, why, now)


def _told(
    status: PodDisruptionBudgetStatus, value: str, reason: str, message: str, now: datetime
) -> PodDisruptionBudgetStatus:
    condition = BudgetCondition(
        type=DISRUPTION_ALLOWED,
        status=value,
        reason=reason,
        message=message,
        observed_generation=status.observed_generation,
    )
    told = conditions.put(status.conditions, condition, now)
    return msgspec.structs.replace(status, conditions=cast("tuple[BudgetCondition, ...]", told))
