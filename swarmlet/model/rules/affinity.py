"""Rules of node affinity. Source: kubernetes pkg/apis/core/validation (ValidateNodeSelector)."""

from __future__ import annotations

from swarmlet.model import affinity as model
from swarmlet.model import syntax
from swarmlet.model.problems import Place

_WITH_VALUES = ("In", "NotIn")
_WITHOUT_VALUES = ("Exists", "DoesNotExist")
_COMPARING = ("Gt", "Lt")


def affinity(value: model.Affinity | None, place: Place) -> None:
    """Check a Pod's affinity."""
    selector = model.required_nodes(value)
    if selector is None:
        return
    node_selector(selector, place.field("nodeAffinity").field("requiredDuringSchedulingIgnoredDuringExecution"))


def node_selector(selector: model.NodeSelector, place: Place) -> None:
    """Check what a Pod, or a volume, asks of its node."""
    terms = place.field("nodeSelectorTerms")
    if not selector.node_selector_terms:
        terms.required("must have at least one node selector term")
    for inner, term in terms.each(selector.node_selector_terms):
        for each_place, each in inner.field("matchExpressions").each(term.match_expressions):
            _expression(each, each_place)
        for each_place, each in inner.field("matchFields").each(term.match_fields):
            _field(each, each_place)


def _expression(requirement: model.NodeSelectorRequirement, place: Place) -> None:
    values = place.field("values")
    if requirement.operator in _WITH_VALUES:
        if not requirement.values:
            values.required("must be specified when `operator` is 'In' or 'NotIn'")
    elif requirement.operator in _WITHOUT_VALUES:
        if requirement.values:
            values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif requirement.operator in _COMPARING:
        if len(requirement.values) != 1:
            values.required("must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        place.field("operator").invalid(requirement.operator, "not a valid selector operator")
    place.field("key").invalid_each(requirement.key, syntax.label_key(requirement.key))


def _field(requirement: model.NodeSelectorRequirement, place: Place) -> None:
    if requirement.operator not in _WITH_VALUES:
        place.field("operator").invalid(requirement.operator, "not a valid selector operator")
    elif len(requirement.values) != 1:
        place.field("values").required(
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        )
    if requirement.key != model.NAME_FIELD:
        place.field("key").invalid(requirement.key, "not a valid field selector key")
        return
    for inner, name in place.field("values").each(requirement.values):
        inner.invalid_each(name, syntax.dns_subdomain(name))
