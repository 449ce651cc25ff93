"""YAML and JSON text to plain values, with the place of each document, refusing what is ambiguous or without end.

YAML is read as Kubernetes' tools read it: version 1.1 without its timestamps and base-60 numbers, which stay text.
Source: sigs.k8s.io/yaml, goyaml.v2 (resolve.go).
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from swarmlet.errors import CallerError, TooLargeError

TEXT_BYTES_MAX = 32 * 1024 * 1024
VALUES_MAX = 250_000
DEPTH_MAX = 100

_MERGE = "<<"
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"yes|Yes|YES|true|True|TRUE|on|On|ON")
_FALSE = re.compile(r"no|No|NO|false|False|FALSE|off|Off|OFF")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*|0[0-7_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_STRING_TAGS = ("tag:yaml.org,2002:str", "!")
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ManifestError(CallerError):
    """A manifest that cannot be understood; the message begins with its file, and line and column where known."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document stands: its file, its number there from 1 on, and its first line."""

    source: str
    number: int
    line: int

    def __str__(self) -> str:
        return f"{self.source}: document {self.number} (line {self.line})"


def read(source: str, text: str) -> Iterator[tuple[Place, Any]]:
    """Yield each document of a file that is not empty; raise `ManifestError` where it cannot be read."""
    if len(text) > TEXT_BYTES_MAX:
        raise TooLargeError(f"{source}: over {TEXT_BYTES_MAX} bytes")
    documents = _json(source, text) if text.lstrip()[:1] in ("{", "[") else None
    for number, (line, value) in enumerate(_yaml(source, text) if documents is None else documents, 1):
        if value is not None:
            yield Place(source, number, line), value


# JSON: what other programs print, one document after another.


def _json(source: str, text: str) -> list[tuple[int, Any]] | None:
    """Return the JSON documents of a text, or None where it is not JSON: YAML may begin with a brace too."""
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: _unique(source, pairs))
    found: list[tuple[int, Any]] = []
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return found
        try:
            value, end = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            return None
        line = text.count("\n", 0, position) + 1
        if _is_deep(value):
            raise ManifestError(f"{source}:{line}: nested deeper than {DEPTH_MAX} levels")
        found.append((line, value))
        position = end


def _unique(source: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ManifestError(f'{source}: the key "{twice}" stands twice in one object; keep one')
    return result


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


# YAML.


def _yaml(source: str, text: str) -> Iterator[tuple[int, Any]]:
    with yaml_errors(source, text):
        yield from Builder(source, text).documents()


@contextlib.contextmanager
def yaml_errors(source: str, text: str) -> Iterator[None]:
    """Tell what the parser refuses as a `ManifestError` of one line."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(source, text, error) from None
    except yaml.YAMLError as error:
        raise ManifestError(f"{source}: not YAML: {' '.join(str(error).split())}") from None


def _syntax_error(source: str, text: str, error: yaml.MarkedYAMLError) -> ManifestError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return ManifestError(f"{source}: not YAML: {error.problem}")
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    what = f"not YAML: {error.problem}"
    if "\t" in line[: mark.column + 1] and not line[: mark.column].strip():
        what = "a tab indents this line; YAML is indented with spaces"
    return ManifestError(f"{source}:{mark.line + 1}:{mark.column + 1}: {what}")


class Builder:
    """Builds values from libyaml's events, counting what is built: an alias costs as much as what it stands for.

    What it builds are plain values. Who needs more of each, its place for one, overrides `scalar`, `made`, `entry` and
    `plain`.
    """

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self._events = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._built = 0

    def documents(self) -> Iterator[tuple[int, Any]]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors, self._built = {}, 0
                first: Any = next(self._events)
                yield first.start_mark.line + 1, self._value(first, 1)

    def scalar(self, event: Any) -> Any:
        """Return the value of a scalar."""
        return _scalar(event)

    def made(self, event: Any, value: Any) -> Any:
        """Return what stands for a value that began with an event, and is whole now."""
        del event
        return value

    def entry(self, event: Any, value: Any) -> Any:
        """Return what stands for a value in a mapping, whose key is an event."""
        del event
        return value

    def plain(self, value: Any) -> Any:
        """Return the value that `made` was given."""
        return value

    def error(self, event: Any, what: str) -> ManifestError:
        """Return the error about an event, with its place."""
        mark = event.start_mark
        return ManifestError(f"{self.source}:{mark.line + 1}:{mark.column + 1}: {what}")

    def _value(self, event: Any, depth: int) -> Any:
        self._count(event, 1)
        if depth > DEPTH_MAX:
            raise self.error(event, f"nested deeper than {DEPTH_MAX} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._built - 1
        if isinstance(event, yaml.ScalarEvent):
            value = self.made(event, self.scalar(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self.made(event, list(self._items(depth)))
        else:
            value = self.made(event, self._mapping(depth))
        if event.anchor:
            self._anchors[event.anchor] = (value, self._built - before)
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self.error(event, f"*{event.anchor} stands for nothing that ends before it")
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        return copy.deepcopy(value)

    def _items(self, depth: int) -> Iterator[Any]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._value(event, depth + 1)

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if _is_merge(event):
                self._merge(merged, next(self._events), depth)
                continue
            key = self._key(event, depth)
            if key in own:
                raise self.error(event, f'the key "{key}" stands twice here; keep one')
            own[key] = self.entry(event, self._value(next(self._events), depth + 1))
        return {**merged, **own}

    def _key(self, event: Any, depth: int) -> str:
        key = self.plain(self._value(event, depth + 1))
        if isinstance(key, dict | list) or key is None:
            raise self.error(event, "a key is text, not a list, a mapping or nothing")
        return str(key).lower() if isinstance(key, bool) else str(key)

    def _merge(self, merged: dict[str, Any], event: Any, depth: int) -> None:
        value = self.plain(self._value(event, depth + 1))
        for each in map(self.plain, value) if isinstance(value, list) else [value]:
            if not isinstance(each, dict):
                raise self.error(event, "<<: merges a mapping, or a list of mappings")
            for key, item in each.items():
                merged.setdefault(key, item)

    def _count(self, event: Any, values: int) -> None:
        self._built += values
        if self._built > VALUES_MAX:
            raise self.error(event, f"over {VALUES_MAX} values, aliases followed")


def _is_merge(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == _MERGE and event.implicit[0]


def _scalar(event: Any) -> Any:
    """Return the value of a scalar: what is quoted is text, the rest is what it looks like."""
    if event.tag in _STRING_TAGS or not event.implicit[0]:
        return event.value
    text: str = event.value
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return _TRUE.fullmatch(text) is not None
    if _INTEGER.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    if digits[:2] in ("0x", "0b", "0o"):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
