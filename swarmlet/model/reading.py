"""One reader for each type of Kubernetes, made from its schema and the struct that swarmlet keeps of it.

A reader takes a value of a JSON document and returns it clean: nulls dropped, quantities canonical, required fields
there (with Go's zero value, which validation then refuses). It raises `CallerError` at a wrong type, and it reports
the fields it leaves out: those of no Kubernetes, those that are ignored, and those that may not be ignored.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from swarmlet.errors import CallerError, InvalidError
from swarmlet.model import quantity, schema
from swarmlet.model.base import ApiStruct, clock_time, micro_time


@dataclass(slots=True)
class Report:
    """The paths of the fields left out, in the order of the document."""

    unknown: list[str] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


_AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]

Reader = Callable[[Any, str, Report], Any]

_RANGES = {"int32": 2**31, "int64": 2**63}
_TOLD = {bool: "a boolean", str: "a string", int: "a number", float: "a number", list: "a list", dict: "an object"}

HARMLESS: dict[str, Any] = {
    "hostUsers": True,
    "mountPropagation": "None",
    "recursiveReadOnly": "Disabled",
    "serviceAccount": "default",
}
"""Values that Kubernetes itself fills in: an exported manifest bears them, and ignoring them changes nothing."""

ONE_OF = frozenset(
    f"io.k8s.api.core.v1.{name}" for name in ("Volume", "VolumeProjection", "EnvVarSource", "EnvFromSource")
)
"""Types of which one field says what the thing is. Without that field it would be another thing: an empty folder in
the place of a disk. So one that swarmlet does not honour is refused, where in other types it is ignored."""


def told(value: Any) -> str:
    """Name the JSON type of a value, for a message."""
    return "null" if value is None else _TOLD.get(type(value), type(value).__name__)


@functools.cache
def reader(definition: str, struct: type[ApiStruct] | None) -> Reader:
    """Return the reader of a definition into `struct`; None where swarmlet keeps nothing of it."""
    special = _SPECIAL.get(definition)
    if special:
        return special
    if "properties" not in schema.definitions()[definition]:
        return _free_object
    return _object(definition, struct)


def _object(definition: str, struct: type[ApiStruct] | None) -> Reader:
    kept = {each.encode_name: each for each in msgspec.structs.fields(struct)} if struct else {}
    readers = {
        name: _of_schema(each.schema, struct_in(kept[name].type) if name in kept else None)
        for name, each in schema.fields(definition).items()
    }
    left_out = frozenset(readers) - frozenset(kept) if struct else frozenset()
    required = {name: _zero(each.type) for name, each in kept.items() if each.required}

    def read(value: Any, path: str, report: Report) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong(path, "an object", value)
        clean = required.copy()
        for name, each in value.items():
            inner = f"{path}.{name}" if path else str(name)
            read_field = readers.get(name)
            if read_field is None:
                report.unknown.append(inner)
            elif each is not None:
                clean[name] = read_field(each, inner, report)
                if name in left_out and definition in ONE_OF:
                    report.refused.append(inner)
                elif name in left_out and not _is_harmless(name, each):
                    report.unsupported.append(inner)
        return clean

    return read


def _is_harmless(name: str, value: Any) -> bool:
    usual = HARMLESS.get(name)
    return usual == value or (not value and usual is not True)


def _of_schema(part: schema.Schema, struct: type[ApiStruct] | None) -> Reader:
    if "$ref" in part:
        return reader(part["$ref"], struct)
    if "items" in part:
        return _list(_of_schema(part["items"], struct))
    if "additionalProperties" in part:
        return _map(part["additionalProperties"], struct)
    if part.get("type") == "integer":
        return _integer(part.get("format", "int64"))
    return {"string": _string, "boolean": _boolean}.get(part.get("type", ""), _free_form)


def _list(read_item: Reader) -> Reader:
    def read(value: Any, path: str, report: Report) -> list[Any]:
        if type(value) is not list:
            raise _wrong(path, "a list", value)
        return [read_item(item, f"{path}[{index}]", report) for index, item in enumerate(value)]

    return read


def _map(part: schema.Schema, struct: type[ApiStruct] | None) -> Reader:
    read_value = _of_schema(part, struct)
    empty = "" if part.get("type") == "string" else None

    def read(value: Any, path: str, report: Report) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong(path, "an object", value)
        return {
            str(name): read_value(empty if each is None else each, f"{path}.{name}", report)
            for name, each in value.items()
        }

    return read


def _string(value: Any, path: str, _report: Report) -> str:
    if type(value) is not str:
        raise _wrong(path, "a string", value)
    return value


def _boolean(value: Any, path: str, _report: Report) -> bool:
    if type(value) is not bool:
        raise _wrong(path, "a boolean", value)
    return value


def _integer(width: str) -> Callable[[Any, str, Report], int]:
    end = _RANGES.get(width, _RANGES["int64"])

    def read(value: Any, path: str, _report: Report) -> int:
        if type(value) is not int:
            raise _wrong(path, "an integer", value)
        if not -end <= value < end:
            raise CallerError(f"{path}: {value} does not fit {width}")
        return value

    return read


_int32 = _integer("int32")


def _int_or_string(value: Any, path: str, report: Report) -> int | str:
    if type(value) is str:
        return value
    if type(value) is not int:
        raise _wrong(path, "an integer or a string", value)
    return _int32(value, path, report)


def _quantity(value: Any, path: str, _report: Report) -> str:
    if type(value) not in (str, int, float):
        raise _wrong(path, "a quantity", value)
    try:
        return quantity.canonical(str(value))
    except InvalidError as error:
        raise CallerError(f"{path}: {error}") from error


def _time(value: Any, path: str, _report: Report) -> datetime:
    return clock_time(_instant(value, path))


def _micro_time(value: Any, path: str, _report: Report) -> datetime:
    return micro_time(_instant(value, path))


def _instant(value: Any, path: str) -> datetime:
    if type(value) is str:
        try:
            return msgspec.convert(value, _AwareTime).astimezone(UTC)
        except (msgspec.ValidationError, OverflowError):
            pass
    raise CallerError(f'{path}: {str(value)[:40]!r} is no time such as "2006-01-02T15:04:05Z"')


def _free_form(value: Any, _path: str, _report: Report) -> Any:
    return value


def _free_object(value: Any, path: str, _report: Report) -> dict[str, Any]:
    if type(value) is not dict:
        raise _wrong(path, "an object", value)
    return value


def _kept_as_json(value: Any, path: str, report: Report) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(_free_object(value, path, report)))


_SPECIAL: dict[str, Reader] = {
    schema.FIELDS_V1: _kept_as_json,
    schema.JSON_SCHEMA: _free_object,
    schema.QUANTITY: _quantity,
    schema.INT_OR_STRING: _int_or_string,
    schema.TIME: _time,
    schema.MICRO_TIME: _micro_time,
}


def _wrong(path: str, expected: str, value: Any) -> CallerError:
    """Say what is wrong without the value: it may be a secret."""
    return CallerError(f"{path or 'the document'}: expected {expected}, got {told(value)}")


def struct_in(annotation: Any) -> type[ApiStruct] | None:
    """Return the struct inside `T | None`, `tuple[T, ...]` or `dict[str, T]`."""
    if isinstance(annotation, type) and issubclass(annotation, ApiStruct):
        return annotation
    return next(filter(None, map(struct_in, typing.get_args(annotation))), None)


def _zero(annotation: Any) -> Any:
    """Return Go's zero value of a required field; of a struct, with those of its own required fields."""
    if isinstance(annotation, type) and issubclass(annotation, ApiStruct):
        return {each.encode_name: _zero(each.type) for each in msgspec.structs.fields(annotation) if each.required}
    if typing.get_origin(annotation) is tuple:
        return []
    if annotation is str:
        return ""
    if annotation is bool:
        return False
    return 0 if annotation is int or int in typing.get_args(annotation) else {}
