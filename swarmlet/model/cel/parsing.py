"""Reading an expression: its text becomes a tree. Source: cel-spec, doc/langdef.md (Syntax, Macros)."""

from __future__ import annotations

from collections.abc import Mapping

from swarmlet.model.cel.errors import CompileError
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
from swarmlet.model.cel.tokens import Token, tokens
from swarmlet.model.cel.values import INT_MAX, is_int

DEPTH_MAX = 100
"""Of nesting; Python's own stack bears it many times over."""

_JUNCTIONS = ("||", "&&")
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
_CLOSENESS = {sign: level for level, signs in enumerate(_LEVELS, 1) for sign in signs}
_WORDS = {"true": True, "false": False, "null": None}
_STATEMENTS = ("break", "const", "continue", "else", "for", "function", "if", "let", "loop", "return", "var", "while")
RESERVED = frozenset((*_STATEMENTS, "as", "import", "in", "namespace", "package", "void"))
"""Words that are no names."""
VARIABLES_AND_PARTS: Mapping[tuple[str, int], tuple[int, int]] = {
    ("all", 2): (1, 1),
    ("all", 3): (2, 1),
    ("exists", 2): (1, 1),
    ("exists", 3): (2, 1),
    ("exists_one", 2): (1, 1),
    ("existsOne", 2): (1, 1),
    ("existsOne", 3): (2, 1),
    ("filter", 2): (1, 1),
    ("map", 2): (1, 1),
    ("map", 3): (1, 2),
    ("optFlatMap", 2): (1, 1),
    ("optMap", 2): (1, 1),
    ("transformList", 3): (2, 1),
    ("transformList", 4): (2, 2),
    ("transformMap", 3): (2, 1),
    ("transformMap", 4): (2, 2),
    ("transformMapEntry", 3): (2, 1),
    ("transformMapEntry", 4): (2, 2),
}
"""Of each macro, by its name and its number of arguments: how many variables it binds, and what is evaluated then."""


def parsed(text: str) -> Node:
    """Return the tree of an expression; raise `CompileError` saying where it is none."""
    try:
        return _Parser(text).whole()
    except RecursionError as error:
        raise CompileError(f"expression recursion limit exceeded: {DEPTH_MAX}", text) from error


