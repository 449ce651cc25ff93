"""The part of JSONPath that CustomResourceDefinitions use: names, indexes, `[*]` and filters of equality. Pure.

json_path.parse('.status.conditions[?(@.type=="Ready")].status').find(document)     # ["True"]

Source: kubernetes client-go/util/jsonpath.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LENGTH_MAX = 1_024
KNOWN_MAX = 1_024

_NAME = re.compile(r"\.((?:\\.|[^.\[\]\\])+)|\.?\[\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\s*\]")
_INDEX = re.compile(r"\.?\[(\*|-?[0-9]{1,9})\]")
_FILTER = re.compile(
    r"\.?\[\?\(\s*@((?:\.(?:\\.|[A-Za-z0-9_/-])+)+)\s*(==|!=)\s*"
    r"(?:'([^']*)'|\"([^\"]*)\"|(true|false|-?[0-9]+))\s*\)\]"
)
_WORDS = {"true": True, "false": False}


class JsonPathError(ValueError):
    """The text is no path that is understood here."""


@dataclass(frozen=True, slots=True)
class _Filter:
    path: tuple[str, ...]
    equal: bool
    value: Any

    def admits(self, item: Any) -> bool:
        found = _down(item, self.path)
        return found is not None and (found == self.value) == self.equal


Step = str | int | _Filter
EACH = "*"
"""A step to every value, of a list or an object: no field is called so."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path that was read."""

    steps: tuple[Step, ...]

    @property
    def names(self) -> tuple[str, ...] | None:
        """The path as names of fields alone; None where it has anything else."""
        names = tuple(step for step in self.steps if isinstance(step, str) and step != EACH)
        return names if len(names) == len(self.steps) else None

    def find(self, document: Any) -> list[Any]:
        """Return what lies at the path, in order; nothing where a step leads nowhere."""
        found = [document]
        for step in self.steps:
            found = [each for value in found for each in _taken(value, step)]
        return found


@functools.lru_cache(maxsize=KNOWN_MAX)
def parse(text: str) -> JsonPath:
    """Read a path such as `.spec.replicas`; raise `JsonPathError` where it is not understood."""
    if len(text) > LENGTH_MAX:
        raise JsonPathError(f"longer than {LENGTH_MAX} characters")
    if not text.startswith((".", "[")):
        raise JsonPathError("must begin with a dot")
    steps: list[Step] = []
    position = 0 if text != "." else 1
    while position < len(text):
        step, position = _step(text, position)
        steps.append(step)
    return JsonPath(tuple(steps))


def _step(text: str, position: int) -> tuple[Step, int]:
    if match := _FILTER.match(text, position):
        path = tuple(_plain(name) for name in re.split(r"(?<!\\)\.", match[1])[1:])
        word = match[5]
        value = (match[3] or match[4] or "") if word is None else _WORDS[word] if word in _WORDS else int(word)
        return _Filter(path, match[2] == "==", value), match.end()
    if match := _INDEX.match(text, position):
        return (EACH if match[1] == "*" else int(match[1])), match.end()
    if match := _NAME.match(text, position):
        return _plain(next(group for group in match.groups() if group is not None)), match.end()
    raise JsonPathError(f"not understood from {text[position : position + 40]!r} on")


def _plain(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _taken(value: Any, step: Step) -> Iterator[Any]:
    if isinstance(step, _Filter):
        yield from (each for each in _all(value) if step.admits(each))
    elif step == EACH:
        yield from _all(value)
    elif isinstance(step, int):
        if isinstance(value, list) and -len(value) <= step < len(value):
            yield value[step]
    elif isinstance(value, Mapping) and step in value:
        yield value[step]


def _all(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def _down(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
