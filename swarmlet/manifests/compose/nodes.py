"""The tree of a Compose file: values with the line each was written on, whose types are not decided yet.

Compose is read as YAML 1.2: `on`, `yes` and 22:22 are text. What a scalar is, a number or a text, the key decides that
it stands under (`typed`); until then it is the text that was written, so that nothing is lost ("1.10" stays "1.10").
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from swarmlet.errors import TooLargeError
from swarmlet.manifests import reading
from swarmlet.manifests.reading import ManifestError

FILE_BYTES_MAX = 4 * 1024 * 1024
RESET = "!reset"
OVERRIDE = "!override"

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?(0o[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_STRING_TAGS = ("tag:yaml.org,2002:str", "!")


@dataclass(frozen=True, slots=True)
class Node:
    """A mapping, a sequence, the text of a scalar, or None.

    `place` is "file:line", of the key for what stands in a mapping. `plain` text was written without quotes and may be
    a number or a boolean. `tag` is "", or one that says how to merge.
    """

    value: dict[str, Node] | list[Node] | str | None
    place: str
    plain: bool = False
    tag: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Node:
        """Return itself: nothing changes a node, so an alias need not copy one."""
        return self

    @property
    def entries(self) -> dict[str, Node]:
        """The entries of a mapping, none of anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a sequence, none of anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str:
        """The text of a scalar, "" of anything else."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def is_boolean(self) -> bool:
        return self.plain and _BOOLEAN.fullmatch(self.text) is not None

    def like(self, value: dict[str, Node] | list[Node] | str | None) -> Node:
        """Return another value of the same place and tag; text is as if quoted."""
        return Node(value, self.place, tag=self.tag)

    def with_entries(self, entries: Mapping[str, Node]) -> Node:
        """Return this mapping with entries in place of those it has, or besides them."""
        return Node({**self.entries, **entries}, self.place, tag=self.tag)

    def without(self, *keys: str) -> Node:
        return Node({key: node for key, node in self.entries.items() if key not in keys}, self.place, tag=self.tag)


def parse(source: str, text: str) -> list[Node]:
    """Return the documents of a file that are not empty; raise `ManifestError` where it cannot be read."""
    if len(text) > FILE_BYTES_MAX:
        raise TooLargeError(f"{source}: over {FILE_BYTES_MAX} bytes")
    with reading.yaml_errors(source, text):
        return [node for _, node in _NodeBuilder(source, text).documents() if node.value is not None]


def fault(node: Node, path: str, message: str) -> ManifestError:
    """Return the error about a key, with its file and line."""
    return ManifestError(f"{node.place}: {path}: {message}" if path else f"{node.place}: {message}")


def below(path: str, key: str) -> str:
    """Return the path of an entry of the mapping at a path, "" for the whole file."""
    return f"{path}.{key}" if path else key


def kind(node: Node) -> str:
    """Return what a node is, in words for an error."""
    if node.value is None:
        return "nothing"
    if isinstance(node.value, dict | list):
        return "a mapping" if isinstance(node.value, dict) else "a list"
    return f"the text {node.value[:40]!r}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" where a known word is near, else ""."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def plain_value(node: Node) -> Any:
    """Return what YAML 1.2 makes of a node where no key decides: numbers, booleans, text, lists, mappings."""
    if isinstance(node.value, dict):
        return {key: plain_value(each) for key, each in node.value.items()}
    if isinstance(node.value, list):
        return [plain_value(each) for each in node.value]
    return _resolved(node.value) if node.plain and node.value is not None else node.value


def integer(text: str) -> int:
    """Return the integer that a plain scalar is: decimal, 0x, 0o, 0b, or octal with a leading 0; raise `ValueError`."""
    digits = text.lstrip("+-").replace("_", "")
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
    return (-1 if text[0] == "-" else 1) * int(digits, 8 if octal else 0)


def count(node: Node) -> int:
    """Return of how many nodes a tree is."""
    return 1 + sum(map(count, node.entries.values())) + sum(map(count, node.items))


def places(node: Node, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, place) of a node and of all in it."""
    if path:
        yield path, node.place
    for key, each in node.entries.items():
        yield from places(each, below(path, key))
    for number, each in enumerate(node.items):
        yield from places(each, f"{path}[{number}]")


def _resolved(text: str) -> bool | int | float | str:
    if _BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    try:
        return integer(text)
    except ValueError:
        return float(text) if _FLOAT.fullmatch(text) else text


class _NodeBuilder(reading.Builder):
    """Builds nodes; all scalars are text, but for null."""

    def scalar(self, event: Any) -> str | None:
        is_plain = not event.style and event.tag not in _STRING_TAGS
        text: str = event.value
        return None if is_plain and _NULL.fullmatch(text) else text

    def made(self, event: Any, value: Any) -> Node:
        tag = event.tag or ""
        if tag.startswith("!") and tag not in (RESET, OVERRIDE, "!"):
            raise self.error(event, f"the tag {tag} means nothing here; there are {RESET} and {OVERRIDE}")
        is_plain = isinstance(value, str) and not event.style and tag not in _STRING_TAGS
        return Node(value, self._place(event), is_plain, tag if tag in (RESET, OVERRIDE) else "")

    def entry(self, event: Any, value: Node) -> Node:
        return Node(value.value, self._place(event), value.plain, value.tag)

    def plain(self, value: Node) -> Any:
        return value.value

    def _place(self, event: Any) -> str:
        return f"{self.source}:{event.start_mark.line + 1}"
