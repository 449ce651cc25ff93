"""Custom resources: objects of kinds that users bring, as documents, and what such a kind is.

A custom kind differs from those of `model.kinds` in where it comes from, and in nothing else that the rooms above
see: `kinds_of` makes it of a CustomResourceDefinition. Its objects are documents with typed metadata.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from swarmlet.model import apiextensions, kinds, structural
from swarmlet.model.apiextensions import (
    CustomResourceColumnDefinition,
    CustomResourceDefinition,
    CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale,
)
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Object
from swarmlet.model.schema import OwnFields

_VERSION = re.compile(r"v([1-9][0-9]{0,9})(?:(alpha|beta)([1-9][0-9]{0,9}))?")


class CustomResource(Object, frozen=True, kw_only=True):
    """An object of a custom kind. `content`: its document but for apiVersion, kind and metadata; never mutated."""

    content: dict[str, Any] = {}

    @property
    def document(self) -> dict[str, Any]:
        """The document that a schema is about: all of it but metadata."""
        return {"apiVersion": self.api_version, "kind": self.kind, **self.content}


ANY = Kind(CustomResource, plural="", singular="")
"""What is known of an object of which only the name of its collection is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomKind(Kind):
    """One version of a kind that a definition brings. `definition_revision` sets it apart from what it was before.

    `deprecation`: the warning that who uses this version is given, "" for none.
    """

    type: type[Object] = CustomResource
    defined_group: str
    defined_version: str
    defined_kind: str
    list_kind: str
    stored_version: str
    definition_revision: int
    is_ending: bool
    deprecation: str
    version_of: CustomResourceDefinitionVersion = field(compare=False)

    @property
    def kind(self) -> str:
        return self.defined_kind

    @property
    def api_version(self) -> str:
        return f"{self.defined_group}/{self.defined_version}"

    @property
    def stored_api_version(self) -> str:
        """The apiVersion that the store keeps objects under, whatever version they are read and written in."""
        return f"{self.defined_group}/{self.stored_version}"

    @property
    def schema(self) -> Mapping[str, Any]:
        """The structural schema of an object."""
        version = self.version_of
        return (version.schema.open_api_v3_schema if version.schema else None) or {}

    @property
    def scale(self) -> CustomResourceSubresourceScale | None:
        """Where the numbers of replicas are, of a kind that has `/scale`."""
        subresources = self.version_of.subresources
        return subresources.scale if subresources else None

    @property
    def columns(self) -> tuple[CustomResourceColumnDefinition, ...]:
        """What `kubectl get` prints beside the name."""
        return self.version_of.additional_printer_columns

    @property
    def list_name(self) -> str:
        return self.list_kind

    @property
    def own_definition(self) -> OwnFields:
        return _definition(self)


def kinds_of(definition: CustomResourceDefinition, revision: int) -> dict[str, CustomKind]:
    """Return the kinds that an established definition serves, by version, in the order of preference."""
    if not apiextensions.holds(definition, apiextensions.ESTABLISHED):
        return {}
    names = definition.status.accepted_names or definition.spec.names
    served = [version for version in definition.spec.versions if version.served]
    return {
        version.name: CustomKind(
            plural=names.plural,
            singular=names.singular,
            short_names=names.short_names,
            namespaced=definition.spec.scope == apiextensions.NAMESPACED,
            categories=names.categories,
            subresources=_subresources(version),
            defined_group=definition.spec.group,
            defined_version=version.name,
            defined_kind=names.kind,
            list_kind=names.list_kind or f"{names.kind}List",
            stored_version=apiextensions.storage_version(definition),
            definition_revision=revision,
            is_ending=definition.metadata.deletion_timestamp is not None,
            deprecation=_deprecation(definition, version, served),
            version_of=version,
        )
        for version in sorted(served, key=lambda version: priority(version.name), reverse=True)
    }


def _deprecation(
    definition: CustomResourceDefinition,
    version: CustomResourceDefinitionVersion,
    served: Sequence[CustomResourceDefinitionVersion],
) -> str:
    """Return what is said of a version that will go: what its definition says, or which one is to be used."""
    if not version.deprecated or version.deprecation_warning:
        return version.deprecation_warning if version.deprecated else ""
    group, kind = definition.spec.group, definition.spec.names.kind
    better = [each.name for each in served if not each.deprecated and priority(each.name) > priority(version.name)]
    instead = f"; use {group}/{max(better, key=priority)} {kind}" if better else ""
    return f"{group}/{version.name} {kind} is deprecated{instead}"


def is_custom(resource: str) -> bool:
    """Whether a collection is of a kind that users brought: of none that daemons know by themselves."""
    return resource not in kinds.BY_RESOURCE and not resource.endswith(kinds.INTERNAL_GROUP)


def priority(version: str) -> tuple[int, int, int, str]:
    """Return what versions are sorted by: v2 before v1, stable ones before betas, betas before alphas, others last.

    Source: k8s.io/apimachinery/pkg/version (CompareKubeAwareVersionStrings).
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        return 0, 0, 0, "".join(chr(0x10FFFF - ord(letter)) for letter in version)
    major, stage, minor = match.groups()
    return {None: 3, "beta": 2, "alpha": 1}[stage], int(major), int(minor or 0), ""


@functools.lru_cache(maxsize=256)
def _definition(kind: CustomKind) -> OwnFields:
    name = ".".join((*reversed(kind.group.split(".")), kind.version, kind.kind))
    return structural.definition_of_object(name, kind.schema)


def _subresources(version: CustomResourceDefinitionVersion) -> tuple[str, ...]:
    given = version.subresources
    if given is None:
        return ()
    has = {"status": given.status is not None, "scale": given.scale is not None}
    return tuple(name for name, there in has.items() if there)


def storage_form(kind: Kind, value: Object) -> Object:
    """Return an object in the version in which the store keeps it."""
    if not isinstance(kind, CustomKind) or value.api_version == kind.stored_api_version:
        return value
    return msgspec.structs.replace(value, api_version=kind.stored_api_version)
