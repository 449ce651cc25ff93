"""The macros that go through lists and maps, turn by turn, and pay for each turn before it is made.

Source: cel-spec, doc/langdef.md (Macros), and cel-go/ext/comprehensions.go for those of two variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmlet.model.cel import values
from swarmlet.model.cel.budget import Budget
from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.cel.values import NONE, Optional


@dataclass(slots=True)
class Scope:
    """The variables of an evaluation, and the steps that are left."""

    variables: dict[str, Any]
    budget: Budget


Evaluate = Callable[[Scope], Any]
_Turns = Iterator[tuple[Any, Any]]


def made(name: str, target: Evaluate, variables: Sequence[str], parts: Sequence[Evaluate], cost: int) -> Evaluate:
    """Return the function of a macro. `cost`: the steps of a turn."""
    if name in ("optMap", "optFlatMap"):
        return _of_optional(name, target, variables[0], parts[0])
    collect = _MACROS[name]

    def run(scope: Scope) -> Any:
        of = target(scope)
        inner = Scope(dict(scope.variables), scope.budget)
        return collect(_turns(of, variables, inner, cost), parts, inner)

    return run


def _turns(of: Any, names: Sequence[str], scope: Scope, cost: int) -> _Turns:
    """Yield index and item, or key and value, with the variables bound to them."""
    if not isinstance(of, list | dict):
        raise no_overload()
    for first, second in of.items() if isinstance(of, dict) else enumerate(of):
        scope.budget.spend(cost)
        if len(names) == 2:
            scope.variables[names[0]], scope.variables[names[1]] = first, second
        else:
            scope.variables[names[0]] = first if isinstance(of, dict) else second
        yield first, scope.variables[names[-1]]


def _holds(part: Evaluate, scope: Scope) -> bool:
    value = part(scope)
    if not isinstance(value, bool):
        raise no_overload()
    return value


def _quantified(deciding: bool) -> Callable[[_Turns, Sequence[Evaluate], Scope], bool]:
    def quantified(turns: _Turns, parts: Sequence[Evaluate], scope: Scope) -> bool:
        """Look for an item that decides; only where there is none does it matter that another has no answer."""
        failure: EvaluationError | None = None
        for _ in turns:
            try:
                if _holds(parts[0], scope) is deciding:
                    return deciding
            except EvaluationError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return not deciding

    return quantified


def _exists_one(turns: _Turns, parts: Sequence[Evaluate], scope: Scope) -> bool:
    return sum(_holds(parts[0], scope) for _ in turns) == 1


def _filter(turns: _Turns, parts: Sequence[Evaluate], scope: Scope) -> list[Any]:
    return [item for _, item in turns if _holds(parts[0], scope)]


def _chosen(turns: _Turns, parts: Sequence[Evaluate], scope: Scope) -> Iterator[tuple[Any, Any]]:
    """Yield the key of each turn that the first of two parts admits, and what the last part makes of it."""
    for key, _ in turns:
        if len(parts) == 1 or _holds(parts[0], scope):
            yield key, parts[-1](scope)


def _map(turns: _Turns, parts: Sequence[Evaluate], scope: Scope) -> list[Any]:
    return [value for _, value in _chosen(turns, parts, scope)]


def _transform_map(turns: _Turns, parts: Sequence[Evaluate], scope: Scope) -> dict[Any, Any]:
    return dict(_chosen(turns, parts, scope))


def _transform_entries(turns: _Turns, parts: Sequence[Evaluate], scope: Scope) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for _, entries in _chosen(turns, parts, scope):
        if not isinstance(entries, dict):
            raise no_overload()
        scope.budget.spend_for(entries)
        for key, value in entries.items():
            if key in result:
                raise EvaluationError(f"insert failed: key {values.shown(key)} already exists")
            result[key] = value
    return result


def _of_optional(name: str, target: Evaluate, variable: str, part: Evaluate) -> Evaluate:
    def run(scope: Scope) -> Optional:
        of = target(scope)
        if not isinstance(of, Optional):
            raise no_overload()
        if not of.is_there:
            return NONE
        value = part(Scope({**scope.variables, variable: of.value}, scope.budget))
        if name == "optMap":
            return Optional(value, is_there=True)
        if not isinstance(value, Optional):
            raise no_overload()
        return value

    return run


_MACROS: Mapping[str, Callable[[_Turns, Sequence[Evaluate], Scope], Any]] = {
    "all": _quantified(deciding=False),
    "exists": _quantified(deciding=True),
    "exists_one": _exists_one,
    "existsOne": _exists_one,
    "filter": _filter,
    "map": _map,
    "transformList": _map,
    "transformMap": _transform_map,
    "transformMapEntry": _transform_entries,
}
