"""$VARIABLES in the values of a Compose file and of its .env files.

    $NAME  ${NAME}      its value, or nothing, with a warning
    ${NAME:-other}      `other` where it is unset or empty; ${NAME-other} only where it is unset
    ${NAME:?message}    an error where it is unset or empty; ${NAME?message} only where it is unset
    ${NAME:+other}      `other` where it is set and not empty; ${NAME+other} where it is set, else nothing
    $$                  a dollar sign

`other` and `message` may have variables in them. Keys are not interpolated. Source: compose-spec/12-interpolation.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from swarmlet.errors import TooLargeError
from swarmlet.manifests.compose import nodes
from swarmlet.manifests.compose.nodes import Node

TEXT_CHARACTERS_MAX = 1024 * 1024
DEPTH_MAX = 20
TAKEN_AS_EMPTY = "; it is taken as empty"

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR = re.compile(r":?[-?+]")


class InterpolationError(ValueError):
    """Text whose variables cannot be followed; the message says which and why."""


@dataclass(slots=True)
class Variables:
    """Where values come from, `others` where `values` has none; and the names that were asked for and had none."""

    values: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)
    unset: dict[str, None] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        return self.values.get(name, self.others.get(name))


def interpolated(text: str, variables: Variables) -> str:
    """Return text with its variables replaced; raise `InterpolationError` or `TooLargeError`."""
    return _expanded(text, variables, 0) if "$" in text else text


def interpolate(node: Node, variables: Variables, warn: Callable[[str], None], path: str = "") -> Node:
    """Return a tree with the variables of its values replaced; text that had some is no number of its own any more."""
    if isinstance(node.value, dict):
        return node.like(
            {key: interpolate(each, variables, warn, nodes.below(path, key)) for key, each in node.value.items()}
        )
    if isinstance(node.value, list):
        return node.like([interpolate(each, variables, warn, f"{path}[{i}]") for i, each in enumerate(node.value)])
    if not isinstance(node.value, str) or "$" not in node.value:
        return node
    before = len(variables.unset)
    try:
        text = interpolated(node.value, variables)
    except InterpolationError as error:
        raise nodes.fault(node, path, str(error)) from None
    for name in list(variables.unset)[before:]:
        warn(f"{node.place}: {path}: the variable {name} is not set{TAKEN_AS_EMPTY}")
    return node.like(text)


def _expanded(text: str, variables: Variables, depth: int) -> str:
    if depth > DEPTH_MAX:
        raise InterpolationError(f"variables inside variables, over {DEPTH_MAX} deep")
    parts: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(text[position:dollar])
        value, position = _variable(text, dollar + 1, variables, depth)
        parts.append(value)
    parts.append(text[position:])
    if sum(map(len, parts)) > TEXT_CHARACTERS_MAX:
        raise TooLargeError(f"over {TEXT_CHARACTERS_MAX} characters once its variables are replaced: {text[:40]!r}")
    return "".join(parts)


def _variable(text: str, start: int, variables: Variables, depth: int) -> tuple[str, int]:
    """Return what stands for the variable whose name or brace is at `start`, and where the text goes on."""
    if text.startswith("$", start):
        return "$", start + 1
    if text.startswith("{", start):
        end = _closing(text, start)
        return _braced(text[start + 1 : end], variables, depth), end + 1
    name = _NAME.match(text, start)
    if name is None:
        raise InterpolationError(f"invalid interpolation format: {text[:80]!r}; a dollar sign itself is written $$")
    return _value(name.group(), variables), name.end()


def _closing(text: str, start: int) -> int:
    """Return where the brace that opens at `start` closes, those of variables within skipped."""
    depth = 0
    position = start
    while position < len(text):
        if text.startswith("${", position) or position == start:
            depth += 1
            position += 2 if position != start else 1
            continue
        if text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    raise InterpolationError(f"invalid interpolation format: {text[:80]!r}; a brace is not closed")


def _braced(inside: str, variables: Variables, depth: int) -> str:
    name = _NAME.match(inside)
    operator = _OPERATOR.match(inside, name.end()) if name else None
    if name is None or (operator is None and name.end() < len(inside)):
        raise InterpolationError(f"invalid interpolation format: '${{{inside[:80]}}}'")
    if operator is None:
        return _value(name.group(), variables)
    sign, rest = operator.group(), inside[operator.end() :]
    value = variables.get(name.group())
    is_given = value is not None and (value != "" or sign[0] != ":")
    if sign[-1] == "+":
        return _expanded(rest, variables, depth + 1) if is_given else ""
    if is_given:
        return value or ""
    other = _expanded(rest, variables, depth + 1)
    if sign[-1] == "?":
        told = f": {other}" if other else ""
        raise InterpolationError(f"required variable {name.group()} is missing a value{told}")
    return other


def _value(name: str, variables: Variables) -> str:
    value = variables.get(name)
    if value is None:
        variables.unset[name] = None
    return value or ""
