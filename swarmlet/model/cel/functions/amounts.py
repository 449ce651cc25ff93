"""Functions of quantities and versions. Source: k8s.io/apiserver/pkg/cel/library (quantity.go, semverlib.go)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from swarmlet.errors import InvalidError
from swarmlet.model import quantity
from swarmlet.model.cel import values
from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.cel.values import Semver, is_int
from swarmlet.model.quantity import Quantity

_UNIT = 10**9
_NUMBER = "(0|[1-9][0-9]{0,17})"
_PART = "[0-9A-Za-z-]+"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PART}(?:\.{_PART})*))?(?:\+({_PART}(?:\.{_PART})*))?")
SEMVER_LETTERS_MAX = 256


def _quantity(text: Any) -> Quantity:
    if not isinstance(text, str):
        raise no_overload()
    try:
        return quantity.parse(text)
    except InvalidError as error:
        raise EvaluationError("quantities must match the regular expression '^([+-]?[0-9.]+)...'") from error


def _is_quantity(text: Any) -> bool:
    try:
        _quantity(text)
    except EvaluationError:
        if not isinstance(text, str):
            raise
        return False
    return True


def _nano(value: Any) -> int:
    if isinstance(value, Quantity):
        return value.nano
    raise no_overload()


def _other(value: Any) -> int:
    """Return what is added to a quantity: another, or a whole number."""
    return value * _UNIT if is_int(value) else _nano(value)


def _moved(one: Any, other: Any, sign: int) -> Quantity:
    nano = _nano(one) + sign * _other(other)
    return Quantity(max(-quantity.NANO_MAX, min(nano, quantity.NANO_MAX)), one.family)


def _as_integer(value: Any) -> int:
    whole, rest = divmod(_nano(value), _UNIT)
    if rest:
        raise EvaluationError("cannot convert value to integer")
    return values.bounded(whole)


def _semver(text: Any) -> Semver:
    if not isinstance(text, str):
        raise no_overload()
    match = _SEMVER.fullmatch(text) if len(text) <= SEMVER_LETTERS_MAX else None
    parts = tuple((match[4] or "").split(".")) if match and match[4] else ()
    if match is None or any(part.isdigit() and len(part) > 1 and part[0] == "0" for part in parts):
        raise EvaluationError("semver parse error: not of the form major.minor.patch[-prerelease][+build]")
    return Semver(int(match[1]), int(match[2]), int(match[3]), parts, match[5] or "")


def _is_semver(text: Any) -> bool:
    try:
        _semver(text)
    except EvaluationError:
        if not isinstance(text, str):
            raise
        return False
    return True


def _rank(version: Semver) -> tuple[Any, ...]:
    """Return what versions are sorted by: one with parts behind the "-" comes before the one without."""
    parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in version.pre)
    return version.major, version.minor, version.patch, not version.pre, parts


def _difference(one: Any, other: Any) -> int:
    """Return -1, 0 or 1, for two quantities or two versions."""
    if isinstance(one, Semver) and isinstance(other, Semver):
        return (_rank(one) > _rank(other)) - (_rank(one) < _rank(other))
    return (_nano(one) > _nano(other)) - (_nano(one) < _nano(other))


def _of_semver(read: Callable[[Semver], int]) -> Callable[[Any], int]:
    def part(value: Any) -> int:
        if not isinstance(value, Semver):
            raise no_overload()
        return read(value)

    return part


GLOBALS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("quantity", 1): _quantity,
    ("isQuantity", 1): _is_quantity,
    ("semver", 1): _semver,
    ("isSemver", 1): _is_semver,
}
METHODS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("sign", 1): lambda value: (_nano(value) > 0) - (_nano(value) < 0),
    ("isInteger", 1): lambda value: _nano(value) % _UNIT == 0,
    ("asInteger", 1): _as_integer,
    ("asApproximateFloat", 1): lambda value: _nano(value) / _UNIT,
    ("add", 2): lambda one, other: _moved(one, other, 1),
    ("sub", 2): lambda one, other: _moved(one, other, -1),
    ("isLessThan", 2): lambda one, other: _difference(one, other) < 0,
    ("isGreaterThan", 2): lambda one, other: _difference(one, other) > 0,
    ("compareTo", 2): _difference,
    ("major", 1): _of_semver(lambda version: version.major),
    ("minor", 1): _of_semver(lambda version: version.minor),
    ("patch", 1): _of_semver(lambda version: version.patch),
}
