"""What kinds the server has, by all the names that people call them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from swarmlet.errors import CallerError

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class UnknownTypeError(CallerError):
    """The server has no kind of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind that the server has, and where its objects are."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """The singular with its group, as in "deployment.apps": what is printed before "/web"."""
        return f"{self.singular}.{self.group}" if self.group else self.singular

    @property
    def full_plural(self) -> str:
        """The plural with its group, as in "deployments.apps": what errors name."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of the collection, of one object, or of a part of it; "" is every namespace."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, name, subresource]
        return "/" + "/".join(quote(part, safe="") for part in parts if part)


class Catalogue:
    """All kinds of the server."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = tuple(resources)
        self._by_name: dict[str, Resource] = {}
        for resource in self.resources:
            for name in (resource.plural, resource.singular, resource.kind.lower(), *resource.short_names):
                self._by_name.setdefault(name, resource)

    def find(self, name: str) -> Resource:
        """Return the kind by its plural, singular or short name, with or without ".group" or ".version.group"."""
        word = name.lower()
        if found := self._by_name.get(word):
            return found
        plural, _, rest = word.partition(".")
        for resource in self.resources:
            qualified = {resource.group, f"{resource.version}.{resource.group}"}
            if rest in qualified and plural in (resource.plural, resource.singular, *resource.short_names):
                return resource
        raise UnknownTypeError(f'the server has no resource type "{name}"' + self._suggestion(word))

    @property
    def preferred(self) -> tuple[Resource, ...]:
        """Each kind once: of a group's versions the first that has it."""
        found: dict[tuple[str, str], Resource] = {}
        for resource in self.resources:
            found.setdefault((resource.group, resource.plural), resource)
        return tuple(found.values())

    def find_all(self, words: str) -> list[Resource]:
        """Return the kinds of a comma list, each word a name or a category such as "all"; each kind once."""
        found: dict[Resource, None] = {}
        for word in words.split(","):
            members = [resource for resource in self.preferred if word.lower() in resource.categories]
            found.update(dict.fromkeys(members or [self.find(word)]))
        return list(found)

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the kind that a manifest's apiVersion and kind name."""
        matches = (each for each in self.resources if each.api_version == api_version and each.kind == kind)
        return next(matches, None)

    def _suggestion(self, word: str) -> str:
        near = difflib.get_close_matches(word, self._by_name, n=3)
        names = dict.fromkeys(self._by_name[name].plural for name in near)
        if not names:
            return "; `swarmlet api-resources` lists them, and an object is named TYPE/NAME"
        return f"; did you mean {' or '.join(names)}?"


def from_aggregated(document: Mapping[str, Any]) -> list[Resource]:
    """Return the kinds of an APIGroupDiscoveryList; of a group's versions the first is the preferred."""
    found = []
    for group in document.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():
            found += [
                _resource(
                    name,
                    version["version"],
                    plural=entry["resource"],
                    kind=(entry.get("responseKind") or {}).get("kind") or "",
                    singular=entry.get("singularResource") or "",
                    namespaced=entry.get("scope") == "Namespaced",
                    entry=entry,
                )
                for entry in version.get("resources") or ()
            ]
    return found


def from_resource_list(document: Mapping[str, Any]) -> list[Resource]:
    """Return the kinds of an APIResourceList, each with its subresources, which stand there beside it."""
    group, _, version = str(document.get("groupVersion") or "v1").rpartition("/")
    paths = [entry["name"].partition("/") for entry in document.get("resources") or () if "/" in entry["name"]]
    return [
        _resource(
            group,
            version,
            plural=entry["name"],
            kind=entry.get("kind") or "",
            singular=entry.get("singularName") or "",
            namespaced=bool(entry.get("namespaced")),
            entry=entry | {"subresources": [{"subresource": part} for name, _, part in paths if name == entry["name"]]},
        )
        for entry in document.get("resources") or ()
        if "/" not in entry["name"]
    ]


def _resource(
    group: str, version: str, *, plural: str, kind: str, singular: str, namespaced: bool, entry: Mapping[str, Any]
) -> Resource:
    return Resource(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        singular=singular or kind.lower(),
        namespaced=namespaced,
        verbs=frozenset(entry.get("verbs") or ()),
        short_names=tuple(entry.get("shortNames") or ()),
        categories=tuple(entry.get("categories") or ()),
        subresources=frozenset(each["subresource"] for each in entry.get("subresources") or ()),
    )
