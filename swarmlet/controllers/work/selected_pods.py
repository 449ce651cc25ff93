"""The Pods that each object's selector covers, kept in step with the store, so that none is looked for among all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from swarmlet.errors import ExpiredError
from swarmlet.model import kinds, selectors
from swarmlet.model.meta import LabelSelector
from swarmlet.model.pod import Pod
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
        """Take note of how a Pod of the owner's namespace is now."""
        if stored is not None and self.selects(stored.object.metadata.labels):
            self.pods.add(key)
        else:
            self.pods.discard(key)


class SelectedPods:
    """By owner, a budget or a Service; its Pods are looked for once, and again when its selector has changed."""

    def __init__(self) -> None:
        self._covers: dict[Key, _Cover] = {}
        self._revision = -1

    def of(self, view: View, owner: Key, selector: LabelSelector | None) -> list[Pod]:
        """Return the Pods of the owner's namespace that `selector` selects, by name."""
        self._catch_up(view)
        cover = self._covers.get(owner)
        if cover is None or cover.selector != selector:
            cover = self._covers[owner] = _Cover(selector, selectors.from_labels(selector), set())
            for each in view.list(PODS, owner.namespace):
                cover.take(each.key, each)
        return [cast("Pod", found.object) for key in sorted(cover.pods) if (found := view.get(key))]

    def forget(self, owner: Key) -> None:
        """Drop what is known of an owner that is gone."""
        self._covers.pop(owner, None)

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
            for owner, cover in self._covers.items():
                if owner.namespace == change.key.namespace:
                    cover.take(change.key, change.new)
