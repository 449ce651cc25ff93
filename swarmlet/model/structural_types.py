"""What type an expression over a structural schema has, as far as the schema tells, and which fields it names wrongly.

A type is a schema; one that says nothing (`{}`) is any type. Kubernetes types expressions in full as a definition comes
in; here it is told of fields that there are not, of comparisons that cannot hold, and of rules that are no conditions,
and what else does not fit is told when an object is written. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from swarmlet.model import structural, structural_scopes
from swarmlet.model.cel import checking, parsing
from swarmlet.model.cel.errors import CompileError
from swarmlet.model.cel.syntax import (
    Call,
    Comprehension,
    Conditional,
    Index,
    Junction,
    ListOf,
    Literal,
    Name,
    Node,
    Operator,
    Select,
)
from swarmlet.model.structural import Schema

ANY: Schema = {}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
STRING: Schema = {"type": "string"}
OBJECT = "x-object"
"""Marks the schema of a whole object, which has metadata beside what it says."""

_COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">="))
_CONDITIONS = frozenset(("all", "exists", "exists_one", "existsOne"))
_RESULTS: Mapping[str, Schema] = {
    "size": INTEGER,
    **dict.fromkeys(("contains", "endsWith", "hasValue", "isSorted", "matches", "startsWith"), BOOLEAN),
    **dict.fromkeys(("isCIDR", "isIP", "isQuantity", "isSemver", "isURL"), BOOLEAN),
    **dict.fromkeys(("format", "join", "lowerAscii", "replace", "string", "substring", "trim", "upperAscii"), STRING),
}
"""Of functions whose result is of one type whatever they are given."""
_NAMES = {"boolean": "bool", "integer": "int", "number": "double", "string": "string", "array": "list", "object": "map"}
_FORMATS = {"date": "timestamp", "date-time": "timestamp", "datetime": "timestamp", "duration": "duration"}
_FORMATS |= {"byte": "bytes"}
_LITERALS = {bool: BOOLEAN, int: INTEGER, float: {"type": "number"}, str: STRING}
_NUMBERS = frozenset(("int", "double"))


def type_of(text: str, variables: Mapping[str, Schema]) -> Schema:
    """Return the type of an expression; raise `CompileError` where it names what its variables have not."""
    return _Typing(text).of(parsing.parsed(text), variables)


def name_of(schema: Schema) -> str:
    """Return what a type is called in expressions, "" for any."""
    given = schema.get("type", "")
    return _FORMATS.get(schema.get("format", ""), "string") if given == "string" else _NAMES.get(given, "")


class _Typing:
    def __init__(self, text: str) -> None:
        self._text = text
        self._rules: Mapping[type, Callable[[Any, Mapping[str, Schema]], Schema]] = {
            Select: self._select,
            Index: self._index,
            Operator: self._operator,
            Junction: self._junction,
            Conditional: self._conditional,
            Call: self._call,
            Comprehension: self._comprehension,
            ListOf: self._list,
        }

    def of(self, node: Node, scope: Mapping[str, Schema]) -> Schema:
        """Return the type of a node."""
        if isinstance(node, Name):
            return scope.get(node.name, ANY)
        if isinstance(node, Literal):
            return _LITERALS.get(type(node.value), ANY)
        rule = self._rules.get(type(node))
        if rule is not None:
            return rule(node, scope)
        self._each(node, scope)
        return ANY

    def _each(self, node: Node, scope: Mapping[str, Schema]) -> list[Schema]:
        return [self.of(part, scope) for part in checking.parts(node)]

    def _error(self, message: str, node: Node) -> CompileError:
        return CompileError(message, self._text, node.position)

    def _select(self, node: Select, scope: Mapping[str, Schema]) -> Schema:
        found = self._field(node, self.of(node.operand, scope))
        if node.test:
            return BOOLEAN
        return ANY if node.optional else found

    def _field(self, node: Select, of: Schema) -> Schema:
        name = name_of(of)
        if not name:
            return ANY
        if name != "map":
            raise self._error(f"type '{name}' does not support field selection", node)
        if isinstance(of.get("additionalProperties"), Mapping):
            return known(of["additionalProperties"])
        fields = structural_scopes.properties(of, is_root=bool(of.get(OBJECT)))
        found = next((part for key, part in fields.items() if structural_scopes.escaped(key) == node.field), None)
        if found is None:
            raise self._error(f"undefined field '{node.field}'", node)
        return known(found)

    def _index(self, node: Index, scope: Mapping[str, Schema]) -> Schema:
        of, _ = self._each(node, scope)
        if node.optional:
            return ANY
        return known(of.get("items") or of.get("additionalProperties") or ANY)

    def _operator(self, node: Operator, scope: Mapping[str, Schema]) -> Schema:
        types = self._each(node, scope)
        names = [name_of(each) for each in types]
        if node.sign in _COMPARISONS and all(names):
            are_numbers = set(names) <= _NUMBERS and node.sign not in ("==", "!=")
            if names[0] != names[1] and not are_numbers:
                told = ", ".join(names)
                raise self._error(f"found no matching overload for '_{node.sign}_' applied to '({told})'", node)
        if node.sign in ("in", "!") or node.sign in _COMPARISONS:
            return BOOLEAN
        return types[0] if len(set(names)) == 1 else ANY

    def _junction(self, node: Junction, scope: Mapping[str, Schema]) -> Schema:
        for operand, found in zip(node.operands, self._each(node, scope), strict=True):
            name = name_of(found)
            if name not in ("", "bool"):
                raise self._error(f"expected type 'bool' but found '{name}'", operand)
        return BOOLEAN

    def _conditional(self, node: Conditional, scope: Mapping[str, Schema]) -> Schema:
        _, then, otherwise = self._each(node, scope)
        return then if then == otherwise else ANY

    def _call(self, node: Call, scope: Mapping[str, Schema]) -> Schema:
        self._each(node, scope)
        return ANY if checking.namespaced(node) else _RESULTS.get(node.name, ANY)

    def _list(self, node: ListOf, scope: Mapping[str, Schema]) -> Schema:
        self._each(node, scope)
        return {"type": "array"}

    def _comprehension(self, node: Comprehension, scope: Mapping[str, Schema]) -> Schema:
        of = self.of(node.target, scope)
        name = name_of(of)
        if name not in ("", "list", "map"):
            raise self._error(f"expression of type '{name}' cannot be range of a comprehension", node)
        item = known(of.get("items") or ANY)
        key: Schema = STRING if name == "map" else INTEGER if name == "list" else ANY
        value = item if name == "list" else known(of.get("additionalProperties") or ANY)
        bound = (key, value) if len(node.variables) == 2 else (value if name == "list" else key,)
        inner = {**scope, **dict(zip(node.variables, bound, strict=True))}
        made = [self.of(part, inner) for part in node.parts]
        if node.name in _CONDITIONS:
            return BOOLEAN
        if node.name == "filter":
            return of
        return {"type": "array", "items": made[-1]} if node.name in ("map", "transformList") else ANY


def known(schema: Any) -> Schema:
    """Return a schema where it tells a type, ANY where values of several may stand there."""
    is_one = isinstance(schema, Mapping) and not schema.get(structural.INT_OR_STRING)
    return schema if is_one else ANY
