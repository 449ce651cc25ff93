"""`+ - * / %`, the comparisons and `in`, of each sort of values. Source: cel-spec, doc/langdef.md (Operators)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from swarmlet.model.cel import values
from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.cel.values import KeyedList, SetList, Uint, is_int


def _arithmetic(one: Any, other: Any, apply: Callable[[Any, Any], Any]) -> Any:
    """Apply an operator of numbers: both of one type, and the result of that type too."""
    if is_int(one) and is_int(other):
        return values.bounded(apply(one, other))
    if isinstance(one, Uint) and isinstance(other, Uint):
        return values.unsigned(apply(int(one), int(other)))
    if isinstance(one, float) and isinstance(other, float):
        return apply(one, other)
    raise no_overload()


def _add(one: Any, other: Any) -> Any:
    if isinstance(one, str) and isinstance(other, str):
        return one + other
    if isinstance(one, bytes) and isinstance(other, bytes):
        return one + other
    if isinstance(one, list) and isinstance(other, list):
        return _joined(one, other)
    if isinstance(one, datetime | timedelta) and isinstance(other, datetime | timedelta):
        return _moved(one, other)
    return _arithmetic(one, other, lambda left, right: left + right)


def _joined(one: list[Any], other: list[Any]) -> list[Any]:
    """Return two lists as one; sets without repetition, keyed ones with the second's items in place of the first's."""
    if isinstance(one, KeyedList):
        merged = {one.key_of(item): item for item in [*one, *other]}
        return KeyedList(list(merged.values()), one.keys)
    if isinstance(one, SetList):
        return SetList({values.hashable(item): item for item in [*other, *one]}.values())
    return [*one, *other]


def _moved(one: datetime | timedelta, other: datetime | timedelta) -> datetime | timedelta:
    try:
        if isinstance(one, timedelta):
            return one + other
        if isinstance(other, timedelta):
            return one + other
    except OverflowError as error:
        raise EvaluationError("timestamp overflow") from error
    raise no_overload()


def _subtract(one: Any, other: Any) -> Any:
    try:
        if isinstance(one, datetime) and isinstance(other, datetime | timedelta):
            return one - other
        if isinstance(one, timedelta) and isinstance(other, timedelta):
            return one - other
    except OverflowError as error:
        raise EvaluationError("timestamp overflow") from error
    return _arithmetic(one, other, lambda left, right: left - right)


def _multiply(one: Any, other: Any) -> Any:
    return _arithmetic(one, other, lambda left, right: left * right)


def _divide(one: Any, other: Any) -> Any:
    return _arithmetic(one, other, _quotient)


def _quotient(one: Any, other: Any) -> Any:
    if isinstance(one, float):
        if other:
            return one / other
        return math.nan if not one or math.isnan(one) else math.copysign(math.inf, one) * math.copysign(1, other)
    if not other:
        raise EvaluationError("division by zero")
    quotient = abs(one) // abs(other)
    return quotient if (one < 0) == (other < 0) else -quotient


def _remainder(one: Any, other: Any) -> Any:
    if isinstance(one, float) or isinstance(other, float):
        raise no_overload()
    return _arithmetic(one, other, _rest)


def _rest(one: int, other: int) -> int:
    if not other:
        raise EvaluationError("modulus by zero")
    rest = abs(one) % abs(other)
    return -rest if one < 0 else rest


def _contained(item: Any, container: Any) -> bool:
    if isinstance(container, dict):
        return isinstance(item, str | int) and item in container
    if isinstance(container, list):
        return any(values.equal(item, each) for each in container)
    raise no_overload()


def _negated(value: Any) -> Any:
    if isinstance(value, float):
        return -value
    if is_int(value):
        return values.bounded(-value)
    raise no_overload()


def _opposite(value: Any) -> bool:
    if isinstance(value, bool):
        return not value
    raise no_overload()


OPERATORS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("!", 1): _opposite,
    ("-", 1): _negated,
    ("==", 2): values.equal,
    ("!=", 2): lambda one, other: not values.equal(one, other),
    ("<", 2): lambda one, other: values.compare(one, other) < 0,
    ("<=", 2): lambda one, other: values.compare(one, other) <= 0,
    (">", 2): lambda one, other: values.compare(one, other) > 0,
    (">=", 2): lambda one, other: values.compare(one, other) >= 0,
    ("in", 2): _contained,
    ("+", 2): _add,
    ("-", 2): _subtract,
    ("*", 2): _multiply,
    ("/", 2): _divide,
    ("%", 2): _remainder,
}
