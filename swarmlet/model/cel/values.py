"""The values of expressions: what Python has no type of its own for, what equals what, and how a value is told.

Integers are Python's, kept within 64 bits by whoever makes one; booleans are no integers here. Maps are dicts, times
are aware datetimes, durations timedeltas; a duration's part below a microsecond is lost.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult

import msgspec

from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.quantity import Quantity

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
UINT_MAX = 2**64 - 1
SHOWN_MAX = 256
"""Letters of a value in a message."""


class Uint(int):
    """An unsigned integer: a type of its own, that no sum mixes with the others."""

    __slots__ = ()


class SetList(list[Any]):
    """A list of which the schema says that it is a set: equal in any order, and added to without repetition."""

    __slots__ = ()


class KeyedList(list[Any]):
    """A list of which the schema says that it is a map: `keys` tell its items apart."""

    __slots__ = ("keys",)

    def __init__(self, items: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def key_of(self, item: Any) -> Hashable:
        """Return what tells an item from the others."""
        return tuple(hashable(item.get(key)) if isinstance(item, dict) else None for key in self.keys)


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may not be there."""

    value: Any = None
    is_there: bool = False


@dataclass(frozen=True, slots=True)
class Type:
    name: str


@dataclass(frozen=True, slots=True)
class Url:
    text: str
    parts: SplitResult


@dataclass(frozen=True, slots=True)
class Semver:
    """A version of semver.org. `pre`: the parts behind the "-", numbers as such."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()
    build: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """One of the formats that `format.named` knows."""

    name: str


NONE = Optional()
_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "bool"),
    (Uint, "uint"),
    (int, "int"),
    (float, "double"),
    (str, "string"),
    (bytes, "bytes"),
    (list, "list"),
    (dict, "map"),
    (type(None), "null_type"),
    (datetime, "google.protobuf.Timestamp"),
    (timedelta, "google.protobuf.Duration"),
    (Optional, "optional_type"),
    (Quantity, "kubernetes.Quantity"),
    (Url, "kubernetes.URL"),
    ((ipaddress.IPv4Address, ipaddress.IPv6Address), "net.IP"),
    ((ipaddress.IPv4Interface, ipaddress.IPv6Interface), "net.CIDR"),
    (Semver, "kubernetes.Semver"),
    (Format, "kubernetes.NamedFormat"),
)
TYPE_NAMES = ("bool", "uint", "int", "double", "string", "bytes", "list", "map", "null_type", "type")


def type_of(value: Any) -> Type:
    """Return the type of a value."""
    # An interface is an address in Python's eyes; here a network with an address is none.
    if isinstance(value, ipaddress.IPv4Interface | ipaddress.IPv6Interface):
        return Type("net.CIDR")
    return Type(next((name for kind, name in _TYPES if isinstance(value, kind)), "type"))


def is_int(value: Any) -> bool:
    """Whether a value is a signed integer."""
    return isinstance(value, int) and not isinstance(value, bool | Uint)


def is_number(value: Any) -> bool:
    """Whether a value is an integer of either sort, or a double."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def bounded(value: int) -> int:
    """Return a signed integer; raise `EvaluationError` where it has over 64 bits."""
    if not INT_MIN <= value <= INT_MAX:
        raise EvaluationError("integer overflow")
    return value


def unsigned(value: int) -> Uint:
    """Return an unsigned integer; raise `EvaluationError` where it is none of 64 bits."""
    if not 0 <= value <= UINT_MAX:
        raise EvaluationError("unsigned integer overflow")
    return Uint(value)


def double(value: float) -> float:
    """Return a number as a double; raise `EvaluationError` where there is none so large."""
    try:
        return float(value)
    except OverflowError as error:
        raise EvaluationError("double overflow") from error


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same: numbers of any sort by their worth, all else within one type."""
    if is_number(one) or is_number(other):
        return is_number(one) and is_number(other) and bool(one == other)
    if isinstance(one, list):
        return isinstance(other, list) and _equal_lists(one, other)
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(equal(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, Optional) and isinstance(other, Optional):
        return one.is_there == other.is_there and equal(one.value, other.value)
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        return one.nano == other.nano
    return type_of(one) == type_of(other) and bool(one == other)


def _equal_lists(one: list[Any], other: list[Any]) -> bool:
    if len(one) != len(other):
        return False
    if isinstance(one, KeyedList):
        theirs = {one.key_of(item): item for item in other}
        return len(theirs) == len(one) and all(
            one.key_of(item) in theirs and equal(item, theirs[one.key_of(item)]) for item in one
        )
    if isinstance(one, SetList):
        return {hashable(item) for item in one} == {hashable(item) for item in other}
    return all(map(equal, one, other))


def hashable(value: Any) -> Hashable:
    """Return what two values have in common when they are equal."""
    if isinstance(value, dict):
        return frozenset((hashable(key), hashable(each)) for key, each in value.items())
    if isinstance(value, list):
        return tuple(hashable(each) for each in value)
    if is_number(value):
        return ("number", value)
    return type_of(value).name, value


def compare(one: Any, other: Any) -> int:
    """Return -1, 0 or 1; raise `EvaluationError` for values that have no order among them."""
    comparable = (is_number(one) and is_number(other)) or (
        type_of(one) == type_of(other) and isinstance(one, bool | str | bytes | datetime | timedelta)
    )
    if not comparable:
        raise no_overload()
    return int(one > other) - int(one < other)


def told(value: Any) -> str:
    """Return a value as `string()` and messages write it."""
    writer = next((write for kind, write in _WRITERS if isinstance(value, kind)), str)
    return writer(value)


def shown(value: str | float) -> str:
    """Return a text or a number as a message shows it."""
    return told(value)[:SHOWN_MAX]


def _told_float(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < _WHOLE_FLOAT_MAX else repr(value)


def _told_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from error


def _told_json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=told).decode()


_WHOLE_FLOAT_MAX = 1e15
_WRITERS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (str, str),
    (bool, lambda value: "true" if value else "false"),
    (float, _told_float),
    (bytes, _told_bytes),
    (timedelta, lambda value: f"{value.total_seconds():.9f}".rstrip("0").rstrip(".") + "s"),
    (datetime, lambda value: value.isoformat().replace("+00:00", "Z")),
    (Url, lambda value: value.text),
    (Type, lambda value: value.name),
    (type(None), lambda _value: "null"),
    ((list, dict), _told_json),
)
