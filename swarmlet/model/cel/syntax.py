"""The tree of an expression. Each node knows where in the text it begins, for messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any
    position: int


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, `operand.?field` where `optional`, `has(operand.field)` where `test`."""

    operand: Node
    field: str
    position: int
    optional: bool = False
    test: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    operand: Node
    key: Node
    position: int
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """`-a`, `!a`, `a + b`, `a in b` and the like; not those that may leave a side out."""

    sign: str
    operands: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Junction:
    """`a && b && c` or `a || b || c`: flat, so that long ones are not deep."""

    sign: str
    operands: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Conditional:
    condition: Node
    then: Node
    otherwise: Node
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`, or `target.name(arguments)`."""

    name: str
    target: Node | None
    arguments: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`target.name(variables..., parts...)`: the parts are evaluated with the variables bound, item by item."""

    name: str
    target: Node
    variables: tuple[str, ...]
    parts: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, ?b]`: an item after a `?` is an optional, and left out where it is none."""

    items: tuple[tuple[bool, Node], ...]
    position: int


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{key: value, ?key: optional}`."""

    entries: tuple[tuple[bool, Node, Node], ...]
    position: int


Node = Literal | Name | Select | Index | Operator | Junction | Conditional | Call | Comprehension | ListOf | MapOf
