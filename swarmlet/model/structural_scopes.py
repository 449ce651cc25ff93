"""The values that rules in CEL see of an object: what its schema knows of it, under names that can be written. Pure.

Source: k8s.io/apiserver/pkg/cel/common (values.go, schemas.go) and pkg/cel/escaping.go.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Mapping
from typing import Any

from swarmlet.model import structural
from swarmlet.model.cel import parsing
from swarmlet.model.cel.errors import EvaluationError
from swarmlet.model.cel.functions import standard
from swarmlet.model.cel.values import KeyedList, SetList
from swarmlet.model.structural import Schema

_NAME = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPED = re.compile(r"__|[./-]")
_KEYWORDS = parsing.RESERVED | {"true", "false", "null"}
_METADATA = ("name", "generateName")
"""What rules see of an object's metadata."""
OBJECT_FIELDS: Mapping[str, Schema] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object", "properties": {name: {"type": "string"} for name in _METADATA}},
}


@functools.lru_cache(maxsize=4_096)
def escaped(name: str) -> str | None:
    """Return a property's name as an expression writes it; None for one that no expression can."""
    if not _NAME.fullmatch(name):
        return None
    if name in _KEYWORDS:
        return f"__{name}__"
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], name)


def properties(schema: Schema, *, is_root: bool = False) -> Mapping[str, Schema]:
    """Return what an object of a schema may have, by name: with what every object has, where it is one."""
    own = schema.get("properties") or {}
    return {**own, **OBJECT_FIELDS} if is_root or schema.get(structural.EMBEDDED) else own


def converted(schema: Schema, value: Any, *, is_root: bool = False) -> Any:
    """Return a value as expressions see it."""
    if isinstance(value, dict):
        return _object(schema, value, is_root=is_root)
    if isinstance(value, list):
        return _list(schema, [converted(schema.get("items") or {}, each) for each in value])
    if isinstance(value, str):
        return _text(schema, value)
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if schema.get("type") == "integer" and isinstance(value, float):
        return int(value)
    return value


def _object(schema: Schema, value: dict[str, Any], *, is_root: bool) -> dict[str, Any]:
    if isinstance(schema.get("additionalProperties"), Mapping):
        return {name: converted(schema["additionalProperties"], each) for name, each in value.items()}
    if not schema.get("type"):  # nothing is known of it, so nothing is hidden
        return value
    known = properties(schema, is_root=is_root)
    seen = ((escaped(name), known[name], each) for name, each in value.items() if name in known)
    return {name: converted(part, each) for name, part, each in seen if name is not None}


def _list(schema: Schema, items: list[Any]) -> list[Any]:
    list_type = schema.get(structural.LIST_TYPE)
    if list_type == "set":
        return SetList(items)
    if list_type == "map":
        return KeyedList(items, tuple(escaped(key) or key for key in schema.get(structural.LIST_KEYS) or ()))
    return items


def _text(schema: Schema, value: str) -> Any:
    """Return a text in the type that its format means; one that is not of it, as an update may leave it, as it is."""
    try:
        match schema.get("format"):
            case "date-time" | "datetime":
                return standard.timestamp(value)
            case "date":
                return standard.timestamp(f"{value}T00:00:00Z")
            case "duration":
                return standard.duration(value)
            case "byte":
                return base64.b64decode(value, validate=True)
    except (EvaluationError, binascii.Error):
        return value
    return value
