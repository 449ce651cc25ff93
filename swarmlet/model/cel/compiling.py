"""Making functions of an expression's tree: each node becomes one that asks those of its parts for their values.

An expression without loops costs a step a node at most, and that is little; what is paid for is each turn of a loop,
with all that stands in it, and what functions look at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swarmlet.model.cel import checking, loops, parsing, values
from swarmlet.model.cel.budget import Budget
from swarmlet.model.cel.errors import CompileError, EvaluationError, no_overload
from swarmlet.model.cel.functions import operators, tables
from swarmlet.model.cel.syntax import (
    Call,
    Comprehension,
    Conditional,
    Index,
    Junction,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Operator,
    Select,
)
from swarmlet.model.cel.values import NONE, Optional

KNOWN_MAX = 4_096
"""Expressions that are kept as they were compiled."""

Scope = loops.Scope
Evaluate = loops.Evaluate
_COMPARED = frozenset(("==", "!=", "<", "<=", ">", ">=", "+", "in"))
"""Operators that may look at all of long texts and lists."""


@dataclass(frozen=True, slots=True)
class Program:
    """An expression that was compiled. `names`: the variables that it uses, of those that there are."""

    names: frozenset[str]
    run: Evaluate

    def evaluate(self, variables: Mapping[str, Any], budget: Budget) -> Any:
        """Return the expression's value.

        Raises `EvaluationError` where it has none, and `BudgetError` where the budget does not suffice.
        """
        try:
            return self.run(Scope(dict(variables), budget))
        except RecursionError as error:
            raise EvaluationError("values are nested too deep") from error


@functools.lru_cache(maxsize=KNOWN_MAX)
def compiled(text: str, variables: frozenset[str]) -> Program:
    """Compile an expression in which these variables may stand; raise `CompileError` saying what is wrong with it."""
    tree = parsing.parsed(text)
    try:
        return Program(checking.names_used(tree, text, variables), _made(tree))
    except RecursionError as error:
        raise CompileError(f"expression recursion limit exceeded: {parsing.DEPTH_MAX}", text) from error


def _made(node: Node) -> Evaluate:
    return _MAKERS[type(node)](node)


def _literal(node: Literal) -> Evaluate:
    value = node.value
    return lambda _scope: value


def _name(node: Name) -> Evaluate:
    name = node.name
    if name in checking.TYPES:
        named = values.Type(checking.TYPES[name])
        return lambda scope: scope.variables.get(name, named)
    return lambda scope: scope.variables[name]


def _select(node: Select) -> Evaluate:
    operand, field = _made(node.operand), node.field

    def tested(scope: Scope) -> Any:
        of = operand(scope)
        if isinstance(of, Optional):
            of = of.value
        if of is not None and not isinstance(of, dict):
            raise no_overload()
        return of is not None and field in of

    if node.test:
        return tested
    if node.optional:
        return lambda scope: _optional_item(operand(scope), field)
    return lambda scope: _item(operand(scope), field)


def _index(node: Index) -> Evaluate:
    operand, key = _made(node.operand), _made(node.key)
    if node.optional:
        return lambda scope: _optional_item(operand(scope), key(scope))
    return lambda scope: _item(operand(scope), key(scope))


def _item(of: Any, key: Any) -> Any:
    if isinstance(of, dict):
        if not isinstance(key, str | int | float):
            raise no_overload()
        if key not in of:
            raise EvaluationError(f"no such key: {values.shown(key)}")
        return of[key]
    if isinstance(of, list) and isinstance(key, int | float) and not isinstance(key, bool):
        if not (0 <= key < len(of) and key == int(key)):
            raise EvaluationError(f"index out of bounds: {values.shown(key)}")
        return of[int(key)]
    if isinstance(of, Optional):
        return _optional_item(of, key)
    raise no_overload()


def _optional_item(of: Any, key: Any) -> Optional:
    if isinstance(of, Optional):
        if not of.is_there:
            return NONE
        of = of.value
    try:
        return Optional(_item(of, key), is_there=True)
    except EvaluationError:
        if isinstance(of, list | dict):
            return NONE
        raise


def _operator(node: Operator) -> Evaluate:
    apply = operators.OPERATORS[node.sign, len(node.operands)]
    first = _made(node.operands[0])
    if len(node.operands) == 1:
        return lambda scope: apply(first(scope))
    second = _made(node.operands[1])
    if node.sign not in _COMPARED:
        return lambda scope: apply(first(scope), second(scope))

    def paid(scope: Scope) -> Any:
        one, other = first(scope), second(scope)
        scope.budget.spend_for(one, other)
        return apply(one, other)

    return paid


def _junction(node: Junction) -> Evaluate:
    """Make `&&` or `||`: a side that decides does so, even where another has no value."""
    operands, deciding = [_made(each) for each in node.operands], node.sign == "||"

    def joined(scope: Scope) -> Any:
        failure: EvaluationError | None = None
        for operand in operands:
            try:
                value = operand(scope)
                if not isinstance(value, bool):
                    raise no_overload()
            except EvaluationError as error:
                failure = failure or error
                continue
            if value is deciding:
                return value
        if failure is not None:
            raise failure
        return not deciding

    return joined


def _conditional(node: Conditional) -> Evaluate:
    condition, then, otherwise = _made(node.condition), _made(node.then), _made(node.otherwise)

    def chosen(scope: Scope) -> Any:
        value = condition(scope)
        if not isinstance(value, bool):
            raise no_overload()
        return then(scope) if value else otherwise(scope)

    return chosen


def _call(node: Call) -> Evaluate:
    namespaced = checking.namespaced(node)
    of_target = node.target is not None and not namespaced
    parts = [*([node.target] if of_target and node.target is not None else []), *node.arguments]
    name = namespaced or node.name
    call = (tables.METHODS if of_target else tables.GLOBALS)[name, len(parts)]
    made, cost, is_free = [_made(each) for each in parts], tables.COSTS.get(name), name in tables.FREE

    def called(scope: Scope) -> Any:
        arguments = [each(scope) for each in made]
        scope.budget.spend(cost(*arguments) if cost else 1)
        if is_free:
            return call(*arguments)
        scope.budget.spend_for(*arguments)
        result = call(*arguments)
        scope.budget.spend_for(result)
        return result

    return called


def _list(node: ListOf) -> Evaluate:
    items = [(optional, _made(item)) for optional, item in node.items]

    def made(scope: Scope) -> list[Any]:
        found = [(optional, item(scope)) for optional, item in items]
        return [value.value if optional else value for optional, value in found if not optional or _is_there(value)]

    return made


def _map(node: MapOf) -> Evaluate:
    entries = [(optional, _made(key), _made(value)) for optional, key, value in node.entries]

    def made(scope: Scope) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for optional, key, value in entries:
            name, held = key(scope), value(scope)
            if not isinstance(name, str | int):
                raise EvaluationError("unsupported key type")
            if name in result:
                raise EvaluationError(f"Failed with repeated key: {values.shown(name)}")
            if not optional:
                result[name] = held
            elif _is_there(held):
                result[name] = held.value
        return result

    return made


def _is_there(value: Any) -> bool:
    if isinstance(value, Optional):
        return value.is_there
    raise no_overload()


def _comprehension(node: Comprehension) -> Evaluate:
    parts = [_made(part) for part in node.parts]
    cost = 1 + sum(map(checking.nodes, node.parts))
    return loops.made(node.name, _made(node.target), node.variables, parts, cost)


_MAKERS: Mapping[type, Callable[[Any], Evaluate]] = {
    Literal: _literal,
    Name: _name,
    Select: _select,
    Index: _index,
    Operator: _operator,
    Junction: _junction,
    Conditional: _conditional,
    Call: _call,
    Comprehension: _comprehension,
    ListOf: _list,
    MapOf: _map,
}
