"""apiextensions.k8s.io/v1: the definitions by which users bring kinds of their own.

Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1/types.go and defaults.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from swarmlet.model.base import ApiStruct, always
from swarmlet.model.meta import Condition, Object

NAMESPACED = "Namespaced"
CLUSTER = "Cluster"
NO_CONVERSION = "None"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition until the objects of its kind are gone."""

ESTABLISHED = "Established"
NAMES_ACCEPTED = "NamesAccepted"
TERMINATING = "Terminating"
NON_STRUCTURAL = "NonStructuralSchema"

Schema = dict[str, Any]
"""A JSONSchemaProps document, kept as it was given: `model.structural` reads it."""


class CustomResourceDefinitionNames(ApiStruct, frozen=True, kw_only=True):
    plural: str
    kind: str
    singular: str = ""
    short_names: tuple[str, ...] = ()
    list_kind: str = ""
    categories: tuple[str, ...] = ()


class CustomResourceColumnDefinition(ApiStruct, frozen=True, kw_only=True):
    name: str
    type: str
    json_path: str
    format: str = ""
    description: str = ""
    priority: int = 0


class CustomResourceSubresourceScale(ApiStruct, frozen=True, kw_only=True):
    spec_replicas_path: str
    status_replicas_path: str
    label_selector_path: str = ""


class CustomResourceSubresources(ApiStruct, frozen=True, kw_only=True):
    status: dict[str, Any] | None = None
    scale: CustomResourceSubresourceScale | None = None


class CustomResourceValidation(ApiStruct, frozen=True, kw_only=True):
    open_api_v3_schema: Schema | None = msgspec.field(name="openAPIV3Schema", default=None)


class SelectableField(ApiStruct, frozen=True, kw_only=True):
    json_path: str


class CustomResourceDefinitionVersion(ApiStruct, frozen=True, kw_only=True):
    """`served` and `storage` have no default in Kubernetes, and are always on the wire."""

    name: str
    served: bool
    storage: bool
    deprecated: bool = False
    deprecation_warning: str = ""
    schema: CustomResourceValidation | None = None
    subresources: CustomResourceSubresources | None = None
    additional_printer_columns: tuple[CustomResourceColumnDefinition, ...] = ()
    selectable_fields: tuple[SelectableField, ...] = ()


class CustomResourceConversion(ApiStruct, frozen=True, kw_only=True):
    strategy: str
    webhook: dict[str, Any] | None = None


class CustomResourceDefinitionSpec(ApiStruct, frozen=True, kw_only=True):
    group: str
    names: CustomResourceDefinitionNames
    scope: str
    versions: tuple[CustomResourceDefinitionVersion, ...]
    conversion: CustomResourceConversion | None = None
    preserve_unknown_fields: bool = False


class CustomResourceDefinitionStatus(ApiStruct, frozen=True, kw_only=True):
    conditions: tuple[Condition, ...] = ()
    accepted_names: CustomResourceDefinitionNames | None = None
    stored_versions: tuple[str, ...] = ()


class CustomResourceDefinition(Object, frozen=True, kw_only=True):
    api_version: str = always("apiextensions.k8s.io/v1")
    kind: str = always("CustomResourceDefinition")
    spec: CustomResourceDefinitionSpec = CustomResourceDefinitionSpec(
        group="", names=CustomResourceDefinitionNames(plural="", kind=""), scope="", versions=()
    )
    status: CustomResourceDefinitionStatus = CustomResourceDefinitionStatus()


def storage_version(definition: CustomResourceDefinition) -> str:
    """Return the version in which objects of a kind are stored, "" where none is marked."""
    return next((version.name for version in definition.spec.versions if version.storage), "")


def holds(definition: CustomResourceDefinition, condition: str) -> bool:
    """Whether a condition of a definition is true."""
    return any(each.type == condition and each.status == "True" for each in definition.status.conditions)


def filled(value: CustomResourceDefinition) -> CustomResourceDefinition:
    """Return a definition with what a user need not say. Source: SetDefaults_CustomResourceDefinitionSpec."""
    names = value.spec.names
    complete = msgspec.structs.replace(
        names,
        singular=names.singular or names.kind.lower(),
        list_kind=names.list_kind or (f"{names.kind}List" if names.kind else ""),
    )
    conversion = value.spec.conversion or CustomResourceConversion(strategy=NO_CONVERSION)
    return msgspec.structs.replace(
        value, spec=msgspec.structs.replace(value.spec, names=complete, conversion=conversion)
    )
