"""Templates of kubectl's jsonpath: text, and in braces paths, quoted text, and `range` ... `end`. Pure.

Source: kubernetes client-go/util/jsonpath.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarmlet.cli.forms import paths
from swarmlet.cli.forms.paths import Path, PathError

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}

_WORD = re.compile(
    r"""(
        "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*'
        | (?: \[ (?: '[^']*' | "[^"]*" | \[[^\]]*\] | [^\[\]'"] )* \] | \\. | [^\s"'\[\\] )+
    )\s*""",
    re.VERBOSE | re.DOTALL,
)
"""A quoted text, or a path: in its brackets may be anything."""


@dataclass(slots=True)
class _Range:
    """What is repeated for each value of a path."""

    path: Path
    parts: list[_Part] = field(default_factory=list)


_Part = str | Path | _Range


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read."""

    parts: Sequence[_Part]

    def render(self, document: Any) -> str:
        """Return the text for a document; what is not there is left out."""
        return "".join(_rendered(self.parts, document, document))

    def values(self, document: Any) -> list[Any]:
        """Return the values of the template's paths, without its text."""
        return [value for part in self.parts if isinstance(part, Path) for value in part.find(document)]


def template(text: str) -> Template:
    """Read a template; raise `PathError` where it cannot be read."""
    whole: list[_Part] = []
    open_: list[_Range] = []
    for piece, is_action in _pieces(text):
        parts = open_[-1].parts if open_ else whole
        if not is_action:
            parts.append(piece)
        elif piece == "end":
            if not open_:
                raise PathError("not in range, nothing to end")
            open_.pop()
        elif piece.startswith("range "):
            open_.append(_Range(_path(piece.removeprefix("range ").strip())))
            parts.append(open_[-1])
        else:
            parts += _action(piece)
    if open_:
        raise PathError("unterminated range")
    return Template(whole)


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield what lies outside braces and what lies inside, in order."""
    position = 0
    while position < len(text):
        start = text.find("{", position)
        if start < 0:
            yield text[position:], False
            return
        if start > position:
            yield text[position:start], False
        end = _end_of_action(text, start + 1)
        yield text[start + 1 : end].strip(), True
        position = end + 1


def _end_of_action(text: str, position: int) -> int:
    quote = ""
    while position < len(text):
        letter = text[position]
        if letter == "\\":
            position += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "}":
            return position
        position += 1
    raise PathError("unclosed action")


def _action(piece: str) -> list[_Part]:
    """Return the parts of an action: paths and quoted texts, one after the other."""
    parts: list[_Part] = []
    position = 0
    while position < len(piece):
        match = _WORD.match(piece, position)
        if not match:
            raise PathError(f"not understood from {piece[position:][:20]!r} on")
        parts.append(_unquoted(match[1]) if match[1][0] in "'\"" else _path(match[1]))
        position = match.end()
    return parts


def _path(text: str) -> Path:
    if text[:1] not in (".", "[", "@", "$"):
        raise PathError(f"unrecognized identifier {text}")
    return paths.parse(text)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text[1:-1], flags=re.DOTALL)


def _rendered(parts: Sequence[_Part], here: Any, root: Any) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Path):
            yield " ".join(map(told, part.find(root if part.text.startswith("$") else here)))
        else:
            for value in part.path.find(root if part.path.text.startswith("$") else here):
                yield from _rendered(part.parts, value, root)


def told(value: Any) -> str:
    """Return a value as text: what has parts as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
