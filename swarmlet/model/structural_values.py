"""Whether a value keeps the rules of a structural schema, in the words of Kubernetes. Pure.

    problems = Problems()
    structural_values.check(schema, document["spec"], problems.at("spec"))

Source: k8s.io/kube-openapi/pkg/validation/validate and k8s.io/apiextensions-apiserver/pkg/apiserver/validation.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from swarmlet.model import patterns, structural
from swarmlet.model.base import Time
from swarmlet.model.problems import Place, Problems, shown
from swarmlet.model.structural import Schema

_MAX = "maxLength"
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
_DURATION = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,18})?(ns|us|µs|ms|s|m|h))+|[+-]?0")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_INTEGERS = {"int32": 2**31, "int64": 2**63}
_WHOLE = range(-(2**63), 2**64)
"""What JSON's readers take for a whole number; Python's alone goes on without end."""


def check(schema: Schema, value: Any, place: Place, old: Any = structural.NOTHING) -> None:
    """Note every rule of the schema that the value breaks.

    `old`: what stood in its place before an update. What is as it was is not judged anew, by rules grown stricter.
    """
    if old is not structural.NOTHING and structural.same(value, old):
        return
    if value is None:
        if not schema.get("nullable"):
            _wrong_type(schema, "null", place)
        return
    if not _has_type(schema, value):
        _wrong_type(schema, _type_of(value), place)
        return
    _check_enum(schema, value, place)
    if isinstance(value, str):
        _check_text(schema, value, place)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(schema, value, place)
    elif isinstance(value, list):
        _check_list(schema, value, place, old)
    elif isinstance(value, dict):
        _check_object(schema, value, place, old if isinstance(old, dict) else {})
    _check_junctions(schema, value, place)


def holds(schema: Schema, value: Any) -> bool:
    """Whether a value keeps all rules."""
    problems = Problems()
    check(schema, value, problems.at("value"))
    return not problems.causes


def _has_type(schema: Schema, value: Any) -> bool:
    if schema.get(structural.INT_OR_STRING):
        return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
    wanted = schema.get("type")
    if not wanted:
        return True
    given = _type_of(value)
    whole = isinstance(value, float) and value.is_integer() and wanted == "integer"
    return given == wanted or (given == "integer" and wanted == "number") or whole


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names[type(value)]


def _wrong_type(schema: Schema, given: str, place: Place) -> None:
    wanted = "integer,string" if schema.get(structural.INT_OR_STRING) else schema.get("type")
    if wanted:
        place.invalid(given, f"{place.path} in body must be of type {wanted}: {shown(given)}")


def _check_enum(schema: Schema, value: Any, place: Place) -> None:
    allowed = schema.get("enum")
    if allowed and not any(each == value and isinstance(each, bool) == isinstance(value, bool) for each in allowed):
        known = ", ".join(shown(each) for each in allowed)
        place.problems.add(place.path, f"Unsupported value: {shown(value)}: supported values: {known}")


def _check_text(schema: Schema, value: str, place: Place) -> None:
    least, most = schema.get("minLength"), schema.get(_MAX)
    if least is not None and len(value) < least:
        place.invalid(value, f"{place.path} in body should be at least {least} chars long")
    if most is not None and len(value) > most:
        place.too_long(most)
        return
    pattern = schema.get("pattern")
    if pattern and not _matches(pattern, value):
        place.invalid(value, f"{place.path} in body should match '{pattern}'")
    kept = _FORMATS.get(schema.get("format", ""))
    if kept and not kept(value):
        place.invalid(value, f"{place.path} in body must be of type {schema['format']}: {shown(value)}")


def _matches(pattern: str, value: str) -> bool:
    try:
        return patterns.parse(pattern).is_in(value)
    except patterns.PatternError:
        return False


def _check_number(schema: Schema, value: float, place: Place) -> None:
    if isinstance(value, int) and value not in _WHOLE:
        place.invalid(value, f"{place.path} in body must be a number of at most 64 bits")
        return
    least, most, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if least is not None and (value < least or (value == least and schema.get("exclusiveMinimum"))):
        words = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        place.invalid(value, f"{place.path} in body should be {words} {shown(least)}")
    if most is not None and (value > most or (value == most and schema.get("exclusiveMaximum"))):
        words = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        place.invalid(value, f"{place.path} in body should be {words} {shown(most)}")
    if step and not _is_multiple(value, step):
        place.invalid(value, f"{place.path} in body should be a multiple of {shown(step)}")
    end = _INTEGERS.get(schema.get("format", ""))
    if end and isinstance(value, int) and not -end <= value < end:
        place.invalid(value, f"{place.path} in body must be of type {schema['format']}: {shown(value)}")


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    times = value / step
    return math.isfinite(times) and times == int(times)


def _check_list(schema: Schema, value: list[Any], place: Place, old: Any) -> None:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and len(value) < least:
        place.invalid(len(value), f"{place.path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        place.too_many(len(value), most)
        return
    items = schema.get("items")
    if items:
        known = structural.by_key(schema, old)
        for below, item in place.each(value):
            check(items, item, below, known.get(structural.key_of(schema, item), structural.NOTHING))
    _check_unique(schema, value, place)


def _check_unique(schema: Schema, value: list[Any], place: Place) -> None:
    """Check that the items of a set differ, and those of a map in their keys."""
    list_type = schema.get(structural.LIST_TYPE)
    if list_type not in ("set", "map"):
        return
    properties = (schema.get("items") or {}).get("properties") or {}
    names = [(name, properties.get(name, {}).get("default")) for name in schema.get(structural.LIST_KEYS) or ()]
    seen = set()
    for below, item in place.each(value):
        if list_type == "map" and not isinstance(item, dict):
            continue
        told = {name: item.get(name, usual) for name, usual in names} if list_type == "map" else item
        text = msgspec.json.encode(told, order="deterministic")
        if text in seen:
            below.duplicate(told)
        seen.add(text)


def _check_object(schema: Schema, value: dict[str, Any], place: Place, old: Mapping[str, Any]) -> None:
    least, most = schema.get("minProperties"), schema.get("maxProperties")
    if least is not None and len(value) < least:
        place.invalid(len(value), f"{place.path} in body should have at least {least} properties")
    if most is not None and len(value) > most:
        place.too_many(len(value), most)
        return
    for name in schema.get("required") or ():
        if name not in value:
            place.field(name).required()
    embedded = bool(schema.get(structural.EMBEDDED))
    if embedded:
        _check_embedded(value, place)
    for name, each in value.items():
        part = structural.child(schema, name)
        if part and not (embedded and name in structural.OBJECT_FIELDS):
            check(part, each, place.field(name), old.get(name, structural.NOTHING))


def _check_embedded(value: Mapping[str, Any], place: Place) -> None:
    """Check that an object within an object says what it is."""
    for name in ("apiVersion", "kind"):
        if not isinstance(value.get(name), str) or not value[name]:
            place.field(name).required("must not be empty")
    if not isinstance(value.get("metadata", {}), Mapping):
        place.field("metadata").invalid(_type_of(value["metadata"]), "must be an object")


def _check_junctions(schema: Schema, value: Any, place: Place) -> None:
    for part in schema.get("allOf") or ():
        check(part, value, place)
    if schema.get("anyOf") and not any(holds(part, value) for part in schema["anyOf"]):
        place.invalid(_told(value), f'"{place.path}" must validate at least one schema (anyOf)')
    if schema.get("oneOf"):
        count = sum(holds(part, value) for part in schema["oneOf"])
        if count != 1:
            found = "Found none valid" if not count else f"Found {count} valid alternatives"
            place.invalid(_told(value), f'"{place.path}" must validate one and only one schema (oneOf). {found}')
    if schema.get("not") is not None and holds(schema["not"], value):
        place.invalid(_told(value), f'"{place.path}" must not validate the schema (not)')


def _told(value: Any) -> Any:
    """Return a value for a message; an object is told by its type: much of it may have nothing to do with the rule."""
    return _type_of(value) if isinstance(value, dict | list) else value


def _readable(read: Callable[[str], object]) -> Callable[[str], bool]:
    def is_readable(text: str) -> bool:
        try:
            read(text)
        except (ValueError, msgspec.ValidationError, binascii.Error):
            return False
        return True

    return is_readable


def _is_uri(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme)
    except ValueError:
        return False


def _date(text: str) -> object:
    return msgspec.convert(f"{text}T00:00:00Z", Time)


_FORMATS: dict[str, Callable[[str], bool]] = {
    "byte": _readable(lambda text: base64.b64decode(text, validate=True)),
    "cidr": _readable(lambda text: ipaddress.ip_network(text, strict=False)),
    "date": _readable(_date),
    "date-time": _readable(lambda text: msgspec.convert(text, Time)),
    "datetime": _readable(lambda text: msgspec.convert(text, Time)),
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "email": lambda text: bool(_EMAIL.fullmatch(text)),
    "hostname": lambda text: bool(_HOSTNAME.fullmatch(text)),
    "ipv4": _readable(ipaddress.IPv4Address),
    "ipv6": _readable(ipaddress.IPv6Address),
    "mac": lambda text: bool(_MAC.fullmatch(text)),
    "uri": _is_uri,
    "uuid": _readable(uuid.UUID),
}
"""The formats that Kubernetes checks; others are words for readers."""
