"""Rules of topology spread. Source: kubernetes pkg/apis/core/validation (validateTopologySpreadConstraints)."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model import syntax
from swarmlet.model import topology as model
from swarmlet.model.meta import LabelSelector
from swarmlet.model.problems import Place
from swarmlet.model.rules import meta

NOT_POSITIVE = "must be greater than zero"
_ACTIONS = (model.DO_NOT_SCHEDULE, model.SCHEDULE_ANYWAY)
_POLICIES = (model.HONOR, model.IGNORE)


def constraints(values: Sequence[model.TopologySpreadConstraint], place: Place) -> None:
    """Check a Pod's constraints; two may not be of one key and one action."""
    seen: set[tuple[str, str]] = set()
    for inner, each in place.each(values):
        _constraint(each, inner)
        kind = (each.topology_key, each.when_unsatisfiable)
        if kind in seen:
            inner.field("{topologyKey, whenUnsatisfiable}").duplicate(f"{{{kind[0]}, {kind[1]}}}")
        seen.add(kind)


def topology_key(key: str, place: Place) -> None:
    """Check the name of the label that makes the domains."""
    if not key:
        place.required("can not be empty")
        return
    place.invalid_each(key, syntax.label_key(key))


def label_keys(keys: Sequence[str], selector: LabelSelector | None, place: Place) -> None:
    """Check the labels whose values a selector takes from the Pod itself."""
    if keys and selector is None:
        place.forbidden("must not be specified when labelSelector is not set")
        return
    named = {*selector.match_labels, *(each.key for each in selector.match_expressions)} if selector else set()
    for inner, key in place.each(keys):
        inner.invalid_each(key, syntax.label_key(key))
        if key in named:
            inner.invalid(key, f"exists in both {place.path.rpartition('.')[2]} and labelSelector")


def _constraint(value: model.TopologySpreadConstraint, place: Place) -> None:
    if value.max_skew <= 0:
        place.field("maxSkew").invalid(value.max_skew, NOT_POSITIVE)
    topology_key(value.topology_key, place.field("topologyKey"))
    if value.when_unsatisfiable not in _ACTIONS:
        place.field("whenUnsatisfiable").unsupported(value.when_unsatisfiable, _ACTIONS)
    _min_domains(value, place.field("minDomains"))
    policies = (("nodeAffinityPolicy", value.node_affinity_policy), ("nodeTaintsPolicy", value.node_taints_policy))
    for name, policy in policies:
        if policy and policy not in _POLICIES:
            place.field(name).unsupported(policy, _POLICIES)
    label_keys(value.match_label_keys, value.label_selector, place.field("matchLabelKeys"))
    if value.label_selector is not None:
        meta.selector(value.label_selector, place.field("labelSelector"))


def _min_domains(value: model.TopologySpreadConstraint, place: Place) -> None:
    if value.min_domains is None:
        return
    if value.min_domains <= 0:
        place.invalid(value.min_domains, NOT_POSITIVE)
    if value.when_unsatisfiable != model.DO_NOT_SCHEDULE:
        why = f"can only use minDomains if whenUnsatisfiable={model.DO_NOT_SCHEDULE}, not {value.when_unsatisfiable}"
        place.invalid(value.min_domains, why)
