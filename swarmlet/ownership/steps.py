"""One step of the way to a value, as fieldsV1 writes it.

`f:name` a field of an object or a key of a map; `k:{"name":"web"}` the item of a list with these keys; `v:"text"` a
value in a set. `i:3`, the item at an index, is read and never written: such lists have one owner as a whole.
Source: structured-merge-diff fieldpath/serialize-pe.go, element.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from swarmlet.errors import CallerError
from swarmlet.model import schema

SELF = "."
"""Not a step: the value itself is in the set, and so are parts of it."""
FIELD = "f:"
_ITEM = "k:"
_VALUE = "v:"
_INDEX = "i:"
_KEY_DEFAULTS = {"protocol": "TCP"}
"""Of keys that may be left out; Kubernetes' published definitions carry no defaults."""

_encoder = msgspec.json.Encoder(order="sorted")


def field(name: str) -> str:
    """Return the step to a field."""
    return FIELD + name


def of_item(item: Any, kind: schema.Field) -> str:
    """Return the step to an item of a list that merges; raise `CallerError` where nothing tells it from the others."""
    if kind.list_type == "set":
        return _VALUE + _encoder.encode(item).decode()
    if not isinstance(item, dict):
        raise CallerError("associative list with keys may not have an element that is no object")
    keys = {
        name: item.get(name, _KEY_DEFAULTS.get(name))
        for name in kind.list_keys
        if name in item or name in _KEY_DEFAULTS
    }
    if not keys:
        told = ", ".join(f'"{name}"' for name in kind.list_keys)
        raise CallerError(f"associative list with keys has an element that omits all key fields {told}")
    return _ITEM + _encoder.encode(keys).decode()


def is_step(text: str) -> bool:
    """Whether `text` is a step that can be read."""
    rest = text[2:]
    if text.startswith(FIELD):
        return True
    if text.startswith((_ITEM, _VALUE)):
        try:
            value = msgspec.json.decode(rest)
        except (msgspec.MsgspecError, UnicodeError):
            return False
        return isinstance(value, dict) or text.startswith(_VALUE)
    return text.startswith(_INDEX) and rest.isascii() and rest.isdigit()


def told(path: Iterable[str]) -> str:
    """Return a path as people read it: `.spec.containers[name="web"].image`."""
    return "".join(map(_told, path))


def _told(step: str) -> str:
    rest = step[2:]
    if step.startswith(FIELD):
        return f".{rest}"
    if step.startswith(_VALUE):
        return f"[={rest}]"
    if step.startswith(_INDEX):
        return f"[{rest}]"
    keys: Mapping[str, Any] = msgspec.json.decode(rest)
    return "[" + ",".join(f"{name}={_encoder.encode(value).decode()}" for name, value in keys.items()) + "]"
