"""The Pods that nobody manages, kept in step with the store, so that a ReplicaSet finds those it may adopt at once."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model import kinds, objects
from swarmlet.store import following
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

PODS = kinds.POD.resource


class Orphans:
    """Pods without a controller, by namespace."""

    def __init__(self) -> None:
        self._keys: dict[str, set[Key]] = {}
        self._revision = -1

    def of(self, view: View, namespace: str) -> Sequence[Stored]:
        """Return those of one namespace, by name."""
        self.catch_up(view)
        return [stored for key in sorted(self._keys.get(namespace, ())) if (stored := view.get(key))]

    def catch_up(self, view: View) -> None:
        """Take in what changed since the last call; called often, it never has to read everything."""
        self._revision = following.catch_up(view, PODS, self._revision, note=self._note, rebuild=self._rebuild)

    def _rebuild(self, view: View) -> None:
        self._keys.clear()
        for stored in view.list(PODS):
            self._note(stored.key, stored)

    def _note(self, key: Key, stored: Stored | None) -> None:
        if stored is not None and objects.controller_of(stored.object) is None:
            self._keys.setdefault(key.namespace, set()).add(key)
        elif key in self._keys.get(key.namespace, ()):
            self._keys[key.namespace].discard(key)
