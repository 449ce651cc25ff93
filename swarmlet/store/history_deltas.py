"""How an earlier document is kept beside a later one: as what turns the later one back.

A delta is a tree in the shape of the document. Of each object it says which fields to set, which to drop and which to
look into; a list of unchanged length is an object whose names are its indexes, any other list is one value. Its bytes
depend on the two documents alone, on every machine: a compressor's depend on the build of its library.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

Document = dict[str, Any]
Path = tuple[str, ...]
"""The names of fields on the way to a value; an item of a list goes by its index."""


DEPTH_MAX = 32
"""How deep a document is looked into: an object or list further down is one value."""


class Delta(msgspec.Struct, frozen=True, array_like=True):
    """What to do to one object or list."""

    put: dict[str, Any] = {}
    drop: tuple[str, ...] = ()
    into: dict[str, Delta] = {}


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Delta)


def between(after: Document, before: Document) -> Delta:
    """Return what makes `before` of `after`."""
    return _between(after, before)


def encode(delta: Delta) -> bytes:
    return _encoder.encode(delta)


def decode(data: bytes) -> Delta:
    return _decoder.decode(data)


def applied(value: Any, delta: Delta) -> Any:
    """Return a value with a delta done to it; what it does not touch is shared with the original.

    Where the value is not of the shape that the delta was made for, what is missing on the way is made.
    """
    if isinstance(value, list) and not delta.drop and all(name.isdigit() for name in (*delta.put, *delta.into)):
        return _applied_to_list(value, delta)
    result = dict(value) if isinstance(value, dict) else {}
    for name in delta.drop:
        result.pop(name, None)
    result.update(delta.put)
    for name, below in delta.into.items():
        result[name] = applied(result.get(name), below)
    return result


def paths(delta: Delta, root: Path = ()) -> Iterator[Path]:
    """Yield where a delta changes something."""
    for name in (*delta.put, *delta.drop):
        yield (*root, name)
    for name, below in delta.into.items():
        yield from paths(below, (*root, name))


def overlap(one: Path, other: Path) -> bool:
    """Whether one of two paths leads to what the other is a part of."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _between(after: Any, before: Any, depth: int = 1) -> Delta:
    put: dict[str, Any] = {}
    into: dict[str, Delta] = {}
    later, earlier = _named(after), _named(before)
    for name, value in earlier.items():
        if name not in later:
            put[name] = value
        elif later[name] != value or type(later[name]) is not type(value):
            if depth < DEPTH_MAX and _alike(later[name], value):
                into[name] = _between(later[name], value, depth + 1)
            else:
                put[name] = value
    return Delta(put, tuple(name for name in later if name not in earlier), into)


def _named(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {str(index): item for index, item in enumerate(value)}


def _alike(one: Any, other: Any) -> bool:
    """Whether two different values can be told apart part by part."""
    if isinstance(one, dict) and isinstance(other, dict):
        return True
    return isinstance(one, list) and isinstance(other, list) and len(one) == len(other)


def _applied_to_list(value: list[Any], delta: Delta) -> list[Any]:
    result = list(value)
    for name, item in delta.put.items():
        if int(name) < len(result):
            result[int(name)] = item
    for name, below in delta.into.items():
        if int(name) < len(result):
            result[int(name)] = applied(result[int(name)], below)
    return result
