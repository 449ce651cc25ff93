"""What a Pod asks of the Pods around it, in a form that can be compared and counted by.

Its affinity and spread constraints become terms: which Pods each is about, and the label that makes the domains.
`matchLabelKeys` have become plain requirements, as the API server of Kubernetes does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from swarmlet.model import topology
from swarmlet.model.affinity import PodAffinityTerm, WeightedPodAffinityTerm
from swarmlet.model.meta import LabelSelector
from swarmlet.model.pod import Pod

Requirement = tuple[str, str, frozenset[str]]
"""A label's key, an operator, the values."""
Requirements = tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which Pods a term is about: by their labels, and by their namespace's name or labels.

    `labels` None selects no Pod, `namespace_labels` None no namespace; empty they select all.
    """

    labels: Requirements | None
    namespaces: frozenset[str]
    namespace_labels: Requirements | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A selection of Pods, and the domains around them."""

    topology_key: str
    pods: Selection


@dataclass(frozen=True, slots=True)
class Spread:
    """How evenly the Pods of a selection are to lie over the domains."""

    term: Term
    max_skew: int
    hard: bool
    min_domains: int = 1
    honors_affinity: bool = True
    honors_taints: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """All that one Pod asks of others. The weights of `preferred` are below zero where it would rather be away."""

    together: tuple[Term, ...] = ()
    apart: tuple[Term, ...] = ()
    preferred: tuple[tuple[int, Term], ...] = ()
    spread: tuple[Spread, ...] = ()

    def selections(self) -> Iterator[Selection]:
        """Yield what its terms are about."""
        yield from (term.pods for term in (*self.together, *self.apart))
        yield from (term.pods for _, term in self.preferred)
        yield from (each.term.pods for each in self.spread)

    def label_keys(self) -> Iterator[str]:
        """Yield the labels of Pods that its terms look at."""
        for selection in self.selections():
            yield from (key for key, _, _ in selection.labels or ())


NONE = Wishes()


def of(pod: Pod) -> Wishes:
    """Return what a Pod asks of others."""
    affinity, constraints = pod.spec.affinity, pod.spec.topology_spread_constraints
    beside, away = (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity else (None, None)
    if not (beside or away or constraints):
        return NONE
    return Wishes(
        together=tuple(_term(each, pod) for each in beside.required) if beside else (),
        apart=tuple(_term(each, pod) for each in away.required) if away else (),
        preferred=(
            *(_weighted(each, pod, 1) for each in (beside.preferred if beside else ())),
            *(_weighted(each, pod, -1) for each in (away.preferred if away else ())),
        ),
        spread=tuple(_spread(each, pod) for each in constraints),
    )


def requirements(selector: LabelSelector) -> Requirements:
    """Return a selector's requirements in one order, so that equal ones compare equal."""
    labels = [(key, "In", frozenset({value})) for key, value in selector.match_labels.items()]
    others = [(each.key, each.operator, frozenset(each.values)) for each in selector.match_expressions]
    return tuple(sorted({*labels, *others}, key=_order))


def holds(wanted: Requirements, labels: Mapping[str, str]) -> bool:
    """Whether all requirements hold of some labels."""
    for key, operator, values in wanted:
        if operator == "In":
            if labels.get(key) not in values:
                return False
        elif operator == "NotIn":
            if labels.get(key) in values:
                return False
        elif (key in labels) is not (operator == "Exists"):
            return False
    return True


def _order(requirement: Requirement) -> tuple[str, str, list[str]]:
    return requirement[0], requirement[1], sorted(requirement[2])


def _term(term: PodAffinityTerm, pod: Pod) -> Term:
    own = [
        *_own_values(term.match_label_keys, "In", pod),
        *_own_values(term.mismatch_label_keys, "NotIn", pod),
    ]
    spaces = None if term.namespace_selector is None else requirements(term.namespace_selector)
    named = frozenset(term.namespaces)
    if not named and spaces is None:
        named = frozenset({pod.metadata.namespace})
    return Term(term.topology_key, Selection(_with(term.label_selector, own), named, spaces))


def _weighted(weighted: WeightedPodAffinityTerm, pod: Pod, sign: int) -> tuple[int, Term]:
    return sign * weighted.weight, _term(weighted.pod_affinity_term, pod)


def _spread(constraint: topology.TopologySpreadConstraint, pod: Pod) -> Spread:
    labels = _with(constraint.label_selector, _own_values(constraint.match_label_keys, "In", pod))
    return Spread(
        Term(constraint.topology_key, Selection(labels, frozenset({pod.metadata.namespace}))),
        max_skew=constraint.max_skew,
        hard=constraint.when_unsatisfiable == topology.DO_NOT_SCHEDULE,
        min_domains=constraint.min_domains or 1,
        honors_affinity=constraint.node_affinity_policy != topology.IGNORE,
        honors_taints=constraint.node_taints_policy == topology.HONOR,
    )


def _own_values(keys: Iterable[str], operator: str, pod: Pod) -> list[Requirement]:
    labels = pod.metadata.labels
    return [(key, operator, frozenset({labels[key]})) for key in keys if key in labels]


def _with(selector: LabelSelector | None, added: Iterable[Requirement]) -> Requirements | None:
    if selector is None:
        return None
    return tuple(sorted({*requirements(selector), *added}, key=_order))
