"""What Kubernetes knows of its types: fields, their types, how lists merge.

It feeds strict decoding and strategic merge, and it is what the API publishes as OpenAPI. It is read from
`openapi.json.gz` when first asked for; `make openapi` makes that file.
"""

from __future__ import annotations

import functools
import gzip
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from swarmlet.errors import BugError
from swarmlet.model import kinds
from swarmlet.model.kinds import Kind

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
TIME = META + "Time"
MICRO_TIME = META + "MicroTime"
FIELDS_V1 = META + "FieldsV1"
JSON_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"

_GVK = "x-kubernetes-group-version-kind"
_MERGE_KEY = "x-kubernetes-patch-merge-key"
_STRATEGY = "x-kubernetes-patch-strategy"
_LIST_TYPE = "x-kubernetes-list-type"
_LIST_KEYS = "x-kubernetes-list-map-keys"
_MAP_TYPE = "x-kubernetes-map-type"
_SCALARS = {QUANTITY, INT_OR_STRING, TIME, MICRO_TIME}

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a type. `definition` names the type of its value, or of its list's or map's values; "" a scalar.

    `shape` is "list", "map" or "single". `strategies` are the patch strategies: "merge", "replace", "retainKeys".
    `list_type` is "atomic", "set", "map" or "", with `list_keys` for "map"; `is_atomic` says that an object or map has
    one owner as a whole (server-side apply).
    """

    schema: Schema
    shape: str
    definition: str = ""
    merge_key: str = ""
    strategies: tuple[str, ...] = ()
    list_type: str = ""
    list_keys: tuple[str, ...] = ()
    is_atomic: bool = False


class OwnFields(str):
    """The name of a type that is in no file and bears its fields itself: of a kind that a user brought."""

    __slots__ = ("fields",)

    fields: Mapping[str, Field]

    def __new__(cls, name: str, fields: Mapping[str, Field]) -> Self:
        """Return the name with its fields."""
        self = super().__new__(cls, name)
        self.fields = fields
        return self


UNKNOWN_FIELD = Field(schema={}, shape="single")
"""What stands for a field of which nothing is known."""


@functools.cache
def definitions() -> dict[str, Schema]:
    """Return every definition by its name, without descriptions."""
    return {name: _undescribed(schema) for name, schema in _read().items()}


def fields(definition: str) -> Mapping[str, Field]:
    """Return the fields of a type by their names on the wire; empty for a scalar and for free-form objects."""
    return definition.fields if isinstance(definition, OwnFields) else _fields(definition)


@functools.cache
def _fields(definition: str) -> dict[str, Field]:
    schema = definitions().get(definition)
    if schema is None:
        raise BugError(f"no definition {definition} in openapi.json.gz: run `make openapi`")
    return {name: _field(each) for name, each in schema.get("properties", {}).items()}


def value_of(definition: str) -> Field:
    """Return what is known of a value of a type, wherever it stands: an item of a list, a value of a map."""
    if isinstance(definition, OwnFields):
        return Field(schema={}, shape="single", definition=definition)
    return _value_of(definition)


@functools.cache
def _value_of(definition: str) -> Field:
    return _field({"$ref": definition}) if definition else UNKNOWN_FIELD


@functools.cache
def definition_of(api_version: str, kind: str) -> str:
    """Return the name of the definition of a kind, such as "io.k8s.api.apps.v1.Deployment"."""
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind}
    for name, schema in definitions().items():
        if wanted in schema.get(_GVK, ()):
            return name
    raise BugError(f"no definition of {kind} in {api_version} in openapi.json.gz: run `make openapi`")


def definition_of_kind(kind: Kind) -> str:
    """Return the name of the definition of a kind of the API."""
    return kind.own_definition or definition_of(kind.api_version, kind.kind)


def openapi_v3_schemas(group_version: str) -> dict[str, Schema]:
    """Return `components/schemas` of one group and version: its served kinds, their lists, and all that they use.

    Read anew for each call, descriptions included: who publishes it keeps the encoded bytes.
    """
    served = kinds.SERVED + kinds.OTHER_VERSIONS
    roots = [_list_and_item(kind) for kind in served if kind.api_version == group_version]
    roots += [(definition_of_kind(kind),) for kind in kinds.REVIEWS if kind.api_version == group_version]
    others = [META + "DeleteOptions", META + "Status", META + "APIResourceList", META + "WatchEvent"]
    if group_version == kinds.POD.api_version:
        others += ["io.k8s.api.core.v1.Binding", "io.k8s.api.policy.v1.Eviction"]
    if any("scale" in kind.subresources for kind in kinds.SERVED if kind.api_version == group_version):
        others.append("io.k8s.api.autoscaling.v1.Scale")
    return openapi_v3_closure([*(name for pair in roots for name in pair), *others])


def openapi_v3_closure(roots: Iterable[str]) -> dict[str, Schema]:
    """Return definitions, by their names, and all that they use, as OpenAPI v3 has them, descriptions included."""
    everything = _read()
    return {name: _v3_definition(name, everything[name]) for name in sorted(_closure(roots, everything))}


def descriptions(names: Iterable[str]) -> dict[str, str]:
    """Return the descriptions of fields by their names, such as "io.k8s.api.core.v1.PodStatus.podIP".

    Read anew for each call, which takes some ten milliseconds: ask for many at once and keep them.
    """
    everything = _read()
    found = {}
    for name in names:
        definition, _, field = name.rpartition(".")
        found[name] = str(everything[definition]["properties"][field].get("description", ""))
    return found


def _read() -> dict[str, Schema]:
    packed = pkgutil.get_data("swarmlet.model", "openapi.json.gz")
    if packed is None:
        raise BugError("openapi.json.gz is missing from the installation")
    content: dict[str, Schema] = msgspec.json.decode(gzip.decompress(packed))["definitions"]
    return content


def _undescribed(schema: Any) -> Any:
    """Return a schema without its descriptions; a field that is called "description" stays."""
    if isinstance(schema, list):
        return [_undescribed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _undescribed(each) for name, each in value.items()} if key == "properties" else _undescribed(value)
        for key, value in schema.items()
        if key != "description"
    }


def _field(schema: Schema) -> Field:
    shape, value = "single", schema
    if schema.get("type") == "array":
        shape, value = "list", schema["items"]
    elif "additionalProperties" in schema:
        shape, value = "map", schema["additionalProperties"]
    reference = value.get("$ref", "")
    map_type = schema.get(_MAP_TYPE)
    if map_type is None and shape == "single" and reference:
        map_type = definitions()[reference].get(_MAP_TYPE)
    return Field(
        schema=schema,
        shape=shape,
        definition="" if reference in _SCALARS else reference,
        merge_key=schema.get(_MERGE_KEY, ""),
        strategies=tuple(schema[_STRATEGY].split(",")) if _STRATEGY in schema else (),
        list_type=schema.get(_LIST_TYPE, ""),
        list_keys=tuple(schema.get(_LIST_KEYS, ())),
        is_atomic=map_type == "atomic",
    )


def _list_and_item(kind: Kind) -> tuple[str, ...]:
    return definition_of_kind(kind), definition_of(kind.api_version, f"{kind.kind}List")


def _closure(roots: Iterable[str], everything: dict[str, Schema]) -> set[str]:
    found: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += _references(everything[name])
    return found


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for each in schema.values():
            yield from _references(each)


def _v3_definition(name: str, schema: Schema) -> Schema:
    if name == INT_OR_STRING:
        return {**schema, "format": "int-or-string"}
    result: Schema = _v3(schema)
    return result


def _v3(schema: Any) -> Any:
    """Return a schema as OpenAPI v3 wants it: a reference with words beside it stands in an allOf."""
    if isinstance(schema, list):
        return [_v3(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _v3(value) for key, value in schema.items() if key != "$ref" or not isinstance(value, str)}
    if isinstance(schema.get("$ref"), str):
        reference = {"$ref": f"#/components/schemas/{schema['$ref']}"}
        if not result:
            return reference
        result["allOf"] = [reference]
    return result
