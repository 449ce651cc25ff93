"""`spec.affinity`: which nodes a Pod must or should be on, by their labels and names, and beside which other Pods.

Source: k8s.io/api/core/v1/types.go and k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from swarmlet.model.base import ApiStruct
from swarmlet.model.meta import LabelSelector

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
NAME_FIELD = "metadata.name"
"""The one field of a Node that `matchFields` may ask for."""


class NodeSelectorRequirement(ApiStruct, frozen=True, kw_only=True):
    key: str
    operator: str
    values: tuple[str, ...] = ()


class NodeSelectorTerm(ApiStruct, frozen=True, kw_only=True):
    """All of its requirements hold of a node that it matches; one without any matches none."""

    match_expressions: tuple[NodeSelectorRequirement, ...] = ()
    match_fields: tuple[NodeSelectorRequirement, ...] = ()


class NodeSelector(ApiStruct, frozen=True, kw_only=True):
    """It matches a node that one of its terms matches."""

    node_selector_terms: tuple[NodeSelectorTerm, ...]


class PreferredSchedulingTerm(ApiStruct, frozen=True, kw_only=True):
    """Nodes that a Pod should rather be on; `weight` is 1 to 100."""

    weight: int
    preference: NodeSelectorTerm


class NodeAffinity(ApiStruct, frozen=True, kw_only=True):
    required: NodeSelector | None = msgspec.field(name=REQUIRED, default=None)
    preferred: tuple[PreferredSchedulingTerm, ...] = msgspec.field(name=PREFERRED, default=())


class PodAffinityTerm(ApiStruct, frozen=True, kw_only=True):
    """Pods, and the domain around each: the nodes that have its node's value of the label `topology_key`.

    The Pods are those that `label_selector` selects (None: none) in the namespaces named or selected, or in the Pod's
    own where neither is given. `match_label_keys` narrows the selector to the Pod's own values of these labels,
    `mismatch_label_keys` to other ones.
    """

    topology_key: str
    label_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class WeightedPodAffinityTerm(ApiStruct, frozen=True, kw_only=True):
    """`weight` is 1 to 100."""

    weight: int
    pod_affinity_term: PodAffinityTerm


class PodAffinity(ApiStruct, frozen=True, kw_only=True):
    """Pods that this one must, or should, be beside."""

    required: tuple[PodAffinityTerm, ...] = msgspec.field(name=REQUIRED, default=())
    preferred: tuple[WeightedPodAffinityTerm, ...] = msgspec.field(name=PREFERRED, default=())


class PodAntiAffinity(ApiStruct, frozen=True, kw_only=True):
    """Pods that this one must not, or should not, be beside."""

    required: tuple[PodAffinityTerm, ...] = msgspec.field(name=REQUIRED, default=())
    preferred: tuple[WeightedPodAffinityTerm, ...] = msgspec.field(name=PREFERRED, default=())


class Affinity(ApiStruct, frozen=True, kw_only=True):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


def required_nodes(affinity: Affinity | None) -> NodeSelector | None:
    """Return what a node must match; None where any will do."""
    return affinity.node_affinity.required if affinity and affinity.node_affinity else None


def preferred_nodes(affinity: Affinity | None) -> tuple[PreferredSchedulingTerm, ...]:
    """Return what a node should rather match."""
    return affinity.node_affinity.preferred if affinity and affinity.node_affinity else ()


def on_node(name: str) -> Affinity:
    """Return the affinity of a Pod that may be on one node only, as a DaemonSet's."""
    is_named = NodeSelectorRequirement(key=NAME_FIELD, operator="In", values=(name,))
    terms = (NodeSelectorTerm(match_fields=(is_named,)),)
    return Affinity(node_affinity=NodeAffinity(required=NodeSelector(node_selector_terms=terms)))


def names_asked_for(selector: NodeSelector) -> frozenset[str] | None:
    """Return the only nodes that can match, by their names; None where names alone do not say."""
    names = [_names_of(term) for term in selector.node_selector_terms]
    if not names or None in names:
        return None
    return frozenset(name for each in names if each is not None for name in each)


def matches(selector: NodeSelector, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node is one of those asked for."""
    return any(matches_term(term, name, labels) for term in selector.node_selector_terms)


def _names_of(term: NodeSelectorTerm) -> tuple[str, ...] | None:
    return next((each.values for each in term.match_fields if (each.key, each.operator) == (NAME_FIELD, "In")), None)


def matches_term(term: NodeSelectorTerm, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a node is what one term asks for."""
    if not (term.match_expressions or term.match_fields):
        return False
    fields = {NAME_FIELD: name}
    return all(_holds(each, fields.get(each.key)) for each in term.match_fields) and all(
        _holds(each, labels.get(each.key)) for each in term.match_expressions
    )


def _holds(requirement: NodeSelectorRequirement, value: str | None) -> bool:
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(requirement, value)
    return False


def _compares(requirement: NodeSelectorRequirement, value: str | None) -> bool:
    try:
        own, bound = int(value or ""), int(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return own > bound if requirement.operator == "Gt" else own < bound