class _Parser:
    """One reading from left to right; each method returns the tree of what it has read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        """Read all of the text."""
        tree = self._expression()
        if self._next.kind != "end":
            raise self._unexpected()
        return tree

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *signs: str) -> Token | None:
        """Return the next token, and go on, where it is one of these signs or words; None where it is not."""
        token = self._next
        if token.kind in ("sign", "word") and token.value in signs:
            self._at += 1
            return token
        return None

    def _expect(self, sign: str) -> Token:
        token = self._take(sign)
        if token is None:
            raise self._unexpected()
        return token

    def _unexpected(self) -> CompileError:
        return self._error(f"Syntax error: unexpected {self._next.value!r}", self._next.position)

    def _error(self, message: str, position: int) -> CompileError:
        return CompileError(message, self._text, position)

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._error(f"expression recursion limit exceeded: {DEPTH_MAX}", self._next.position)
        condition = self._binary(1)
        if mark := self._take("?"):
            then = self._binary(1)
            self._expect(":")
            condition = Conditional(condition, then, self._expression(), mark.position)
        self._depth -= 1
        return condition

    def _binary(self, least: int) -> Node:
        """Read operators that bind at least so closely, and their operands."""
        left, length = self._unary(), 0
        while self._next.kind in ("sign", "word") and _CLOSENESS.get(self._next.value, 0) >= least:
            sign = self._next
            self._at += 1
            right = self._binary(_CLOSENESS[sign.value] + 1)
            if sign.value in _JUNCTIONS:
                before = left.operands if isinstance(left, Junction) and left.sign == sign.value else (left,)
                left = Junction(sign.value, (*before, right), sign.position)
                continue
            length += 1
            if length > DEPTH_MAX:  # each is one level deeper in the tree
                raise self._error(f"expression recursion limit exceeded: {DEPTH_MAX}", sign.position)
            left = Operator(sign.value, (left, right), sign.position)
        return left

    def _unary(self) -> Node:
        signs: list[Token] = []
        while sign := self._take("!", "-"):
            signs.append(sign)
        if len(signs) > DEPTH_MAX:
            raise self._error(f"expression recursion limit exceeded: {DEPTH_MAX}", signs[0].position)
        number = self._next
        negated = bool(signs) and signs[-1].value == "-" and number.kind == "literal" and _is_literal_number(number)
        if negated:
            self._at += 1
            signs.pop()
            node: Node = self._member(Literal(-number.value, number.position))
        else:
            node = self._member(self._primary())
        for sign in reversed(signs):
            node = Operator(sign.value, (node,), sign.position)
        return node

    def _member(self, node: Node) -> Node:
        """Read what follows a value: fields, indexes, calls."""
        length = 0
        while mark := self._take(".", "["):
            length += 1
            if length > DEPTH_MAX:
                raise self._error(f"expression recursion limit exceeded: {DEPTH_MAX}", mark.position)
            optional = self._take("?") is not None
            if mark.value == "[":
                node = Index(node, self._expression(), mark.position, optional)
                self._expect("]")
                continue
            name = self._next
            if name.kind != "word" or name.value in ("in", *_WORDS):
                raise self._unexpected()
            self._at += 1
            if not optional and self._take("("):
                node = self._called(name, node)
            else:
                node = Select(node, name.value, mark.position, optional)
        return node

    def _primary(self) -> Node:
        token = self._next
        if token.kind == "literal":
            self._at += 1
            if is_int(token.value) and token.value > INT_MAX:
                raise self._error("Syntax error: invalid int literal", token.position)
            return Literal(token.value, token.position)
        if token.kind == "word":
            return self._word(token)
        if self._take("("):
            inner = self._expression()
            self._expect(")")
            return inner
        if self._take("["):
            return ListOf(tuple(self._items()), token.position)
        if self._take("{"):
            return MapOf(tuple(self._entries()), token.position)
        if self._take("."):  # from the root of all names, which is where we are
            return self._primary()
        raise self._unexpected()

    def _word(self, token: Token) -> Node:
        self._at += 1
        if token.value in _WORDS:
            return Literal(_WORDS[token.value], token.position)
        if token.value in RESERVED:
            raise self._error(f"Syntax error: reserved identifier: {token.value}", token.position)
        if self._take("("):
            return self._called(token, None)
        return Name(token.value, token.position)

    def _items(self) -> list[tuple[bool, Node]]:
        items = []
        while not self._take("]"):
            optional = self._take("?") is not None
            items.append((optional, self._expression()))
            if not self._take(","):
                self._expect("]")
                break
        return items

    def _entries(self) -> list[tuple[bool, Node, Node]]:
        entries = []
        while not self._take("}"):
            optional = self._take("?") is not None
            key = self._expression()
            self._expect(":")
            entries.append((optional, key, self._expression()))
            if not self._take(","):
                self._expect("}")
                break
        return entries

    def _called(self, name: Token, target: Node | None) -> Node:
        arguments: list[Node] = []
        while not self._take(")"):
            arguments.append(self._expression())
            if not self._take(","):
                self._expect(")")
                break
        if target is None and name.value == "has":
            return self._presence(name, arguments)
        shape = VARIABLES_AND_PARTS.get((name.value, len(arguments)))
        if target is None or shape is None:
            return Call(name.value, target, tuple(arguments), name.position)
        variables = arguments[: shape[0]]
        for each in variables:
            if not isinstance(each, Name):
                raise self._error("argument must be a simple name", each.position)
        names = tuple(each.name for each in variables if isinstance(each, Name))
        return Comprehension(name.value, target, names, tuple(arguments[shape[0] :]), name.position)

    def _presence(self, name: Token, arguments: list[Node]) -> Node:
        if len(arguments) == 1 and isinstance(arguments[0], Select) and not arguments[0].optional:
            given = arguments[0]
            return Select(given.operand, given.field, given.position, test=True)
        raise self._error("invalid argument to has() macro", name.position)


def _is_literal_number(token: Token) -> bool:
    return is_int(token.value) or isinstance(token.value, float)
