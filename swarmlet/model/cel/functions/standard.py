"""The standard functions: sizes, conversions, parts of times, and optionals. Source: cel-spec, doc/langdef.md."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from swarmlet.model.base import Time
from swarmlet.model.cel import values
from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.cel.values import NONE, Optional, Uint, is_int

_DURATION = re.compile(r"([+-]?)((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|ms|s|m|h))+|[+-]?0")
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_MICROSECONDS = {"ns": 0.001, "us": 1, "µs": 1, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}
_OFFSET = re.compile(r"([+-]?)([0-9]{2}):([0-9]{2})")
_WHOLE = re.compile(r"-?[0-9]{1,20}")
DURATION_LETTERS_MAX = 64


def size(value: Any) -> int:
    """Return how many letters, bytes, items or entries there are."""
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise no_overload()


def duration(value: Any) -> timedelta:
    """Read a duration as Go writes it: "1h30m", "-1.5s"."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise no_overload()
    if len(value) > DURATION_LETTERS_MAX or not _DURATION.fullmatch(value):
        raise EvaluationError(f'time: invalid duration "{value[:DURATION_LETTERS_MAX]}"')
    total = sum(float(number) * _MICROSECONDS[unit] for number, unit in _PART.findall(value))
    try:
        return timedelta(microseconds=-total if value.startswith("-") else total)
    except OverflowError as error:
        raise EvaluationError("duration out of range") from error


def timestamp(value: Any) -> datetime:
    """Read a time of RFC 3339, or seconds since 1970."""
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            return msgspec.convert(value, Time).astimezone(UTC)
        if is_int(value):
            return datetime.fromtimestamp(value, UTC)
    except (msgspec.ValidationError, ValueError, OverflowError, OSError) as error:
        raise EvaluationError(f"invalid timestamp: {str(value)[:DURATION_LETTERS_MAX]}") from error
    raise no_overload()


def _int(value: Any) -> int:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EvaluationError("integer overflow")
        return values.bounded(int(value))
    if isinstance(value, datetime):
        return math.floor(value.timestamp())
    if isinstance(value, timedelta):
        return int(value.total_seconds() * 10**9)
    return values.bounded(_whole(value))


def _uint(value: Any) -> Uint:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise EvaluationError("unsigned integer overflow")
        return values.unsigned(int(value))
    return values.unsigned(_whole(value))


def _whole(value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, str):
        raise EvaluationError(f'strconv.ParseInt: parsing "{value[:DURATION_LETTERS_MAX]}": invalid syntax')
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise no_overload()


def _double(value: Any) -> float:
    if values.is_number(value):
        return values.double(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            told = value[:DURATION_LETTERS_MAX]
            raise EvaluationError(f'strconv.ParseFloat: parsing "{told}": invalid syntax') from error
    raise no_overload()


def _string(value: Any) -> str:
    if value is None or isinstance(value, list | dict | Optional):
        raise no_overload()
    return values.told(value)


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise no_overload()


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "True": True, "TRUE": True, "t": True, "1": True}
    words |= {"false": False, "False": False, "FALSE": False, "f": False, "0": False}
    if isinstance(value, str) and value in words:
        return words[value]
    raise no_overload()


# Parts of times.


def _zone(name: Any) -> tzinfo:
    if not isinstance(name, str):
        raise no_overload()
    try:
        if match := _OFFSET.fullmatch(name):
            offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
            return timezone(-offset if match[1] == "-" else offset)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EvaluationError(f"unknown time zone {name[:DURATION_LETTERS_MAX]}") from error


def _of_time(read: Callable[[datetime], int]) -> Callable[..., int]:
    def part(value: Any, zone: str = "UTC") -> int:
        if not isinstance(value, datetime):
            raise no_overload()
        try:
            return read(value.astimezone(UTC if zone == "UTC" else _zone(zone)))
        except OverflowError as error:
            raise EvaluationError("timestamp overflow") from error

    return part


def _of_time_or_duration(read: Callable[[datetime], int], microseconds: int) -> Callable[..., int]:
    of_time = _of_time(read)

    def part(value: Any, zone: str = "UTC") -> int:
        if isinstance(value, timedelta):
            return int(value / timedelta(microseconds=microseconds))
        return of_time(value, zone)

    return part


_TIMES: Mapping[str, Callable[..., int]] = {
    "getFullYear": _of_time(lambda time: time.year),
    "getMonth": _of_time(lambda time: time.month - 1),
    "getDate": _of_time(lambda time: time.day),
    "getDayOfMonth": _of_time(lambda time: time.day - 1),
    "getDayOfWeek": _of_time(lambda time: time.isoweekday() % 7),
    "getDayOfYear": _of_time(lambda time: time.timetuple().tm_yday - 1),
    "getHours": _of_time_or_duration(lambda time: time.hour, 3_600_000_000),
    "getMinutes": _of_time_or_duration(lambda time: time.minute, 60_000_000),
    "getSeconds": _of_time_or_duration(lambda time: time.second, 1_000_000),
    "getMilliseconds": _of_time_or_duration(lambda time: time.microsecond // 1_000, 1_000),
}


# Optionals.


def _of_non_zero(value: Any) -> Optional:
    is_zero = value is None or (isinstance(value, bool | int | float | str | bytes | list | dict) and not value)
    return NONE if is_zero or value == timedelta() else Optional(value, is_there=True)


def _optional(value: Any) -> Optional:
    if isinstance(value, Optional):
        return value
    raise no_overload()


def _value(value: Any) -> Any:
    if not _optional(value).is_there:
        raise EvaluationError("optional.none() dereference")
    return value.value


GLOBALS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("size", 1): size,
    ("int", 1): _int,
    ("uint", 1): _uint,
    ("double", 1): _double,
    ("string", 1): _string,
    ("bytes", 1): _bytes,
    ("bool", 1): _bool,
    ("dyn", 1): lambda value: value,
    ("type", 1): values.type_of,
    ("duration", 1): duration,
    ("timestamp", 1): timestamp,
    ("optional.none", 0): lambda: NONE,
    ("optional.of", 1): lambda value: Optional(value, is_there=True),
    ("optional.ofNonZeroValue", 1): _of_non_zero,
}
METHODS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("size", 1): size,
    **{(name, 1): read for name, read in _TIMES.items()},
    **{(name, 2): read for name, read in _TIMES.items()},
    ("hasValue", 1): lambda value: _optional(value).is_there,
    ("value", 1): _value,
    ("or", 2): lambda one, other: one if _optional(one).is_there else _optional(other),
    ("orValue", 2): lambda one, other: one.value if _optional(one).is_there else other,
}
