"""Rules of CustomResourceDefinitions.

Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swarmlet.model import apiextensions, json_path, kinds, syntax
from swarmlet.model.apiextensions import (
    CustomResourceDefinition,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
)
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import structural, structural_rules
from swarmlet.model.rules.meta import IMMUTABLE

VERSIONS_MAX = 64
COLUMNS_MAX = 64
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
SELECTABLE_MAX = 8
PROTECTED = (".k8s.io", ".kubernetes.io")
APPROVAL = "api-approved.kubernetes.io"
APPROVAL_TOLD = "https://github.com/kubernetes/enhancements/pull/1111"
NOT_SUPPORTED = "not supported by swarmlet yet"


def custom_resource_definition(value: CustomResourceDefinition, problems: Problems) -> None:
    """Check a whole definition."""
    spec, place = value.spec, problems.at("spec")
    expected = f"{spec.names.plural}.{spec.group}"
    if spec.names.plural and spec.group and value.metadata.name != expected:
        problems.at("metadata").field("name").invalid(value.metadata.name, 'must be spec.names.plural+"."+spec.group')
    _group(spec.group, place.field("group"))
    if spec.group.endswith(PROTECTED) and not value.metadata.annotations.get(APPROVAL):
        why = f'protected groups must have approval annotation "{APPROVAL}", see {APPROVAL_TOLD}'
        problems.at("metadata").field("annotations").key(APPROVAL).required(why)
    place.field("scope").one_of(spec.scope, (apiextensions.CLUSTER, apiextensions.NAMESPACED))
    _names(spec, place.field("names"))
    _versions(spec.versions, place.field("versions"))
    if spec.conversion and spec.conversion.strategy != apiextensions.NO_CONVERSION:
        strategy = place.field("conversion").field("strategy")
        if spec.conversion.strategy == "Webhook":
            strategy.forbidden(NOT_SUPPORTED)
        else:
            strategy.unsupported(spec.conversion.strategy, (apiextensions.NO_CONVERSION, "Webhook"))
    if spec.preserve_unknown_fields:
        place.field("preserveUnknownFields").invalid(True, "must be false")
    names = [version.name for version in spec.versions]
    for below, stored in problems.at("status").field("storedVersions").each(value.status.stored_versions):
        if stored not in names:
            below.invalid(stored, _missing(stored))


def custom_resource_definition_update(
    new: CustomResourceDefinition, old: CustomResourceDefinition, problems: Problems
) -> None:
    """Check what may not change: where the objects are, and once they may be there, what they are."""
    spec, before, place = new.spec, old.spec, problems.at("spec")
    if spec.group != before.group:
        place.field("group").invalid(spec.group, IMMUTABLE)
    if spec.names.plural != before.names.plural:
        place.field("names").field("plural").invalid(spec.names.plural, IMMUTABLE)
    if apiextensions.holds(old, apiextensions.ESTABLISHED):
        if spec.scope != before.scope:
            place.field("scope").invalid(spec.scope, IMMUTABLE)
        if spec.names.kind != before.names.kind:
            place.field("names").field("kind").invalid(spec.names.kind, IMMUTABLE)


def warnings(value: CustomResourceDefinition) -> Iterator[str]:
    """Yield what a definition asks for that is kept and not kept to, a line each."""
    for number, version in enumerate(value.spec.versions):
        schema = version.schema.open_api_v3_schema if version.schema else None
        if schema:
            path = f"spec.versions[{number}].schema.openAPIV3Schema"
            yield from (f'unknown field "{each}"' for each in structural.unknown_fields(schema, path))


def _missing(version: str) -> str:
    return (
        f"missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions "
        f"until a storage migration ensures no data remains persisted in {version} and removes {version} from "
        "status.storedVersions"
    )


def _group(group: str, place: Place) -> None:
    if not group:
        place.required()
        return
    problems = syntax.dns_subdomain(group)
    place.invalid_each(group, problems)
    if not problems and "." not in group:
        place.invalid(group, "should be a domain with at least one dot")
    if any(kind.group == group for kind in kinds.IN_API) or f".{group}".endswith(kinds.INTERNAL_GROUP):
        place.forbidden("the group is served by swarmlet itself")


def _names(spec: CustomResourceDefinitionSpec, place: Place) -> None:
    names = spec.names
    for name, text in (("plural", names.plural), ("singular", names.singular)):
        if not text:
            place.field(name).required()
        else:
            place.field(name).invalid_each(text, syntax.dns_1035_label(text))
    for name, text in (("kind", names.kind), ("listKind", names.list_kind)):
        if not text:
            place.field(name).required()
        else:
            place.field(name).invalid_each(text, syntax.dns_1035_label(text.lower()))
    for name, words in (("shortNames", names.short_names), ("categories", names.categories)):
        for below, word in place.field(name).each(words):
            below.invalid_each(word, syntax.dns_1035_label(word))
    if names.kind and names.kind == names.list_kind:
        place.field("listKind").invalid(names.list_kind, "kind and listKind may not be the same")


def _versions(versions: Sequence[CustomResourceDefinitionVersion], place: Place) -> None:
    names = [version.name for version in versions]
    if not versions or sum(version.storage for version in versions) != 1:
        place.invalid(names, "must have exactly one version marked as storage version")
    if len(versions) > VERSIONS_MAX:
        place.too_many(len(versions), VERSIONS_MAX)
        return
    if len(set(names)) < len(names):
        place.invalid(names, "must contain unique version names")
    schemas = [version.schema.open_api_v3_schema for version in versions if version.schema]
    if sum(structural_rules.letters(each, structural.DEPTH_MAX) for each in schemas) > structural_rules.LETTERS_MAX:
        place.invalid(names, f"must not have rules of over {structural_rules.LETTERS_MAX} characters altogether")
        return
    for below, version in place.each(versions):
        _version(version, below)


def _version(version: CustomResourceDefinitionVersion, place: Place) -> None:
    place.field("name").invalid_each(version.name, syntax.dns_1035_label(version.name))
    where = place.field("schema").field("openAPIV3Schema")
    schema = version.schema.open_api_v3_schema if version.schema else None
    if schema is None:
        where.required("schemas are required")
    else:
        structural.schema(schema, where)
    if version.deprecation_warning and not version.deprecated:
        why = "can only be set for deprecated versions"
        place.field("deprecationWarning").invalid(version.deprecation_warning, why)
    _columns(version, place.field("additionalPrinterColumns"))
    if version.subresources:
        _subresources(version.subresources, place.field("subresources"))
    selectable = place.field("selectableFields")
    if len(version.selectable_fields) > SELECTABLE_MAX:
        selectable.too_many(len(version.selectable_fields), SELECTABLE_MAX)
    for below, each in selectable.each(version.selectable_fields):
        _simple_path(each.json_path, below.field("jsonPath"))


def _columns(version: CustomResourceDefinitionVersion, place: Place) -> None:
    if len(version.additional_printer_columns) > COLUMNS_MAX:
        place.too_many(len(version.additional_printer_columns), COLUMNS_MAX)
        return
    for below, column in place.each(version.additional_printer_columns):
        if not column.name:
            below.field("name").required()
        below.field("type").one_of(column.type, COLUMN_TYPES)
        if column.format and column.format not in COLUMN_FORMATS:
            below.field("format").unsupported(column.format, COLUMN_FORMATS)
        _path(column.json_path, below.field("jsonPath"))


def _subresources(value: CustomResourceSubresources, place: Place) -> None:
    scale = value.scale
    if scale is None:
        return
    below = place.field("scale")
    for name, text, root in (
        ("specReplicasPath", scale.spec_replicas_path, ".spec."),
        ("statusReplicasPath", scale.status_replicas_path, ".status."),
    ):
        if _simple_path(text, below.field(name)) and not text.startswith(root):
            below.field(name).invalid(text, f"should be a json path under {root[:-1]}")
    selector, where = scale.label_selector_path, below.field("labelSelectorPath")
    if selector and _simple_path(selector, where) and not selector.startswith((".spec.", ".status.")):
        where.invalid(selector, "should be a json path under either .spec or .status")


def _simple_path(text: str, place: Place) -> bool:
    """Check a path of names alone; return whether it is one."""
    if not _path(text, place):
        return False
    if json_path.parse(text).names is None:
        place.invalid(text, "should be a simple json path without array notation")
        return False
    return True


def _path(text: str, place: Place) -> bool:
    if not text:
        place.required()
        return False
    try:
        json_path.parse(text)
    except json_path.JsonPathError as error:
        place.invalid(text, f"is an invalid path: {error}")
        return False
    return True
