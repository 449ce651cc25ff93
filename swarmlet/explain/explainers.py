"""Who explains what kind, and the one question that is asked of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from swarmlet.explain import claims, custom, deployments, jobs, nodes, policies, scaling, services, sets, slices, spaces
from swarmlet.explain import pods as pod_explainer
from swarmlet.explain.case import Case, about
from swarmlet.explain.findings import Explanation, Finding, count, pruned
from swarmlet.model import kinds
from swarmlet.model.custom import CustomKind, CustomResource
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod

Explainer = Callable[[Case, Object], list[Finding]]


def _pod(case: Case, value: Object) -> list[Finding]:
    return pod_explainer.explain(case, cast("Pod", value))


EXPLAINERS: Mapping[str, Explainer] = {
    kinds.DEPLOYMENT.resource: deployments.explain,
    kinds.STATEFUL_SET.resource: sets.explain_stateful,
    kinds.DAEMON_SET.resource: sets.explain_daemon,
    kinds.CRON_JOB.resource: jobs.explain_cron,
    kinds.JOB.resource: jobs.explain,
    kinds.SERVICE.resource: services.explain,
    kinds.NETWORK_POLICY.resource: policies.explain,
    kinds.HORIZONTAL_POD_AUTOSCALER.resource: scaling.explain_autoscaler,
    kinds.POD_DISRUPTION_BUDGET.resource: scaling.explain_budget,
    kinds.PERSISTENT_VOLUME_CLAIM.resource: claims.explain,
    kinds.PERSISTENT_VOLUME.resource: claims.explain_volume,
    kinds.RESOURCE_QUOTA.resource: spaces.explain_quota,
    kinds.REPLICA_SET.resource: deployments.explain_set,
    kinds.POD.resource: _pod,
    kinds.NODE.resource: nodes.explain,
    kinds.ENDPOINT_SLICE.resource: slices.explain,
    kinds.NAMESPACE.resource: spaces.explain_namespace,
}
"""In the order in which objects of one name are explained: what a user makes, before what is made of it."""


def explain(case: Case, value: Object, kind: Kind | None = None) -> Explanation:
    """Return why an object is as it is; it must be of a kind in `EXPLAINERS`, or of one that a user brought, `kind`."""
    if isinstance(kind, CustomKind):
        told = custom.explain(case, cast("CustomResource", value), kind)
        return Explanation(object=told[0].about, now=case.now, findings=tuple(told))
    kind = kinds.BY_GVK[value.api_version, value.kind]
    found = EXPLAINERS[kind.resource](case, value)
    return Explanation(object=about(value), now=case.now, findings=tuple(found))


def shortened(explanation: Explanation) -> Explanation:
    """Return the explanation with no more sentences than a glance takes in."""
    kept = pruned(explanation.findings)
    return Explanation(
        object=explanation.object,
        now=explanation.now,
        findings=kept,
        omitted=count(explanation.findings) - count(kept),
    )
