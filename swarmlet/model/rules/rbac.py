"""Rules of roles, of bindings, and of ServiceAccounts. Source: kubernetes pkg/apis/rbac/validation."""

from __future__ import annotations

from swarmlet.model import rbac as model
from swarmlet.model import syntax
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import meta
from swarmlet.model.service_accounts import ServiceAccount

_RESOURCES_NEEDED = "resource rules must supply at least one resource"
_GROUPS_NEEDED = "resource rules must supply at least one api group"
_BOTH = "rules cannot apply to both regular resources and non-resource URLs"
_IN_NAMESPACE = "namespaced rules cannot apply to non-resource URLs"


def role(value: model.Role, problems: Problems) -> None:
    """Check a role of one namespace."""
    for place, each in problems.at("rules").each(value.rules):
        _rule(each, place, namespaced=True)


def cluster_role(value: model.ClusterRole, problems: Problems) -> None:
    """Check a role of all namespaces."""
    for place, each in problems.at("rules").each(value.rules):
        _rule(each, place, namespaced=False)
    if value.aggregation_rule is not None:
        place = problems.at("aggregationRule").field("clusterRoleSelectors")
        if not value.aggregation_rule.cluster_role_selectors:
            place.required("at least one clusterRoleSelector required if aggregationRule is non-nil")
        for inner, selector in place.each(value.aggregation_rule.cluster_role_selectors):
            meta.selector(selector, inner)


def role_binding(value: model.RoleBinding, problems: Problems) -> None:
    """Check what gives a role in one namespace."""
    _role_ref(value.role_ref, problems.at("roleRef"), model.ROLE_KINDS)
    for place, each in problems.at("subjects").each(value.subjects):
        _subject(each, place, namespaced=True)


def cluster_role_binding(value: model.ClusterRoleBinding, problems: Problems) -> None:
    """Check what gives a role everywhere."""
    _role_ref(value.role_ref, problems.at("roleRef"), (model.CLUSTER_ROLE,))
    for place, each in problems.at("subjects").each(value.subjects):
        _subject(each, place, namespaced=False)


def binding_update(
    new: model.RoleBinding | model.ClusterRoleBinding,
    old: model.RoleBinding | model.ClusterRoleBinding,
    problems: Problems,
) -> None:
    """Check what of a binding may not change: it would be another one."""
    if new.role_ref != old.role_ref:
        problems.at("roleRef").invalid(new.role_ref, "cannot change roleRef")


def service_account(value: ServiceAccount, problems: Problems) -> None:
    """Check what an account refers to."""
    for place, each in problems.at("imagePullSecrets").each(value.image_pull_secrets):
        if not each.name:
            place.field("name").required()


def _rule(value: model.PolicyRule, place: Place, *, namespaced: bool) -> None:
    if not value.verbs:
        place.field("verbs").required("verbs must contain at least one value")
    if value.non_resource_urls:
        if namespaced:
            place.field("nonResourceURLs").invalid(list(value.non_resource_urls), _IN_NAMESPACE)
        if value.api_groups or value.resources or value.resource_names:
            place.field("nonResourceURLs").invalid(list(value.non_resource_urls), _BOTH)
        return
    if not value.api_groups:
        place.field("apiGroups").required(_GROUPS_NEEDED)
    if not value.resources:
        place.field("resources").required(_RESOURCES_NEEDED)


def _role_ref(value: model.RoleRef, place: Place, known: tuple[str, ...]) -> None:
    if value.api_group != model.GROUP:
        place.field("apiGroup").unsupported(value.api_group, (model.GROUP,))
    if value.kind not in known:
        place.field("kind").unsupported(value.kind, known)
    if not value.name:
        place.field("name").required()


def _subject(value: model.Subject, place: Place, *, namespaced: bool) -> None:
    if not value.name:
        place.field("name").required()
    if value.kind == model.SERVICE_ACCOUNT:
        if value.name:
            place.field("name").invalid_each(value.name, syntax.dns_subdomain(value.name))
        if value.api_group:
            place.field("apiGroup").unsupported(value.api_group, ("",))
        if not namespaced and not value.namespace:
            place.field("namespace").required()
    elif value.kind in model.SUBJECT_KINDS:
        if value.api_group != model.GROUP:
            place.field("apiGroup").unsupported(value.api_group, (model.GROUP,))
    else:
        place.field("kind").unsupported(value.kind, model.SUBJECT_KINDS)
