"""From a tree in long form to the structs of `model`, by their annotations: the structs are the schema.

What a scalar is, its field says: `replicas: "3"` and `replicas: 3` are the same, and so is what a variable gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import inspect

from swarmlet.manifests.compose import nodes, units
from swarmlet.manifests.compose.model import base
from swarmlet.manifests.compose.nodes import Node

T = TypeVar("T")
EXTENSION = "x-"

_TRUE = ("true", "yes", "y", "on")
_FALSE = ("false", "no", "n", "off")
_UNITS: Mapping[str, Callable[[str], int]] = {
    base.BYTES: units.size,
    base.OCTAL: units.mode,
    base.MICROSECONDS: units.microseconds,
}


def read(node: Node, wanted: type[T], path: str) -> T:
    """Return a tree as one of the structs; raise `ManifestError` for what the struct has no place for."""
    found: T = _read(node, inspect.type_info(wanted), path)
    return found


def read_text(node: Node, path: str) -> str:
    """Return the text of a scalar, as `read` does; raise `ManifestError` where it is none."""
    return _text(node, None, path)


def _read(node: Node, wanted: inspect.Type, path: str) -> Any:
    unit = ""
    if isinstance(wanted, inspect.Metadata):
        unit = str((wanted.extra or {}).get("unit", ""))
        wanted = wanted.type
    if isinstance(wanted, inspect.UnionType):
        if node.value is None:
            return None
        return _read(node, next(each for each in wanted.types if not isinstance(each, inspect.NoneType)), path)
    if unit:
        return _number_of(node, unit, path)
    return _READERS[type(wanted)](node, wanted, path)


# Collections.


def _struct(node: Node, wanted: Any, path: str) -> Any:
    if not isinstance(node.value, dict):
        raise nodes.fault(node, path, f"must be a mapping, not {nodes.kind(node)}")
    fields = {field.name: field for field in wanted.fields if field.name != "extensions"}
    values: dict[str, Any] = {}
    extensions: dict[str, Any] = {}
    for key, each in node.value.items():
        below = nodes.below(path, key)
        if key.startswith(EXTENSION):
            extensions[key] = nodes.plain_value(each)
        elif key not in fields:
            raise nodes.fault(each, below, f"no such key{nodes.suggestion(key, fields)}")
        elif each.value is not None:
            values[key] = _read(each, fields[key].type, below)
    for name, field in fields.items():
        if field.required and name not in values:
            raise nodes.fault(node, path, f"{name} is not set")
    return wanted.cls(**values, extensions=extensions)


def _dict(node: Node, wanted: Any, path: str) -> dict[str, Any]:
    if not isinstance(node.value, dict):
        raise nodes.fault(node, path, f"must be a mapping, not {nodes.kind(node)}")
    return {key: _read(_quoted(each, wanted), wanted.value_type, f"{path}.{key}") for key, each in node.value.items()}


def _quoted(node: Node, wanted: Any) -> Node:
    """Return the value of a mapping of texts as text, whatever it looks like: `DEBUG: true` is "true"."""
    is_text = isinstance(wanted.value_type, inspect.StrType | inspect.UnionType)
    return node.like(node.value) if is_text and isinstance(node.value, str) else node


def _list(node: Node, wanted: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(node.value, list):
        raise nodes.fault(node, path, f"must be a list, not {nodes.kind(node)}")
    return tuple(_read(each, wanted.item_type, f"{path}[{number}]") for number, each in enumerate(node.value))


# Scalars.


def _scalar(node: Node, path: str, expected: str) -> str:
    if not isinstance(node.value, str):
        raise nodes.fault(node, path, f"must be {expected}, not {nodes.kind(node)}")
    return node.value


def _text(node: Node, wanted: Any, path: str) -> str:
    del wanted
    if node.is_boolean:
        raise nodes.fault(node, path, f'must be text, not {node.text}; write it in quotes: "{node.text}"')
    return _scalar(node, path, "text")


def _boolean(node: Node, wanted: Any, path: str) -> bool:
    del wanted
    text = _scalar(node, path, "true or false").lower()
    if text not in _TRUE + _FALSE:
        raise nodes.fault(node, path, f"must be true or false, not {nodes.kind(node)}")
    return text in _TRUE


def _integer(node: Node, wanted: Any, path: str) -> int:
    text = _scalar(node, path, "a whole number")
    try:
        number = nodes.integer(text) if node.plain else int(text)
    except ValueError:
        raise nodes.fault(node, path, f"must be a whole number, not {nodes.kind(node)}") from None
    return int(_within(node, number, wanted, path))


def _float(node: Node, wanted: Any, path: str) -> float:
    text = _scalar(node, path, "a number")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise nodes.fault(node, path, f"must be a number, not {nodes.kind(node)}")
    return _within(node, number, wanted, path)


def _within(node: Node, number: float, wanted: Any, path: str) -> float:
    if wanted.ge is not None and number < wanted.ge:
        raise nodes.fault(node, path, f"must be at least {wanted.ge}, not {node.text}")
    if wanted.le is not None and number > wanted.le:
        raise nodes.fault(node, path, f"must be at most {wanted.le}, not {node.text}")
    return number


def _number_of(node: Node, unit: str, path: str) -> int:
    text = _scalar(node, path, "a number")
    if unit == base.ALL and text == base.ALL:
        return -1
    try:
        return _UNITS.get(unit, int)(text)
    except ValueError as error:
        told = str(error) if unit in _UNITS else 'is no whole number; write one, or "all"'
        raise nodes.fault(node, path, f"{text[:40]!r} {told}") from None


def _duration(node: Node, wanted: Any, path: str) -> Any:
    del wanted
    text = _scalar(node, path, "a duration")
    try:
        return units.duration(text)
    except ValueError as error:
        raise nodes.fault(node, path, f"{text[:40]!r} {error}") from None


def _one_of(node: Node, wanted: Any, path: str) -> str:
    words = [word for word in wanted.values if word]
    text = _scalar(node, path, f"one of {', '.join(words)}")
    if text not in wanted.values:
        raise nodes.fault(node, path, f"must be one of {', '.join(words)}, not {text[:40]!r}")
    return text


def _anything(node: Node, wanted: Any, path: str) -> Any:
    del wanted, path
    return nodes.plain_value(node)


_READERS: Mapping[type[Any], Callable[[Node, Any, str], Any]] = {
    inspect.StructType: _struct,
    inspect.DictType: _dict,
    inspect.VarTupleType: _list,
    inspect.StrType: _text,
    inspect.BoolType: _boolean,
    inspect.IntType: _integer,
    inspect.FloatType: _float,
    inspect.TimeDeltaType: _duration,
    inspect.LiteralType: _one_of,
    inspect.AnyType: _anything,
}
