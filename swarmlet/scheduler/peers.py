"""Which Pods lie where, counted so that a term's Pods are found without looking at others'.

Bound Pods are counted by namespace, labels and node: those of one ReplicaSet are one cohort. What a term selects is a
list of cohorts, found once and then kept up to date. The terms that bound Pods hold themselves are counted by node
too, and found by a label that they ask for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from swarmlet.scheduler import terms
from swarmlet.scheduler.demand import Demand
from swarmlet.scheduler.terms import Requirements, Selection, Term

SELECTIONS_KEPT_MAX = 512
"""Of one namespace: what the cohorts that match are remembered of."""
EVERY_NAMESPACE = ""
ANY_LABEL = ("", "")

Labels = tuple[tuple[str, str], ...]
Bond = Literal["together", "apart", "preferred"]


@dataclass(slots=True)
class Cohort:
    """Pods with the same labels, by node; `leaving`: they are about to go."""

    namespace: str
    labels: Mapping[str, str]
    leaving: bool
    nodes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """A term of Pods that are bound; the weight of a preferred one is below zero where they would rather be away."""

    bond: Bond
    term: Term
    weight: int = 0


class Peers:
    """The bound Pods, the terms that they hold, and the namespaces' labels."""

    def __init__(self) -> None:
        self._cohorts: dict[str, dict[tuple[Labels, bool], Cohort]] = {}
        self._selected: dict[str, dict[Requirements, list[Cohort]]] = {}
        self._held: dict[Held, dict[str, int]] = {}
        self._held_by_label: dict[tuple[str, tuple[str, str]], dict[Held, None]] = {}
        self._label_keys: Counter[str] = Counter()
        self._namespaces: dict[str, Mapping[str, str]] = {}

    @property
    def has_held(self) -> bool:
        """Whether any bound Pod holds a term."""
        return bool(self._held)

    @property
    def label_keys(self) -> Iterable[str]:
        """The labels of Pods that the held terms look at."""
        return self._label_keys.keys()

    def know_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """Take in a namespace's labels; None where it is gone."""
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels

    def add(self, node: str, demand: Demand) -> None:
        """Count a Pod on its node."""
        cohorts = self._cohorts.setdefault(demand.namespace, {})
        identity = demand.labels, demand.leaving
        cohort = cohorts.get(identity)
        if cohort is None:
            cohort = cohorts[identity] = Cohort(demand.namespace, dict(demand.labels), demand.leaving)
            for wanted, selected in self._selected.get(demand.namespace, {}).items():
                if terms.holds(wanted, cohort.labels):
                    selected.append(cohort)
        cohort.nodes[node] = cohort.nodes.get(node, 0) + 1
        for held in bonds(demand):
            nodes = self._hold(held)
            nodes[node] = nodes.get(node, 0) + 1

    def remove(self, node: str, demand: Demand) -> None:
        """Take back what `add` counted."""
        cohorts = self._cohorts[demand.namespace]
        cohort = cohorts[demand.labels, demand.leaving]
        _take_one(cohort.nodes, node)
        if not cohort.nodes:
            del cohorts[demand.labels, demand.leaving]
            for wanted, selected in self._selected.get(demand.namespace, {}).items():
                if terms.holds(wanted, cohort.labels):
                    selected.remove(cohort)
        for held in bonds(demand):
            _take_one(self._held[held], node)
            if not self._held[held]:
                self._release(held)

    def count(self, selections: Iterable[Selection], *, staying: bool = False) -> Mapping[str, int]:
        """Return how many Pods that all of `selections` select there are on each node that has some.

        `staying`: without those that are about to go.
        """
        first, *others = selections
        found: dict[str, int] = {}
        for cohort in self._cohorts_of(first):
            if staying and cohort.leaving:
                continue
            if all(self.selects(each, cohort.namespace, cohort.labels) for each in others):
                for node, count in cohort.nodes.items():
                    found[node] = found.get(node, 0) + count
        return found

    def selects(self, selection: Selection, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a Pod of these labels is one of a selection."""
        if selection.labels is None or not terms.holds(selection.labels, labels):
            return False
        if namespace in selection.namespaces:
            return True
        wanted = selection.namespace_labels
        return wanted is not None and terms.holds(wanted, self._namespaces.get(namespace, {}))

    def about(self, demand: Demand) -> Iterator[tuple[Held, Mapping[str, int]]]:
        """Yield the held terms that select a Pod, each with how many Pods hold it by node."""
        if not self._held:
            return
        labels = dict(demand.labels)
        for namespace in (demand.namespace, EVERY_NAMESPACE):
            for label in (ANY_LABEL, *demand.labels):
                for held in self._held_by_label.get((namespace, label), ()):
                    if self.selects(held.term.pods, demand.namespace, labels):
                        yield held, self._held[held]

    def _cohorts_of(self, selection: Selection) -> Iterator[Cohort]:
        if selection.labels is None:
            return
        for namespace in self._namespaces_of(selection):
            kept = self._selected.setdefault(namespace, {})
            found = kept.get(selection.labels)
            if found is None:
                if len(kept) >= SELECTIONS_KEPT_MAX:
                    kept.clear()
                cohorts = self._cohorts.get(namespace, {}).values()
                found = kept[selection.labels] = [
                    each for each in cohorts if terms.holds(selection.labels, each.labels)
                ]
            yield from found

    def _namespaces_of(self, selection: Selection) -> Iterable[str]:
        wanted = selection.namespace_labels
        if wanted is None:
            return sorted(selection.namespaces)
        every = self._cohorts if not wanted else self._namespaces
        selected = {name for name in every if terms.holds(wanted, self._namespaces.get(name, {}))}
        return sorted(selection.namespaces | selected)

    def _hold(self, held: Held) -> dict[str, int]:
        nodes = self._held.get(held)
        if nodes is None:
            nodes = self._held[held] = {}
            for place in _places(held):
                self._held_by_label.setdefault(place, {})[held] = None
            self._label_keys.update(key for key, _, _ in held.term.pods.labels or ())
        return nodes

    def _release(self, held: Held) -> None:
        del self._held[held]
        for place in _places(held):
            del self._held_by_label[place][held]
            if not self._held_by_label[place]:
                del self._held_by_label[place]
        self._label_keys.subtract(key for key, _, _ in held.term.pods.labels or ())
        self._label_keys = +self._label_keys


def bonds(demand: Demand) -> Iterator[Held]:
    """Yield the terms that a Pod holds once it is bound: all but its spread, which concerns nobody else."""
    wishes = demand.wishes
    if wishes is terms.NONE:
        return
    yield from (Held("together", term) for term in wishes.together)
    yield from (Held("apart", term) for term in wishes.apart)
    yield from (Held("preferred", term, weight) for weight, term in wishes.preferred)


def _places(held: Held) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield where a held term is looked up: by namespace, and by one label that its Pods must have."""
    pods = held.term.pods
    if pods.labels is None:
        return
    sure = ((key, next(iter(values))) for key, operator, values in pods.labels if operator == "In" and len(values) == 1)
    label = next(sure, ANY_LABEL)
    if pods.namespace_labels is not None:
        yield EVERY_NAMESPACE, label
    else:
        yield from ((namespace, label) for namespace in pods.namespaces)


def _take_one(counts: dict[str, int], node: str) -> None:
    counts[node] -= 1
    if not counts[node]:
        del counts[node]
