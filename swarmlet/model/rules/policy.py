"""Rules of PodDisruptionBudget. Source: kubernetes pkg/apis/policy/validation."""

from __future__ import annotations

from swarmlet.model import policy
from swarmlet.model.problems import Problems
from swarmlet.model.rules import meta, workloads

_POLICIES = (policy.ALWAYS_ALLOW, policy.IF_HEALTHY_BUDGET)


def pod_disruption_budget(value: policy.PodDisruptionBudget, problems: Problems) -> None:
    """Check a PodDisruptionBudget."""
    place, spec = problems.at("spec"), value.spec
    if spec.min_available is not None and spec.max_unavailable is not None:
        place.invalid(spec, "minAvailable and maxUnavailable cannot be both set")
    for name, share in (("minAvailable", spec.min_available), ("maxUnavailable", spec.max_unavailable)):
        workloads.share(share, place.field(name))
        workloads.not_over_all(share, place.field(name))
    if spec.selector:
        meta.selector(spec.selector, place.field("selector"))
    unhealthy = spec.unhealthy_pod_eviction_policy
    if unhealthy and unhealthy not in _POLICIES:
        place.field("unhealthyPodEvictionPolicy").unsupported(unhealthy, _POLICIES)
