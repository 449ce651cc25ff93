"""One resource's objects, in order, and the indexes that find objects without looking through all of them."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored


class Table:
    """The objects of one resource by namespace and name. Names are kept sorted, so a list only joins."""

    def __init__(self) -> None:
        self._namespaces: dict[str, dict[str, Stored]] = {}
        self._names: dict[str, list[str]] = {}
        self._order: list[str] = []
        self._listed: list[Stored] | None = None
        """All of them, once they have been listed and while nothing changes: pages of one list ask again and again."""

    def copy(self) -> Table:
        """Return another table of the same objects."""
        twin = Table()
        twin._namespaces = {name: dict(objects) for name, objects in self._namespaces.items()}
        twin._names = {name: list(names) for name, names in self._names.items()}
        twin._order = list(self._order)
        return twin

    def get(self, key: Key) -> Stored | None:
        """Return one object."""
        return self._namespaces.get(key.namespace, {}).get(key.name)

    def put(self, stored: Stored) -> None:
        """Add or replace an object."""
        self._listed = None
        namespace, name = stored.key.namespace, stored.key.name
        objects = self._namespaces.get(namespace)
        if objects is None:
            objects = self._namespaces[namespace] = {}
            self._names[namespace] = []
            bisect.insort(self._order, namespace)
        if name not in objects:
            bisect.insort(self._names[namespace], name)
        objects[name] = stored

    def remove(self, key: Key) -> None:
        """Remove an object that is there."""
        self._listed = None
        names = self._names[key.namespace]
        del self._namespaces[key.namespace][key.name]
        del names[bisect.bisect_left(names, key.name)]
        if not names:
            del self._namespaces[key.namespace], self._names[key.namespace]
            self._order.remove(key.namespace)

    def objects(self, namespace: str) -> list[Stored]:
        """Return the objects of one namespace, or of all (""), sorted by namespace and name."""
        if namespace:
            return list(self._in(namespace))
        if self._listed is None:
            self._listed = [stored for each in self._order for stored in self._in(each)]
        return self._listed.copy()

    def _in(self, namespace: str) -> Iterator[Stored]:
        return map(self._namespaces.get(namespace, {}).__getitem__, self._names.get(namespace, ()))


class Index:
    """Objects by a word that each may bear several of: an owner's uid, a node's name."""

    def __init__(self) -> None:
        self._by_word: dict[str, dict[Key, Stored]] = {}

    def copy(self) -> Index:
        """Return another index of the same objects."""
        twin = Index()
        twin._by_word = {word: dict(found) for word, found in self._by_word.items()}
        return twin

    def get(self, word: str) -> list[Stored]:
        """Return the objects that bear `word`, sorted by key."""
        found = self._by_word.get(word, {})
        return [found[key] for key in sorted(found)]

    def move(
        self, old: Stored | None, old_words: tuple[str, ...], new: Stored | None, new_words: tuple[str, ...]
    ) -> None:
        """Replace `old` under its words by `new` under its own; either may be None, with no words."""
        for word in old_words:
            if old is not None and word not in new_words:
                self._drop(word, old.key)
        for word in new_words:
            if new is not None:
                self._by_word.setdefault(word, {})[new.key] = new

    def size(self) -> int:
        """Return the number of entries."""
        return sum(map(len, self._by_word.values()))

    def _drop(self, word: str, key: Key) -> None:
        found = self._by_word[word]
        del found[key]
        if not found:
            del self._by_word[word]
