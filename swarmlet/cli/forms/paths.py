"""Paths into a document, as kubectl's jsonpath has them: `.items[?(@.kind=="Pod")].spec.containers[*].image`. Pure.

The dialect is older than RFC 9535 and differs from it: a name ends at a dot or a bracket and may hold "-" and "/", a
dot in it follows a backslash, `['a','b']` are paths and not names, filters stand in parentheses.
Source: kubernetes client-go/util/jsonpath (parser.go, jsonpath.go).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmlet.errors import CallerError

LENGTH_MAX = 10_000
DEPTH_MAX = 100

_NAME = re.compile(r"(?:\\.|[^.\[\]{}\s\\])+")
_SLICE = re.compile(r"(-?[0-9]{1,9})?(?:(:)(-?[0-9]{1,9})?)?(?:(:)(-?[0-9]{1,9})?)?")
_FILTER = re.compile(
    r"\?\((?P<left>(?:'[^']*'|\"[^\"]*\"|[^'\"<>=!])+)(?:(?P<how>==|!=|<=|>=|<|>)(?P<right>.+))?\)", re.DOTALL
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_HOW: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class PathError(CallerError):
    """A path that cannot be read, or that does not fit the document."""


Step = Callable[[list[Any]], Iterator[Any]]
"""Yields what a step leads to from some values; raises `PathError` where it cannot be gone."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was read; no steps: the document itself."""

    text: str
    steps: tuple[Step, ...]

    def find(self, document: Any) -> list[Any]:
        """Return all values at the path; none where a name is not there."""
        found = [document]
        for step in self.steps:
            found = list(step(found))
        return found


