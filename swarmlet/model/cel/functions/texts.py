"""Functions of strings. Source: github.com/google/cel-go/ext (strings, version 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from swarmlet.model import patterns
from swarmlet.model.cel import values
from swarmlet.model.cel.budget import PARTS_PER_STEP
from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.cel.values import is_int

STATES_PER_STEP = 4
"""Of a pattern, times letters: what following them costs of a step."""
PRECISION_MAX = 64
_DIRECTIVE = re.compile(r"%(?:\.([0-9]{1,4}))?(.)", re.DOTALL)
_QUOTES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}
_QUOTES |= {"\\": r"\\", '"': r"\""}


def _checked(call: Callable[..., Any], *types: type) -> Callable[..., Any]:
    """Return a function that is there for arguments of these types alone."""

    def checked(*arguments: Any) -> Any:
        for given, wanted in zip(arguments, types, strict=False):
            if not (is_int(given) if wanted is int else isinstance(given, wanted)):
                raise no_overload()
        return call(*arguments)

    return checked


def _matches(text: str, pattern: str) -> bool:
    try:
        return patterns.parse(pattern).is_in(text)
    except patterns.PatternError as error:
        raise EvaluationError(f"error parsing regexp: {error}") from error


def cost_of_match(text: Any, pattern: Any) -> int:
    """Return the steps of matching a pattern: its states times the text's letters."""
    if not (isinstance(text, str) and isinstance(pattern, str)):
        return 1
    try:
        return 1 + len(text) * len(patterns.parse(pattern).states) // STATES_PER_STEP
    except patterns.PatternError:
        return 1


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise EvaluationError(f"index out of range: {index}")
    return text[index : index + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if not 0 <= start <= len(text):
        raise EvaluationError(f"index out of range: {start}")
    return text.find(part, start)


def _last_index_of(text: str, part: str, last: int | None = None) -> int:
    if last is None:
        return text.rfind(part)
    if not 0 <= last <= len(text):
        raise EvaluationError(f"index out of range: {last}")
    return text.rfind(part, 0, last + len(part))


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= len(text) or not 0 <= stop <= len(text):
        raise EvaluationError(f"index out of range: {start if not 0 <= start <= len(text) else stop}")
    if start > stop:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {stop}")
    return text[start:stop]


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


def cost_of_replacement(text: Any, old: Any, new: Any, *_count: Any) -> int:
    """Return the steps of replacing: the letters of what comes of it."""
    if not all(isinstance(each, str) for each in (text, old, new)):
        return 1
    return 1 + (len(text) + (text.count(old) if old else len(text) + 1) * len(new)) // PARTS_PER_STEP


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if not count:
        return []
    if separator:
        return text.split(separator, count - 1 if count > 0 else -1)
    letters = list(text)
    return letters if count < 0 or count >= len(letters) else [*letters[: count - 1], "".join(letters[count - 1 :])]


def _join(items: list[Any], separator: str = "") -> str:
    if not all(isinstance(each, str) for each in items):
        raise no_overload()
    return separator.join(items)


def cost_of_joining(items: Any, separator: Any = "") -> int:
    """Return the steps of joining: the letters of the separators, which may be many and long."""
    if not (isinstance(items, list) and isinstance(separator, str)):
        return 1
    return 1 + len(items) * len(separator) // PARTS_PER_STEP


def _ascii(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(change(letter) if letter.isascii() else letter for letter in text)


def _quote(text: str) -> str:
    return '"' + "".join(_QUOTES.get(letter, letter) for letter in text) + '"'


def _format(text: str, arguments: list[Any]) -> str:
    """Write values into a text: `%s %d %f %e %b %o %x %X`, and `%%`."""
    remaining = iter(arguments)

    def written(match: re.Match[str]) -> str:
        if match[2] == "%":
            return "%"
        try:
            return _formatted(match[2], match[1], next(remaining))
        except StopIteration as error:
            raise EvaluationError("index out of range: not enough arguments for the format string") from error

    return _DIRECTIVE.sub(written, text)


def _formatted(verb: str, precision: str | None, value: Any) -> str:
    places = min(int(precision), PRECISION_MAX) if precision else 6
    if verb == "s":
        return values.told(value)
    if verb == "d" and isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    if verb in "fe" and values.is_number(value):
        return f"{values.double(value):.{places}{verb}}"
    if verb in "xX" and isinstance(value, str | bytes):
        digits = (value.encode() if isinstance(value, str) else value).hex()
        return digits.upper() if verb == "X" else digits
    if verb in "boxX" and isinstance(value, int):
        return format(int(value), verb)
    raise EvaluationError(f"could not parse formatting clause: unrecognized formatting clause: %{verb}")


METHODS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("contains", 2): _checked(lambda text, part: part in text, str, str),
    ("startsWith", 2): _checked(str.startswith, str, str),
    ("endsWith", 2): _checked(str.endswith, str, str),
    ("matches", 2): _checked(_matches, str, str),
    ("charAt", 2): _checked(_char_at, str, int),
    ("lowerAscii", 1): _checked(_ascii(str.lower), str),
    ("upperAscii", 1): _checked(_ascii(str.upper), str),
    ("replace", 3): _checked(_replace, str, str, str),
    ("replace", 4): _checked(_replace, str, str, str, int),
    ("split", 2): _checked(_split, str, str),
    ("split", 3): _checked(_split, str, str, int),
    ("join", 1): _checked(_join, list),
    ("join", 2): _checked(_join, list, str),
    ("substring", 2): _checked(_substring, str, int),
    ("substring", 3): _checked(_substring, str, int, int),
    ("trim", 1): _checked(str.strip, str),
    ("format", 2): _checked(_format, str, list),
}
INDEX_OF = _checked(_index_of, str, str, int)
LAST_INDEX_OF = _checked(_last_index_of, str, str, int)
GLOBALS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("matches", 2): _checked(_matches, str, str),
    ("strings.quote", 1): _checked(_quote, str),
}
