"""Rules of the schemas that CustomResourceDefinitions bear: structural ones, and no other.

Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation (ValidateCustomResourceDefinitionOpenAPISchema)
and pkg/apiserver/schema (validation.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swarmlet.model import patterns, structural, structural_values
from swarmlet.model.problems import Place
from swarmlet.model.rules import structural_rules

Schema = Mapping[str, Any]

NODES_MAX = 50_000
"""Schemas within one schema; the largest in use have some ten thousand."""
DEPTH_MAX = 64
INT64_END = 2**63
TYPES = ("array", "boolean", "integer", "number", "object", "string")
JUNCTIONS = ("allOf", "anyOf", "oneOf")
_NOT_SUPPORTED = ("$ref", "$schema", "id", "definitions", "dependencies", "patternProperties", "additionalItems")
_VALUE_RULES = {
    "enum": list,
    "exclusiveMaximum": bool,
    "exclusiveMinimum": bool,
    "format": str,
    "maxItems": int,
    "maxLength": int,
    "maxProperties": int,
    "maximum": (int, float),
    "minItems": int,
    "minLength": int,
    "minProperties": int,
    "minimum": (int, float),
    "multipleOf": (int, float),
    "pattern": str,
    "required": list,
    "uniqueItems": bool,
}
"""What a schema may say of values wherever it stands, and of which type it is."""
_OUTSIDE = {
    "default": object,
    "description": str,
    "example": object,
    "externalDocs": dict,
    "nullable": bool,
    "title": str,
    "type": str,
    structural.EMBEDDED: bool,
    structural.INT_OR_STRING: bool,
    structural.LIST_KEYS: list,
    structural.LIST_TYPE: str,
    structural.MAP_TYPE: str,
    structural.PRESERVE: bool,
    structural.VALIDATIONS: list,
}
"""What it may say only outside of `allOf`, `anyOf`, `oneOf` and `not`."""
_NESTED = ("additionalProperties", "items", "properties", "not", *JUNCTIONS)
_KNOWN = frozenset((*_VALUE_RULES, *_OUTSIDE, *_NESTED, *_NOT_SUPPORTED))
_INT_OR_STRING_ALLOWED = {"integer", "string"}


def schema(value: Schema, place: Place) -> None:
    """Check the schema of a whole object."""
    if sum(1 for _ in _walk(value, DEPTH_MAX)) > NODES_MAX:
        place.invalid("schema", f"must not consist of more than {NODES_MAX} schemas")
        return
    root_type = value.get("type")
    if not root_type:
        place.field("type").required("must not be empty at the root")
    elif root_type != "object":
        place.field("type").invalid(root_type, "must be object at the root")
    _metadata(value, place)
    before = len(place.problems.causes)
    _check(value, place, DEPTH_MAX, needs_type="")
    if len(place.problems.causes) == before:
        structural_rules.rules(value, place)


def unknown_fields(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of what is no field of a schema at all."""
    if not isinstance(value, Mapping):
        return
    yield from (f"{path}.{name}" for name in value if name not in _KNOWN)
    for name, each in _children(value):
        yield from unknown_fields(each, f"{path}.{name}")


def _children(value: Schema) -> Iterator[tuple[str, Any]]:
    """Yield the schemas within one, with their paths."""
    properties = value.get("properties")
    if isinstance(properties, Mapping):
        yield from ((f"properties[{name}]", each) for name, each in properties.items())
    for name in ("items", "additionalProperties", "not"):
        if isinstance(value.get(name), Mapping):
            yield name, value[name]
    for name in JUNCTIONS:
        if isinstance(value.get(name), list):
            yield from ((f"{name}[{number}]", each) for number, each in enumerate(value[name]))


def _walk(value: Any, depth: int) -> Iterator[Any]:
    yield value
    if isinstance(value, Mapping) and depth:
        for _, each in _children(value):
            yield from _walk(each, depth - 1)


def _metadata(value: Schema, place: Place) -> None:
    metadata = (value.get("properties") or {}).get("metadata") if isinstance(value.get("properties"), Mapping) else None
    if isinstance(metadata, Mapping) and set(metadata.get("properties") or {}) - {"name", "generateName"}:
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        place.field("properties").key("metadata").forbidden(why)


