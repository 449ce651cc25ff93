"""Rules of ResourceQuota. Source: kubernetes pkg/apis/core/validation/validation.go (ValidateResourceQuota)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swarmlet.model import quantity, quotas, syntax, usage
from swarmlet.model.problems import Place, Problems
from swarmlet.model.quotas import ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement
from swarmlet.model.rules import meta

STANDARD = frozenset(
    {
        *usage.MUST_BE_SPECIFIED,
        *usage.COUNTED_BY_NAME,
        "ephemeral-storage",
        "requests.ephemeral-storage",
        "limits.ephemeral-storage",
        "requests.storage",
        "pods",
        "services.nodeports",
        "services.loadbalancers",
    }
)
COUNTS = frozenset({*usage.COUNTED_BY_NAME, "pods", "services.nodeports", "services.loadbalancers"})
"""What only whole numbers limit; names with "count/" too."""
SCOPES = (quotas.TERMINATING, quotas.NOT_TERMINATING, quotas.BEST_EFFORT, quotas.NOT_BEST_EFFORT, quotas.PRIORITY_CLASS)
CONFLICTS = ({quotas.BEST_EFFORT, quotas.NOT_BEST_EFFORT}, {quotas.TERMINATING, quotas.NOT_TERMINATING})
OPERATORS_WITH_VALUES = ("In", "NotIn")
OPERATORS_WITHOUT = ("Exists", "DoesNotExist")
ONLY_EXISTS = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
UNSUPPORTED_SCOPES = {
    "CrossNamespacePodAffinity": "not supported by swarmlet: Pods have no affinity to Pods of other namespaces",
    "VolumeAttributesClass": "not supported by swarmlet: claims have no VolumeAttributesClass",
}


def resource_quota(value: ResourceQuota, problems: Problems) -> None:
    """Check a ResourceQuota."""
    place = problems.at("spec")
    _amounts(value.spec.hard, place.field("hard"))
    _scopes(value.spec, place.field("scopes"))
    if value.spec.scope_selector:
        inner = place.field("scopeSelector").field("matchExpressions")
        for at, each in inner.each(value.spec.scope_selector.match_expressions):
            _requirement(each, value.spec, at)
        names = {each.scope_name for each in value.spec.scope_selector.match_expressions}
        _conflicts(names, inner)


def resource_quota_update(new: ResourceQuota, old: ResourceQuota, problems: Problems) -> None:
    """Check what of a ResourceQuota may not change."""
    if set(new.spec.scopes) != set(old.spec.scopes):
        problems.at("spec").field("scopes").invalid(new.spec.scopes, meta.IMMUTABLE)


def _amounts(hard: Mapping[str, str], place: Place) -> None:
    for name, text in hard.items():
        inner = place.key(name)
        inner.invalid_each(name, syntax.label_key(name))
        if "/" not in name and name not in STANDARD and not _is_open(name):
            inner.invalid(name, "must be a standard resource for quota")
        amount = quantity.parse(text).nano
        if amount < 0:
            inner.invalid(text, "must be greater than or equal to 0")
        if (name in COUNTS or name.startswith(usage.COUNT)) and amount % 10**9:
            inner.invalid(text, "must be an integer")


def _is_open(name: str) -> bool:
    return name.startswith(("hugepages-", "requests.hugepages-"))


def _scopes(spec: ResourceQuotaSpec, place: Place) -> None:
    seen: set[str] = set()
    for inner, scope in place.each(spec.scopes):
        if _is_known(scope, inner):
            _fits(scope, spec, inner)
        if scope in seen:
            inner.duplicate(scope)
        seen.add(scope)
    _conflicts(seen, place)


def _is_known(scope: str, place: Place) -> bool:
    if scope not in SCOPES:
        place.invalid(scope, UNSUPPORTED_SCOPES.get(scope, "unsupported scope"))
    return scope in SCOPES


def _fits(scope: str, spec: ResourceQuotaSpec, place: Place) -> None:
    """Check that a scope takes in what the quota counts: Pods, and of those that ask for nothing just the number."""
    for name in spec.hard:
        counts_pods = name in ("pods", "count/pods")
        if usage.resource_of(name) != usage.PODS or (scope == quotas.BEST_EFFORT and not counts_pods):
            place.invalid(spec.scopes or [scope], "unsupported scope applied to resource")
            return


def _conflicts(scopes: Iterable[str], place: Place) -> None:
    if any(both <= set(scopes) for both in CONFLICTS):
        place.invalid(sorted(scopes), "conflicting scopes")


def _requirement(each: ScopedResourceSelectorRequirement, spec: ResourceQuotaSpec, place: Place) -> None:
    scope = place.field("scopeName")
    if not _is_known(each.scope_name, scope):
        return
    _fits(each.scope_name, spec, scope)
    operator, values = place.field("operator"), place.field("values")
    if each.scope_name != quotas.PRIORITY_CLASS and each.operator != "Exists":
        operator.invalid(each.operator, ONLY_EXISTS)
    elif each.operator in OPERATORS_WITH_VALUES and not each.values:
        values.required("must be atleast one value when `operator` is 'In' or 'NotIn' for scope selector")
    elif each.operator in OPERATORS_WITHOUT and each.values:
        values.invalid(each.values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector")
    elif each.operator not in (*OPERATORS_WITH_VALUES, *OPERATORS_WITHOUT):
        operator.invalid(each.operator, "not a valid selector operator")
