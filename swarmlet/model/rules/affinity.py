"""Rules of affinity to nodes and to Pods. Source: kubernetes pkg/apis/core/validation (validateAffinity)."""

from __future__ import annotations

from swarmlet.model import affinity as model
from swarmlet.model import syntax
from swarmlet.model.problems import Place
from swarmlet.model.rules import meta, topology

WEIGHT_MAX = 100

_WITH_VALUES = ("In", "NotIn")
_WITHOUT_VALUES = ("Exists", "DoesNotExist")
_COMPARING = ("Gt", "Lt")


def affinity(value: model.Affinity | None, place: Place) -> None:
    """Check a Pod's affinity."""
    if value is None:
        return
    if value.node_affinity:
        _node_affinity(value.node_affinity, place.field("nodeAffinity"))
    if value.pod_affinity:
        _pod_terms(value.pod_affinity, place.field("podAffinity"))
    if value.pod_anti_affinity:
        _pod_terms(value.pod_anti_affinity, place.field("podAntiAffinity"))


def node_selector(selector: model.NodeSelector, place: Place) -> None:
    """Check what a Pod, or a volume, asks of its node."""
    terms = place.field("nodeSelectorTerms")
    if not selector.node_selector_terms:
        terms.required("must have at least one node selector term")
    for inner, term in terms.each(selector.node_selector_terms):
        _node_term(term, inner)


def _node_affinity(value: model.NodeAffinity, place: Place) -> None:
    if value.required is not None:
        node_selector(value.required, place.field(model.REQUIRED))
    for inner, each in place.field(model.PREFERRED).each(value.preferred):
        _weight(each.weight, inner.field("weight"))
        _node_term(each.preference, inner.field("preference"))


def _node_term(term: model.NodeSelectorTerm, place: Place) -> None:
    for inner, each in place.field("matchExpressions").each(term.match_expressions):
        _expression(each, inner)
    for inner, each in place.field("matchFields").each(term.match_fields):
        _field(each, inner)


def _pod_terms(value: model.PodAffinity | model.PodAntiAffinity, place: Place) -> None:
    for inner, term in place.field(model.REQUIRED).each(value.required):
        _pod_term(term, inner)
    for inner, each in place.field(model.PREFERRED).each(value.preferred):
        _weight(each.weight, inner.field("weight"))
        _pod_term(each.pod_affinity_term, inner.field("podAffinityTerm"))


def _pod_term(term: model.PodAffinityTerm, place: Place) -> None:
    if term.label_selector is not None:
        meta.selector(term.label_selector, place.field("labelSelector"))
    if term.namespace_selector is not None:
        meta.selector(term.namespace_selector, place.field("namespaceSelector"))
    for name in term.namespaces:
        place.field("namespace").invalid_each(name, syntax.dns_label(name))
    topology.label_keys(term.match_label_keys, term.label_selector, place.field("matchLabelKeys"))
    topology.label_keys(term.mismatch_label_keys, term.label_selector, place.field("mismatchLabelKeys"))
    for key in sorted(set(term.match_label_keys) & set(term.mismatch_label_keys)):
        place.field("matchLabelKeys").invalid(key, "exists in both matchLabelKeys and mismatchLabelKeys")
    topology.topology_key(term.topology_key, place.field("topologyKey"))


def _weight(weight: int, place: Place) -> None:
    if not 1 <= weight <= WEIGHT_MAX:
        place.invalid(weight, f"must be in the range 1-{WEIGHT_MAX}")


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
