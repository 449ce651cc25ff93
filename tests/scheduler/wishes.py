"""The words of a scenario that say what a Pod asks of nodes' labels and of other Pods; `board` lists them."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.model import affinity as model
from swarmlet.model.meta import LabelSelector
from swarmlet.model.topology import TopologySpreadConstraint


def affinity_of(values: Mapping[str, str]) -> model.Affinity | None:
    """Return the affinity that the words make."""
    node = model.on_node(values["on"]).node_affinity if "on" in values else None
    preferred = tuple(
        model.PreferredSchedulingTerm(weight=weight, preference=_has(key.removeprefix("prefer."), value))
        for key, text in values.items()
        if key.startswith("prefer.")
        for value, weight in [_weighed(text)]
    )
    if preferred:
        node = model.NodeAffinity(required=node.required if node else None, preferred=preferred)
    beside, apart = _terms("beside", values), _terms("apart", values)
    if not (node or any(beside) or any(apart)):
        return None
    return model.Affinity(
        node_affinity=node,
        pod_affinity=model.PodAffinity(required=beside[0], preferred=beside[1]),
        pod_anti_affinity=model.PodAntiAffinity(required=apart[0], preferred=apart[1]),
    )


def spread_of(values: Mapping[str, str]) -> tuple[TopologySpreadConstraint, ...]:
    """Return the spread constraints that the words make."""
    found = []
    for name, action in (("spread", "DoNotSchedule"), ("spread~", "ScheduleAnyway")):
        if name in values:
            text, skew, *least = values[name].split(":")
            term = term_of(text, values)
            found.append(
                TopologySpreadConstraint(
                    max_skew=int(skew),
                    topology_key=term.topology_key,
                    when_unsatisfiable=action,
                    label_selector=term.label_selector,
                    match_label_keys=term.match_label_keys,
                    min_domains=int(least[0]) if least else None,
                )
            )
    return tuple(found)


def term_of(text: str, values: Mapping[str, str]) -> model.PodAffinityTerm:
    """Return the term of "KEY/K=V" or "KEY/K=V/NAMESPACES"."""
    key, label, *spaces = text.split("/")
    return model.PodAffinityTerm(
        topology_key=key,
        label_selector=_selector(label),
        namespace_selector=_selector(spaces[0]) if spaces else None,
        match_label_keys=(values["match"],) if "match" in values else (),
    )


def _terms(
    name: str, values: Mapping[str, str]
) -> tuple[tuple[model.PodAffinityTerm, ...], tuple[model.WeightedPodAffinityTerm, ...]]:
    required = tuple(term_of(text, values) for text in _of(name, values))
    weighed = [_weighed(text) for text in _of(f"{name}~", values)]
    return required, tuple(
        model.WeightedPodAffinityTerm(weight=weight, pod_affinity_term=term_of(text, values))
        for text, weight in weighed
    )


def _of(name: str, values: Mapping[str, str]) -> list[str]:
    return values[name].split(",") if name in values else []


def _selector(text: str) -> LabelSelector:
    key, _, value = text.partition("=")
    return LabelSelector(match_labels={} if key == "*" else {key: value})


def _has(key: str, value: str) -> model.NodeSelectorTerm:
    requirement = model.NodeSelectorRequirement(key=key, operator="In", values=(value,))
    return model.NodeSelectorTerm(match_expressions=(requirement,))


def _weighed(text: str) -> tuple[str, int]:
    words, _, weight = text.rpartition(":")
    return words, int(weight)
