"""What is wrong with an expression before it meets a value: names and functions that there are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swarmlet.model.cel import values
from swarmlet.model.cel.errors import CompileError
from swarmlet.model.cel.functions import tables
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

TYPES: Mapping[str, str] = {name: name for name in values.TYPE_NAMES}
"""Names that stand for types, and are values."""


def names_used(tree: Node, text: str, variables: frozenset[str]) -> frozenset[str]:
    """Return which of the variables an expression uses; raise `CompileError` for what it names that there is not."""
    used: set[str] = set()
    _check(tree, text, variables | TYPES.keys(), used)
    return frozenset(used & variables)


def namespaced(call: Call) -> str:
    """Return the full name of a function such as `sets.contains`, "" where a call is of no such."""
    target = call.target
    if isinstance(target, Name) and target.name in tables.NAMESPACES:
        name = f"{target.name}.{call.name}"
        return name if any(name == known for known, _ in tables.GLOBALS) else ""
    return ""


def nodes(tree: Node) -> int:
    """Return of how many nodes an expression is."""
    return 1 + sum(map(nodes, parts(tree)))


def parts(node: Node) -> Iterator[Node]:
    """Yield the nodes right below one."""
    match node:
        case Select():
            yield node.operand
        case Index():
            yield from (node.operand, node.key)
        case Operator() | Junction():
            yield from node.operands
        case Conditional():
            yield from (node.condition, node.then, node.otherwise)
        case Call():
            yield from (*([node.target] if node.target and not namespaced(node) else []), *node.arguments)
        case Comprehension():
            yield from (node.target, *node.parts)
        case ListOf():
            yield from (item for _, item in node.items)
        case MapOf():
            yield from (each for _, key, value in node.entries for each in (key, value))
        case Literal() | Name():
            return


def _check(node: Node, text: str, known: frozenset[str], used: set[str]) -> None:
    if isinstance(node, Name):
        if node.name not in known:
            raise CompileError(f"undeclared reference to '{node.name}' (in container '')", text, node.position)
        used.add(node.name)
    if isinstance(node, Call):
        _check_call(node, text)
    if isinstance(node, Comprehension):
        _check(node.target, text, known, used)
        for part in node.parts:
            inner: set[str] = set()
            _check(part, text, known | set(node.variables), inner)
            used |= inner - set(node.variables)
        return
    for part in parts(node):
        _check(part, text, known, used)


def _check_call(node: Call, text: str) -> None:
    name = namespaced(node) or node.name
    of_target = node.target is not None and not namespaced(node)
    table = tables.METHODS if of_target else tables.GLOBALS
    count = len(node.arguments) + of_target
    if (name, count) in table:
        return
    if any(name == known for known, _ in table):
        raise CompileError(f"found no matching overload for '{name}'", text, node.position)
    raise CompileError(f"undeclared reference to '{name}' (in container '')", text, node.position)
