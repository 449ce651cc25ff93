"""Which kinds there are: those that every daemon knows, and those that the state's CustomResourceDefinitions bring.

    catalogue = Catalogue(view)
    catalogue.find("cert-manager.io", "v1", "certificates")     # a Kind, None where it is not served

Nothing is kept but what was read of each definition at its revision, so an answer is as new as the view.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from swarmlet.model import custom, kinds
from swarmlet.model.apiextensions import NAMESPACED, CustomResourceDefinition
from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View

DEFINITIONS = kinds.CUSTOM_RESOURCE_DEFINITION.resource
DEFINITIONS_MAX = 1_024
"""In one cluster; further ones are not established."""

Versions = dict[str, CustomKind]

_BY_PLURAL = {(kind.group, kind.version, kind.plural): kind for kind in kinds.IN_API}
_NONE: Versions = {}


class Catalogue:
    """The kinds of one view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._read: dict[str, tuple[int, Versions]] = {}

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind that a path names."""
        static = _BY_PLURAL.get((group, version, plural))
        return static or self._versions(f"{plural}.{group}").get(version)

    def of_resource(self, resource: str) -> Kind | None:
        """Return the kind of a collection in the store, in its preferred version."""
        return kinds.BY_RESOURCE.get(resource) or next(iter(self._versions(resource).values()), None)

    def of_gvk(self, api_version: str, kind: str) -> Kind | None:
        """Return the kind that a document names."""
        static = kinds.BY_GVK.get((api_version, kind))
        if static is not None:
            return static
        return next((each for each in self.custom() if (each.api_version, each.kind) == (api_version, kind)), None)

    def custom(self) -> Iterator[CustomKind]:
        """Yield the kinds that users brought, by group and plural, each version."""
        definitions = self._view.list(DEFINITIONS)
        if len(self._read) > len(definitions) + DEFINITIONS_MAX:
            self._read.clear()
        for stored in definitions:
            yield from self._versions_of(stored).values()

    def stamp(self) -> tuple[tuple[str, int], ...]:
        """Return what changes when a kind comes, goes or becomes another."""
        return tuple((stored.key.name, stored.revision) for stored in self._view.list(DEFINITIONS))

    def _versions(self, name: str) -> Versions:
        stored = self._view.get(Key(DEFINITIONS, "", name))
        if stored is None:
            self._read.pop(name, None)
            return _NONE
        return self._versions_of(stored)

    def _versions_of(self, stored: Stored) -> Versions:
        known = self._read.get(stored.key.name)
        if known is None or known[0] != stored.revision:
            versions = custom.kinds_of(cast("CustomResourceDefinition", stored.object), stored.revision)
            known = self._read[stored.key.name] = (stored.revision, versions)
        return known[1]


def custom_resources(view: View, *, namespaced: bool | None = None) -> Iterator[str]:
    """Yield the collections of the kinds that users brought, those with namespaces, without, or all (None).

    A kind that is not served any more has its objects still.
    """
    for stored in view.list(DEFINITIONS):
        if namespaced is None or namespaced == _is_namespaced(stored):
            yield stored.key.name


def collection(view: View, api_version: str, kind: str) -> tuple[str, bool] | None:
    """Return where the objects of a user's kind are, and whether in namespaces; None for a kind that is not there."""
    group = api_version.rpartition("/")[0]
    for stored in view.list(DEFINITIONS):
        spec = cast("CustomResourceDefinition", stored.object).spec
        if (spec.group, spec.names.kind) == (group, kind):
            return stored.key.name, _is_namespaced(stored)
    return None


def _is_namespaced(stored: Stored) -> bool:
    return cast("CustomResourceDefinition", stored.object).spec.scope == NAMESPACED
