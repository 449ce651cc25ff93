"""The ClusterRoles that every cluster has: cluster-admin, and admin, edit and view, which others may add to.

Who brings kinds of their own labels a ClusterRole `rbac.authorization.k8s.io/aggregate-to-view: "true"`.
Source: kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go.
"""

from __future__ import annotations

from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.rbac import (
    CLUSTER_ROLE,
    EVERYTHING,
    GROUP,
    GROUP_SUBJECT,
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    RoleRef,
    Subject,
)

BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}
ADMIN, EDIT, VIEW = "admin", "edit", "view"

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_APPS = (
    *("daemonsets", "deployments", "deployments/scale", "replicasets", "replicasets/scale"),
    *("statefulsets", "statefulsets/scale"),
)
_CORE = ("configmaps", "events", "persistentvolumeclaims", "pods", "serviceaccounts", "services")

_OF_VIEW = (
    PolicyRule(
        verbs=_READ,
        api_groups=("",),
        resources=(
            *_CORE,
            *("limitranges", "namespaces", "namespaces/status", "persistentvolumeclaims/status", "pods/log"),
            *("pods/status", "resourcequotas", "resourcequotas/status", "services/status"),
        ),
    ),
    PolicyRule(
        verbs=_READ,
        api_groups=("apps",),
        resources=(
            *_APPS,
            *("controllerrevisions", "daemonsets/status", "deployments/status"),
            *("replicasets/status", "statefulsets/status"),
        ),
    ),
    PolicyRule(
        verbs=_READ,
        api_groups=("autoscaling",),
        resources=("horizontalpodautoscalers", "horizontalpodautoscalers/status"),
    ),
    PolicyRule(verbs=_READ, api_groups=("batch",), resources=("cronjobs", "cronjobs/status", "jobs", "jobs/status")),
    PolicyRule(verbs=_READ, api_groups=("discovery.k8s.io",), resources=("endpointslices",)),
    PolicyRule(verbs=_READ, api_groups=("networking.k8s.io",), resources=("networkpolicies",)),
    PolicyRule(verbs=_READ, api_groups=("policy",), resources=("poddisruptionbudgets", "poddisruptionbudgets/status")),
    PolicyRule(verbs=_READ, api_groups=("metrics.k8s.io",), resources=("pods", "nodes")),
)
_OF_EDIT = (
    PolicyRule(verbs=_READ, api_groups=("",), resources=("pods/attach", "pods/exec", "pods/portforward", "secrets")),
    PolicyRule(
        verbs=_WRITE,
        api_groups=("",),
        resources=(*_CORE, "pods/attach", "pods/exec", "pods/portforward", "secrets"),
    ),
    PolicyRule(verbs=("create",), api_groups=("",), resources=("pods/eviction", "serviceaccounts/token")),
    PolicyRule(verbs=("impersonate",), api_groups=("",), resources=("serviceaccounts",)),
    PolicyRule(verbs=_WRITE, api_groups=("apps",), resources=_APPS),
    PolicyRule(verbs=_WRITE, api_groups=("autoscaling",), resources=("horizontalpodautoscalers",)),
    PolicyRule(verbs=_WRITE, api_groups=("batch",), resources=("cronjobs", "jobs")),
    PolicyRule(verbs=_WRITE, api_groups=("networking.k8s.io",), resources=("networkpolicies",)),
    PolicyRule(verbs=_WRITE, api_groups=("policy",), resources=("poddisruptionbudgets",)),
    PolicyRule(verbs=(*_READ, *_WRITE), api_groups=("coordination.k8s.io",), resources=("leases",)),
)
_OF_ADMIN = (
    PolicyRule(verbs=("create",), api_groups=("authorization.k8s.io",), resources=("localsubjectaccessreviews",)),
    PolicyRule(verbs=(*_READ, *_WRITE), api_groups=(GROUP,), resources=("roles", "rolebindings")),
)


def _label(name: str) -> str:
    return f"{GROUP}/aggregate-to-{name}"


def _aggregated(name: str, *also: str) -> ClusterRole:
    """Return a role that has the rules of those labelled for it, and is part of the next larger ones."""
    labels = BOOTSTRAPPING | {_label(each): "true" for each in also}
    selector = LabelSelector(match_labels={_label(name): "true"})
    return ClusterRole(
        metadata=ObjectMeta(name=name, labels=labels),
        aggregation_rule=AggregationRule(cluster_role_selectors=(selector,)),
    )


def _part(name: str, rules: tuple[PolicyRule, ...]) -> ClusterRole:
    labels = BOOTSTRAPPING | {_label(name): "true"}
    return ClusterRole(metadata=ObjectMeta(name=f"system:aggregate-to-{name}", labels=labels), rules=rules)


ROLES = (
    ClusterRole(metadata=ObjectMeta(name="cluster-admin", labels=BOOTSTRAPPING), rules=EVERYTHING),
    _aggregated(ADMIN),
    _aggregated(EDIT, ADMIN),
    _aggregated(VIEW, EDIT),
    _part(ADMIN, _OF_ADMIN),
    _part(EDIT, _OF_EDIT),
    _part(VIEW, _OF_VIEW),
)
BINDINGS = (
    ClusterRoleBinding(
        metadata=ObjectMeta(name="cluster-admin", labels=BOOTSTRAPPING),
        subjects=(Subject(kind=GROUP_SUBJECT, api_group=GROUP, name="system:masters"),),
        role_ref=RoleRef(api_group=GROUP, kind=CLUSTER_ROLE, name="cluster-admin"),
    ),
)
