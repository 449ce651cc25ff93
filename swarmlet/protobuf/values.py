"""Single values: scalars, and the messages that are no objects in JSON (times, quantities, and so on).

Sources, all in k8s.io/apimachinery: pkg/apis/meta/v1 (Time, MicroTime, FieldsV1), pkg/api/resource (Quantity),
pkg/util/intstr (IntOrString), pkg/runtime (RawExtension).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from swarmlet.protobuf import wire
from swarmlet.protobuf.wire import MalformedError, Reader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STRING_IN_PLACE_OF_INT = 1


class WireTypeError(MalformedError):
    """A field in another wire type than its own."""

    def __init__(self, wire_type: int) -> None:
        super().__init__(f"wrong wireType = {wire_type}")
        self.wire_type = wire_type


def scalar(type_: str, wire_type: int, value: int | memoryview, reader: Reader) -> Any:
    """Return a value as JSON has it; None where it is the null of its type."""
    if type_ in _NUMBERS:
        return _NUMBERS[type_](_number(wire_type, value))
    data = some_bytes(wire_type, value)
    return _MESSAGES[type_](data, reader) if type_ in _MESSAGES else _BYTES[type_](data)


def zero(type_: str, reader: Reader) -> Any:
    """Return the value that is meant where none is sent."""
    empty: int | memoryview = 0 if type_ in _NUMBERS else memoryview(b"")
    return scalar(type_, wire.VARINT if type_ in _NUMBERS else wire.LENGTH, empty, reader)


def is_packed(type_: str, wire_type: int) -> bool:
    """Whether a list's numbers stand in one field."""
    return type_ in _NUMBERS and wire_type == wire.LENGTH


def packed(type_: str, data: memoryview, reader: Reader) -> list[Any]:
    """Return the numbers of a packed list."""
    return [_NUMBERS[type_](number) for number in reader.packed(data)]


def some_bytes(wire_type: int, value: int | memoryview) -> memoryview:
    """Return the bytes of a field that has some."""
    if wire_type != wire.LENGTH or isinstance(value, int):
        raise WireTypeError(wire_type)
    return value


def text(wire_type: int, value: int | memoryview) -> str:
    """Return the text of a field that is text."""
    return _text(some_bytes(wire_type, value))


def _number(wire_type: int, value: int | memoryview) -> int:
    if wire_type != wire.VARINT or not isinstance(value, int):
        raise WireTypeError(wire_type)
    return value


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("a text is not UTF-8") from error


def _base64(data: memoryview) -> str:
    return base64.b64encode(data).decode()


def _members(data: memoryview, reader: Reader) -> dict[int, tuple[int, int | memoryview]]:
    return {number: (wire_type, value) for number, wire_type, value in reader.fields(data)}


def _quantity(data: memoryview, reader: Reader) -> str:
    """Quantity: string = 1, as it was written."""
    members = _members(data, reader)
    return text(*members[1]) if 1 in members else "0"


def _int_or_string(data: memoryview, reader: Reader) -> int | str:
    """IntOrString: type = 1, intVal = 2, strVal = 3."""
    members = _members(data, reader)
    number = (wire.VARINT, 0)
    if _number(*members.get(1, number)) == _STRING_IN_PLACE_OF_INT:
        return text(*members[3]) if 3 in members else ""
    return wire.signed(_number(*members.get(2, number)), 32)


def _moment(data: memoryview, reader: Reader) -> datetime | None:
    """Timestamp: seconds = 1, nanos = 2; without any, no time."""
    if not data:
        return None
    members = _members(data, reader)
    number = (wire.VARINT, 0)
    seconds = wire.signed(_number(*members.get(1, number)), 64)
    microseconds = wire.signed(_number(*members.get(2, number)), 32) // 1000
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
    except OverflowError as error:
        raise MalformedError("a time is out of range") from error


def _time(data: memoryview, reader: Reader) -> str | None:
    moment = _moment(data, reader)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20) if moment else None


def _micro_time(data: memoryview, reader: Reader) -> str | None:
    moment = _moment(data, reader)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27) if moment else None


def _json(data: memoryview, reader: Reader) -> Any:
    """RawExtension and FieldsV1: raw = 1, which is JSON."""
    members = _members(data, reader)
    raw = some_bytes(*members[1]) if 1 in members else b""
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"an embedded document is not JSON: {error}") from error


def _strings(data: memoryview, reader: Reader) -> list[str]:
    """ExtraValue: items = 1."""
    return [text(wire_type, value) for number, wire_type, value in reader.fields(data) if number == 1]


_NUMBERS: dict[str, Callable[[int], Any]] = {
    "bool": bool,
    "int32": lambda number: wire.signed(number, 32),
    "int64": lambda number: wire.signed(number, 64),
}
_BYTES: dict[str, Callable[[memoryview], str]] = {"string": _text, "bytes": _base64}
_MESSAGES: dict[str, Callable[[memoryview, Reader], Any]] = {
    "quantity": _quantity,
    "intOrString": _int_or_string,
    "time": _time,
    "microTime": _micro_time,
    "json": _json,
    "strings": _strings,
}
