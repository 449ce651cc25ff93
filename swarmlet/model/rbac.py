"""rbac.authorization.k8s.io/v1: what may be done, and who may do it. Source: k8s.io/api/rbac/v1/types.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, always, no_items
from swarmlet.model.meta import LabelSelector, Object

GROUP = "rbac.authorization.k8s.io"
USER, GROUP_SUBJECT, SERVICE_ACCOUNT = SUBJECT_KINDS = ("User", "Group", "ServiceAccount")
ROLE, CLUSTER_ROLE = ROLE_KINDS = ("Role", "ClusterRole")


class PolicyRule(ApiStruct, frozen=True, kw_only=True):
    """Verbs on resources of groups, some by name, or verbs on paths. "*" is all."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")


EVERYTHING = (
    PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)),
    PolicyRule(verbs=("*",), non_resource_urls=("*",)),
)


class AggregationRule(ApiStruct, frozen=True, kw_only=True):
    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class Subject(ApiStruct, frozen=True, kw_only=True):
    kind: str = ""
    api_group: str = ""
    name: str = ""
    namespace: str = ""


class RoleRef(ApiStruct, frozen=True, kw_only=True):
    api_group: str = ""
    kind: str = ""
    name: str = ""


class Role(Object, frozen=True, kw_only=True):
    """Rules of one namespace."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("Role")
    rules: tuple[PolicyRule, ...] = msgspec.field(default_factory=no_items)  # clients want "rules": []


class ClusterRole(Object, frozen=True, kw_only=True):
    """Rules of every namespace and of what is in none. With an `aggregation_rule` they are those of other roles."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRole")
    rules: tuple[PolicyRule, ...] = msgspec.field(default_factory=no_items)
    aggregation_rule: AggregationRule | None = None


class RoleBinding(Object, frozen=True, kw_only=True):
    """Gives a role in one namespace."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("RoleBinding")
    subjects: tuple[Subject, ...] = ()
    role_ref: RoleRef = RoleRef()


class ClusterRoleBinding(Object, frozen=True, kw_only=True):
    """Gives a ClusterRole everywhere."""

    api_version: str = always("rbac.authorization.k8s.io/v1")
    kind: str = always("ClusterRoleBinding")
    subjects: tuple[Subject, ...] = ()
    role_ref: RoleRef = RoleRef()
