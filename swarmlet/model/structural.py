"""Structural schemas at work: what an object of a custom kind loses, what it gains, and who may own its parts. Pure.

    kept, unknown = structural.pruned(schema, document)      # without what the schema does not know
    structural.with_defaults(schema, kept)                   # with what it fills in

A schema is a JSONSchemaProps document that `model.rules.structural` has found sound. The fields apiVersion, kind and
metadata of an object, and of one embedded in it, are not the schema's business.
Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema (pruning, defaulting, listtype).
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

from swarmlet.errors import TooLargeError
from swarmlet.model import schema as known

Schema = Mapping[str, Any]
Document = dict[str, Any]

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"
VALIDATIONS = "x-kubernetes-validations"
OBJECT_FIELDS = ("apiVersion", "kind", "metadata")

NOTHING: Any = object()
"""Stands for what was before where nothing was, or nothing that can be told to be the same thing's."""

FILLED_BYTES_MAX = 3 * 1024 * 1024
"""Of JSON, that defaults may add to an object: as much as anybody may send."""

_NOTHING: Schema = {}


def pruned(schema: Schema, document: Document) -> tuple[Document, list[str]]:
    """Return an object without the fields that its schema does not know, and their paths."""
    unknown: list[str] = []
    return _pruned(schema, document, "", unknown, is_object=True), unknown


def with_defaults(schema: Schema, document: Document) -> Document:
    """Return an object with the defaults of its schema where fields are missing, or null and may not be.

    Raises `TooLargeError` where they would make much of little: a default may stand in each item of a list.
    """
    result: Document = _Filling().filled(schema, document)
    return result


def additional(schema: Schema) -> Schema | None:
    """Return the schema of fields that have no names in it; None where there may be none."""
    given = schema.get("additionalProperties")
    if isinstance(given, Mapping):
        return given
    return _NOTHING if given else None


def child(schema: Schema, name: str) -> Schema | None:
    """Return the schema of a field; None where the schema does not know it."""
    properties = schema.get("properties") or {}
    return properties[name] if name in properties else additional(schema)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in type too: true is not 1."""
    if one != other:
        return False
    return msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(other, order="deterministic")


def by_key(schema: Schema, items: Any) -> dict[Hashable, Any]:
    """Return the items of a list by what tells them apart; none of a list that has no keys."""
    if schema.get(LIST_TYPE) != "map" or not isinstance(items, list):
        return {}
    return {key_of(schema, each): each for each in items}


def key_of(schema: Schema, item: Any) -> Hashable:
    """Return what tells an item of a list from the others."""
    if schema.get(LIST_TYPE) != "map" or not isinstance(item, dict):
        return None
    properties = (schema.get("items") or {}).get("properties") or {}
    names = schema.get(LIST_KEYS) or ()
    told = [item.get(name, (properties.get(name) or {}).get("default")) for name in names]
    return msgspec.json.encode(told)


def definition(name: str, schema: Schema) -> known.OwnFields:
    """Return a schema in the form that merging and owners of fields go by; `name` sets it apart from others."""
    fields = {key: _field(f"{name}.{key}", each) for key, each in (schema.get("properties") or {}).items()}
    return known.OwnFields(name, fields)


def definition_of_object(name: str, schema: Schema) -> known.OwnFields:
    """Return the definition of a whole object: with metadata, which is every kind's."""
    fields = {**definition(name, schema).fields, "metadata": known.value_of(known.META + "ObjectMeta")}
    return known.OwnFields(name, fields)


def _pruned(schema: Schema, value: Any, path: str, unknown: list[str], *, is_object: bool = False) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or _NOTHING
        return [_pruned(items, each, f"{path}[{number}]", unknown) for number, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    is_object = is_object or bool(schema.get(EMBEDDED))
    kept = {}
    for name, each in value.items():
        below = f"{path}.{name}" if path else name
        part = child(schema, name)
        if is_object and name in OBJECT_FIELDS:
            kept[name] = each
        elif part is not None:
            kept[name] = _pruned(part, each, below, unknown)
        elif schema.get(PRESERVE):
            kept[name] = each
        else:
            unknown.append(below)
    return kept


class _Filling:
    """One filling of an object, with the bytes that defaults may still add."""

    def __init__(self) -> None:
        self._left = FILLED_BYTES_MAX
        self._sizes: dict[int, int] = {}

    def filled(self, schema: Schema, value: Any) -> Any:
        """Return a value with what is missing in it."""
        if isinstance(value, list):
            items = schema.get("items")
            return [self.filled(items, each) for each in value] if items else value
        if not isinstance(value, dict):
            return value
        result = dict(value)
        for name, part in (schema.get("properties") or {}).items():
            missing = name not in result or (result[name] is None and not part.get("nullable"))
            if missing and "default" in part:
                self._pay(part["default"])
                result[name] = copy.deepcopy(part["default"])
        for name, each in result.items():
            below = child(schema, name)
            if below:
                result[name] = self.filled(below, each)
        return result

    def _pay(self, default: Any) -> None:
        which = id(default)  # the schema holds it for as long as this goes on
        if which not in self._sizes:
            self._sizes[which] = len(msgspec.json.encode(default))
        self._left -= self._sizes[which]
        if self._left < 0:
            raise TooLargeError(f"the defaults of its kind add more than {FILLED_BYTES_MAX} bytes to the object")


def _field(name: str, schema: Schema) -> known.Field:
    shape, value = "single", schema
    if schema.get("type") == "array":
        shape, value = "list", schema.get("items") or _NOTHING
    elif isinstance(schema.get("additionalProperties"), Mapping):
        shape, value = "map", schema["additionalProperties"]
    return known.Field(
        schema=dict(schema),
        shape=shape,
        definition=_definition_within(name, value),
        list_type=schema.get(LIST_TYPE, ""),
        list_keys=tuple(schema.get(LIST_KEYS) or ()),
        is_atomic=schema.get(MAP_TYPE) == "atomic",
    )


def _definition_within(name: str, schema: Schema) -> str:
    if not schema.get("properties"):
        return ""
    return definition_of_object(name, schema) if schema.get(EMBEDDED) else definition(name, schema)
