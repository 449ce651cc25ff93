"""Whatever is written as an expression, it is refused or has a value or has none: nothing else comes of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.model.cel import compiling
from swarmlet.model.cel.budget import Budget
from swarmlet.model.cel.errors import BudgetError, CompileError, EvaluationError
from swarmlet.model.cel.functions import tables
from swarmlet.model.cel.parsing import VARIABLES_AND_PARTS

STEPS = 5_000
SELF: dict[str, Any] = {"a": [1, 2.5, "x", None, True], "b": {"c": -1, "d": "10.0.0.0/8"}, "e": "1Gi", "f": 2**63 - 1}
LITERALS = (
    "1", "-1", "0", "2u", "1.5", "1e300", "'a'", "''", "b'a'", "true", "null", "[]", "[1, 2, 1]", "{}",
    "{'a': 1}", "int", "self", "self.a", "self.b", "self.e", "self.f", "x", "'1Gi'", "'1.2.3'", "'::1'",
    "'http://a:8/b?c=d'", "'10.0.0.0/8'", "'1h'", "'2026-01-02T03:04:05Z'", "'%s %d %e %x'", "optional.none()",
    "optional.of(1)", "timestamp(0)", "duration('1s')", "quantity('1Gi')", "ip('::1')", "cidr('10.0.0.0/8')",
    "url('/a')", "semver('1.2.3-a.1')", "format.uuid()", "-9223372036854775808",
)  # fmt: skip
SIGNS = ("+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||")


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return calls of all functions, methods and macros there are, of whatever."""

    def called(names: Any, separator: str) -> st.SearchStrategy[str]:
        return st.sampled_from(sorted(names)).flatmap(
            lambda key: st.tuples(*[inner] * key[1]).map(lambda parts: written(key[0], parts, separator))
        )

    macros = st.sampled_from(sorted(VARIABLES_AND_PARTS)).flatmap(
        lambda key: st.tuples(inner, *[inner] * key[1]).map(
            lambda parts: f"({parts[0]}).{key[0]}({', '.join(bound(key, parts[1:]))})"
        )
    )
    return st.one_of(called(tables.GLOBALS, ""), called(tables.METHODS, "."), macros)


def written(name: str, parts: tuple[str, ...], separator: str) -> str:
    if separator:
        return f"({parts[0]}).{name}({', '.join(parts[1:])})"
    return f"{name}({', '.join(parts)})"


def bound(key: tuple[str, int], parts: tuple[str, ...]) -> list[str]:
    count = VARIABLES_AND_PARTS[key][0]
    return [*("x", "y")[:count], *parts[count:]]


EXPRESSIONS = st.recursive(
    st.sampled_from(LITERALS),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(SIGNS), inner).map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"),
        st.tuples(st.sampled_from("!-"), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]}) ? ({parts[1]}) : ({parts[2]})"),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]})[{parts[1]}]"),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]})[?{parts[1]}]"),
        st.tuples(inner, inner).map(lambda parts: f"{{{parts[0]}: {parts[1]}}}"),
        st.tuples(inner, inner).map(lambda parts: f"[{parts[0]}, ?{parts[1]}]"),
        inner.map(lambda part: f"({part}).?b"),
        inner.map(lambda part: f"has(({part}).b)"),
        calls(inner),
    ),
    max_leaves=12,
)


def comes_to_an_end(text: str) -> None:
    try:
        program = compiling.compiled(text, frozenset({"self", "x"}))
        program.evaluate({"self": SELF, "x": [1, "a"]}, Budget(STEPS))
    except (CompileError, EvaluationError, BudgetError):
        pass


@given(EXPRESSIONS)
@settings(max_examples=600, deadline=None)
def test_an_expression_of_anything(text: str) -> None:
    comes_to_an_end(text)


@given(st.text(max_size=60) | st.text("self.()[]{}?:,+-*/%!<>=&|'\"\\`0123456789abxurRB \n", max_size=80))
@settings(max_examples=600, deadline=None)
def test_a_text_that_is_hardly_an_expression(text: str) -> None:
    comes_to_an_end(text)
