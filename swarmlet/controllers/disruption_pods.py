"""The Pods that each disruption budget covers, kept in step with the store, so that none is looked for among all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from swarmlet.errors import ExpiredError
from swarmlet.model import kinds, selectors
from swarmlet.model.meta import LabelSelector
from swarmlet.model.pod import Pod
from swarmlet.model.policy import PodDisruptionBudget
from swarmlet.model.selectors import LabelPredicate
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

PODS = kinds.POD.resource


@dataclass(frozen=True, slots=True)
class _Cover:
    selector: LabelSelector | None
    selects: LabelPredicate
    pods: set[Key]

    def take(self, key: Key, stored: Stored | None) -> None:
        """Take note of how a Pod of the budget's namespace is now."""
        if stored is not None and self.selects(stored.object.metadata.labels):
            self.pods.add(key)
        else:
            self.pods.discard(key)


class CoveredPods:
    """By budget; a budget's Pods are looked for once, and again when its selector has changed."""

    def __init__(self) -> None:
        self._covers: dict[Key, _Cover] = {}
        self._revision = -1

    def of(self, view: View, stored: Stored) -> list[Pod]:
        """Return a budget's Pods, by name."""
        self._catch_up(view)
        selector = cast("PodDisruptionBudget", stored.object).spec.selector
        cover = self._covers.get(stored.key)
        if cover is None or cover.selector != selector:
            cover = self._covers[stored.key] = _Cover(selector, selectors.from_labels(selector), set())
            for each in view.list(PODS, stored.key.namespace):
                cover.take(each.key, each)
        return [cast("Pod", found.object) for key in sorted(cover.pods) if (found := view.get(key))]

    def forget(self, budget: Key) -> None:
        """Drop what is known of a budget that is gone."""
        self._covers.pop(budget, None)

    def _catch_up(self, view: View) -> None:
        try:
            if not 0 <= self._revision <= view.revision:
                self._covers.clear()
            elif self._covers:
                self._take_changes(view)
        except ExpiredError:
            self._covers.clear()
        self._revision = view.revision

    def _take_changes(self, view: View) -> None:
        for change in view.changes_since(PODS, self._revision):
            for budget, cover in self._covers.items():
                if budget.namespace == change.key.namespace:
                    cover.take(change.key, change.new)