def _check(value: Any, place: Place, depth: int, *, needs_type: str) -> None:
    """Check one schema outside of junctions, and all within it."""
    if not _is_schema(value, place, depth):
        return
    for name in _NOT_SUPPORTED:
        if name in value:
            place.field(name).forbidden(f"{name} is not supported")
    if not _typed({**_VALUE_RULES, **_OUTSIDE}, value, place):
        return
    _type(value, place, needs_type)
    _extensions(value, place)
    _shape(value, place)
    _value_rules(value, place)
    for name, each in _children(value):
        below = Place(place.problems, f"{place.path}.{name}")
        if name == "not" or name.startswith(JUNCTIONS):
            _check_junction(each, value, below, depth - 1)
        else:
            what = "array items" if name == "items" else "object fields"
            _check(each, below, depth - 1, needs_type=f"must not be empty for specified {what}")
    if "default" in value:
        _default(value, place.field("default"))


def _check_junction(value: Any, outside: Schema, place: Place, depth: int) -> None:
    """Check a schema within allOf, anyOf, oneOf or not: it may narrow what is said outside, and say nothing new."""
    if not _is_schema(value, place, depth) or not _typed(_VALUE_RULES, value, place):
        return
    of_int_or_string = outside.get(structural.INT_OR_STRING) and value.get("type") in _INT_OR_STRING_ALLOWED
    for name in (*_OUTSIDE, "additionalProperties"):
        if name in value and not (name == "type" and of_int_or_string):
            place.field(name).forbidden("must be empty to be structural")
    _value_rules(value, place)
    for name, each in _children(value):
        below = Place(place.problems, f"{place.path}.{name}")
        if name == "items":
            around = outside.get("items")
        elif name.startswith("properties["):
            around = structural.child(outside, name.removeprefix("properties[").removesuffix("]"))
        else:
            around = outside
        if around is None:
            below.required(f"because it is defined in {below.path}")
        elif isinstance(around, Mapping):
            _check_junction(each, around, below, depth - 1)


def _is_schema(value: Any, place: Place, depth: int) -> bool:
    if not isinstance(value, Mapping):
        place.invalid(value, "must be a schema object")
        return False
    if not depth:
        place.forbidden(f"must not be nested over {DEPTH_MAX} deep")
    return bool(depth)


def _typed(rules: Mapping[str, Any], value: Schema, place: Place) -> bool:
    """Check the types of what a schema says of itself; the rest of the rules may count on them."""
    fine = True
    for name, wanted in rules.items():
        given = value.get(name)
        if given is not None and not _is_of(given, wanted):
            place.field(name).invalid(given, "is of the wrong type")
            fine = False
    for name, wanted in (("properties", Mapping), *((each, list) for each in JUNCTIONS)):
        if value.get(name) is not None and not isinstance(value[name], wanted):
            place.field(name).invalid(value[name], "is of the wrong type")
            fine = False
    for name in ("required", structural.LIST_KEYS):
        for below, word in place.field(name).each(value[name] if isinstance(value.get(name), list) else ()):
            if not isinstance(word, str):
                below.invalid(word, "is of the wrong type")
                fine = False
    docs = value.get("externalDocs")
    for name, each in docs.items() if isinstance(docs, Mapping) else ():
        if not isinstance(each, str):
            place.field("externalDocs").field(name).invalid(each, "is of the wrong type")
            fine = False
    return _typed_parts(value, place) and fine


def _is_of(given: Any, wanted: Any) -> bool:
    """Whether a value is of a type; a boolean is no number, and a whole number has 64 bits."""
    if isinstance(given, bool):
        return wanted in (bool, object)
    return isinstance(given, wanted) and (wanted is not int or -INT64_END <= given < INT64_END)


