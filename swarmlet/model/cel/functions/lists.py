"""Functions of lists and sets. Source: k8s.io/apiserver/pkg/cel/library/lists.go, and cel-go/ext/sets.go."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from swarmlet.model.cel import values
from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.cel.functions import operators, texts

_ADD = operators.OPERATORS["+", 2]


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise no_overload()


def _is_sorted(items: Any) -> bool:
    given = _list(items)
    return all(values.compare(one, other) <= 0 for one, other in itertools.pairwise(given))


def _sum(items: Any) -> Any:
    given = _list(items)
    if not given:
        return 0
    total = given[0]
    if not (values.is_number(total) or isinstance(total, timedelta)):
        raise no_overload()
    for each in given[1:]:
        total = _ADD(total, each)
    return total


def _extreme(sign: int, name: str) -> Callable[[Any], Any]:
    def extreme(items: Any) -> Any:
        given = _list(items)
        if not given:
            raise EvaluationError(f"{name} called on empty list")
        found = given[0]
        for each in given[1:]:
            if values.compare(each, found) * sign > 0:
                found = each
        return found

    return extreme


def _index_of(where: Any, what: Any) -> int:
    if isinstance(where, str):
        return int(texts.INDEX_OF(where, what))
    return next((number for number, each in enumerate(_list(where)) if values.equal(each, what)), -1)


def _last_index_of(where: Any, what: Any) -> int:
    if isinstance(where, str):
        return int(texts.LAST_INDEX_OF(where, what))
    given = _list(where)
    return next((number for number in reversed(range(len(given))) if values.equal(given[number], what)), -1)


def _as_set(value: Any) -> frozenset[Any]:
    return frozenset(values.hashable(each) for each in _list(value))


METHODS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("isSorted", 1): _is_sorted,
    ("sum", 1): _sum,
    ("min", 1): _extreme(-1, "min"),
    ("max", 1): _extreme(1, "max"),
    ("indexOf", 2): _index_of,
    ("indexOf", 3): texts.INDEX_OF,
    ("lastIndexOf", 2): _last_index_of,
    ("lastIndexOf", 3): texts.LAST_INDEX_OF,
}
GLOBALS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("sets.contains", 2): lambda one, other: _as_set(one) >= _as_set(other),
    ("sets.equivalent", 2): lambda one, other: _as_set(one) == _as_set(other),
    ("sets.intersects", 2): lambda one, other: bool(_as_set(one) & _as_set(other)),
}