def relaxed(text: str) -> Path:
    """Read a path whose braces and first dot may be left out: "metadata.name", ".metadata.name", "{.metadata.name}"."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    if not inner:
        raise PathError(f"{text!r}: not a path, such as {{.metadata.name}}")
    return parse(inner if inner[0] in ".[@$" else f".{inner}")


def parse(text: str, depth: int = 0) -> Path:
    """Read a path such as ".spec.containers[0].image"; raise `PathError` where it is none."""
    if len(text) > LENGTH_MAX or depth > DEPTH_MAX:
        raise PathError(f"{text[:40]}...: a path is at most {LENGTH_MAX} characters long and {DEPTH_MAX} deep")
    steps: list[Step] = []
    position = 1 if text[:1] in ("@", "$") else 0
    while position < len(text):
        if text[position] == "[":
            end = _closing(text, position)
            steps.append(_bracket(text[position + 1 : end].strip(), depth))
            position = end + 1
        elif text.startswith("..", position):
            steps.append(_of_each(_everything))
            position += 1 if text[position + 2 : position + 3] != "[" else 2
        elif text[position] == ".":
            position, step = _named(text, position + 1)
            steps += [step] if step else []
        else:
            raise PathError(f"{text}: not understood from {text[position:][:20]!r} on")
    return Path(text, tuple(steps))


def _named(text: str, position: int) -> tuple[int, Step | None]:
    if position == len(text) or text[position] == "[":
        return position, None
    match = _NAME.match(text, position)
    if not match:
        raise PathError(f"{text}: not understood from {text[position:][:20]!r} on")
    name = re.sub(r"\\(.)", r"\1", match[0])
    return match.end(), _of_each(_values) if match[0] == "*" else _of_each(_field(name))


def _closing(text: str, start: int) -> int:
    """Return where the bracket that opens at `start` is closed."""
    depth, quote = 0, ""
    for position in range(start, len(text)):
        letter = text[position]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter == "[") - (letter == "]")
            if not depth:
                return position
    raise PathError(f"{text}: unterminated array")


def _bracket(inner: str, depth: int) -> Step:
    if inner == "*":
        return _of_each(_values)
    if match := _FILTER.fullmatch(inner):
        return _of_each(_filter(match, depth))
    if (match := _SLICE.fullmatch(inner)) and inner:
        return _of_each(_slice(match))
    parts = [each.strip() for each in re.findall(r"'[^']*'|\"[^\"]*\"|[^,]+", inner)]
    if not parts or not all(parts):
        raise PathError(f"invalid array index {inner}")
    return _union([_member(part, depth) for part in parts])


def _member(part: str, depth: int) -> Path:
    if quoted := _QUOTED.fullmatch(part):
        return parse(f".{quoted[1] if quoted[1] is not None else quoted[2]}", depth + 1)
    if re.fullmatch(r"-?[0-9]{1,9}", part):
        return parse(f"[{part}]", depth + 1)
    return parse(part if part[0] in ".[" else f".{part}", depth + 1)


# Steps.


def _of_each(step: Callable[[Any], Iterator[Any]]) -> Step:
    """Return the step that takes values one by one."""

    def of_all(values: list[Any]) -> Iterator[Any]:
        for value in values:
            yield from step(value)

    return of_all


def _field(name: str) -> Callable[[Any], Iterator[Any]]:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, Mapping) and name in value:
            yield value[name]

    return step


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _everything(value: Any) -> Iterator[Any]:
    """Yield a value and all that is inside it."""
    yield value
    for each in _values(value):
        if isinstance(each, Mapping | list):
            yield from _everything(each)


def _slice(match: re.Match[str]) -> Callable[[Any], Iterator[Any]]:
    first, colon, last, _, stride = match.groups()

    def step(value: Any) -> Iterator[Any]:
        if not isinstance(value, list):
            raise PathError(f"{_shown(value)} is not array or slice")
        length = len(value)
        start = _from_end(int(first or 0), length)
        end = _from_end(int(last), length) if last else length if colon else start + 1
        if start != end:
            for bound, edge in ((start, length - 1), (end, length)):
                if not 0 <= bound <= edge:
                    raise PathError(f"array index out of bounds: index {bound}, length {length}")
        if stride is not None and int(stride) <= 0:
            raise PathError("step must be > 0")
        yield from value[start : end : int(stride or 1)]

    return step


def _from_end(index: int, length: int) -> int:
    return index + length if index < 0 else index


def _union(paths: Sequence[Path]) -> Step:
    def step(values: list[Any]) -> Iterator[Any]:
        for path in paths:
            for value in values:
                yield from path.find(value)

    return step


def _filter(match: re.Match[str], depth: int) -> Callable[[Any], Iterator[Any]]:
    left = _operand(match["left"].strip(), depth)
    how = _HOW[match["how"]] if match["how"] else None
    right = _operand(match["right"].strip(), depth) if match["right"] else None

    def admits(item: Any) -> bool:
        here = left(item)
        if how is None or right is None:
            return bool(here)
        there = right(item)
        if not here or not there:
            return False
        return _compared(how, here[0], there[0])

    def step(value: Any) -> Iterator[Any]:
        if not isinstance(value, list):
            raise PathError(f"{_shown(value)} is not array or slice and cannot be filtered")
        yield from (item for item in value if admits(item))

    return step


def _compared(how: Callable[[Any, Any], bool], here: Any, there: Any) -> bool:
    try:
        return how(here, there)
    except TypeError:
        raise PathError(f"incompatible types for comparison: {_shown(here)}, {_shown(there)}") from None


def _operand(text: str, depth: int) -> Callable[[Any], list[Any]]:
    """Return what gives the values of one side of a filter: a path from the item, or a constant."""
    if text[:1] in ("@", "."):
        return parse(text, depth + 1).find
    constant = _constant(text)
    return lambda _item: [constant]


def _constant(text: str) -> Any:
    if quoted := _QUOTED.fullmatch(text):
        return quoted[1] if quoted[1] is not None else quoted[2]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise PathError(f"unrecognized identifier {text}") from None


def _shown(value: Any) -> str:
    return f"{value!r}"[:60]