def _typed_parts(value: Schema, place: Place) -> bool:
    """Check that what stands where a schema belongs is one; `additionalProperties` may say all or none in a word."""
    if isinstance(value.get("items"), list):
        place.field("items").forbidden("items must be a schema object and not an array")
        return False
    kinds = {"items": (Mapping,), "not": (Mapping,), "additionalProperties": (Mapping, bool)}
    wrong = [name for name, kind in kinds.items() if value.get(name) is not None and not isinstance(value[name], kind)]
    for name in wrong:
        place.field(name).invalid(value[name], "is of the wrong type")
    return not wrong


def _type(value: Schema, place: Place, needs_type: str) -> None:
    given = value.get("type", "")
    free = value.get(structural.INT_OR_STRING) or value.get(structural.PRESERVE)
    if given == "null":
        place.field("type").forbidden("type cannot be set to null, use nullable as an alternative")
    elif given and given not in TYPES:
        place.field("type").unsupported(given, TYPES)
    elif not given and needs_type and not free:
        place.field("type").required(needs_type)


def _extensions(value: Schema, place: Place) -> None:
    given = value.get("type", "")
    if value.get(structural.INT_OR_STRING) and given:
        place.field("type").invalid(given, f"must be empty if {structural.INT_OR_STRING} is true")
    if value.get(structural.PRESERVE) is False:
        place.field(structural.PRESERVE).invalid(False, "must be true or undefined")
    if value.get(structural.EMBEDDED):
        if given != "object":
            place.field("type").invalid(given, f"must be object if {structural.EMBEDDED} is true")
        if not value.get("properties") and not value.get(structural.PRESERVE):
            why = f"must not be empty if {structural.EMBEDDED} is true without {structural.PRESERVE}"
            place.field("properties").required(why)
    _list_type(value, place)
    if value.get(structural.MAP_TYPE) and value[structural.MAP_TYPE] not in ("atomic", "granular"):
        place.field(structural.MAP_TYPE).unsupported(value[structural.MAP_TYPE], ("atomic", "granular"))


def _list_type(value: Schema, place: Place) -> None:
    list_type, keys = value.get(structural.LIST_TYPE), value.get(structural.LIST_KEYS) or ()
    if list_type and value.get("type") != "array":
        place.field("type").invalid(value.get("type", ""), f"must be array if {structural.LIST_TYPE} is specified")
    elif list_type and list_type not in ("atomic", "set", "map"):
        place.field(structural.LIST_TYPE).unsupported(list_type, ("atomic", "set", "map"))
    elif list_type == "map":
        items = value.get("items") if isinstance(value.get("items"), Mapping) else {}
        if not keys:
            place.field(structural.LIST_KEYS).required(f"must not be empty if {structural.LIST_TYPE} is map")
        for below, name in place.field(structural.LIST_KEYS).each(keys):
            if name not in ((items or {}).get("properties") or {}):
                below.invalid(name, "must be the name of a property of the items")
    if keys and list_type != "map":
        place.field(structural.LIST_TYPE).invalid(list_type or "", f"must be map if {structural.LIST_KEYS} is set")


def _shape(value: Schema, place: Place) -> None:
    if value.get("properties") and value.get("additionalProperties"):
        place.field("additionalProperties").forbidden("additionalProperties and properties are mutual exclusive")
    if value.get("additionalProperties") is False:
        place.field("additionalProperties").forbidden("additionalProperties cannot be set to false")
    if value.get("type") == "array" and "items" not in value and not value.get(structural.PRESERVE):
        place.field("items").required("must be specified")


def _value_rules(value: Schema, place: Place) -> None:
    if value.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        place.field("uniqueItems").forbidden(why)
    if value.get("pattern"):
        try:
            patterns.parse(value["pattern"])
        except patterns.PatternError as error:
            place.field("pattern").invalid(value["pattern"], f"must be a valid regular expression, but isn't: {error}")
    if value.get("multipleOf") is not None and value["multipleOf"] <= 0:
        place.field("multipleOf").invalid(value["multipleOf"], "must be greater than 0")


def _default(value: Schema, place: Place) -> None:
    """Check that a default is what it would have to be as a value."""
    if place.problems.causes:
        return
    _, unknown = structural.pruned({"properties": {"default": value}}, {"default": value["default"]})
    if unknown:
        place.invalid(value["default"], "must not have unknown fields")
    structural_values.check(value, value["default"], place)
