"""`-o custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image`: a table of one's own. Pure.

Source: kubernetes/kubectl/pkg/cmd/get/customcolumn.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from swarmlet.cli import tables
from swarmlet.cli.forms import jsonpath, paths
from swarmlet.cli.forms.paths import Path, PathError

NONE = "<none>"


@dataclass(frozen=True, slots=True)
class CustomColumns:
    """Columns with their headers."""

    headers: tuple[str, ...]
    cells: tuple[Path, ...]

    def lines(self, objects: Iterable[Mapping[str, Any]], *, headers: bool = True) -> list[str]:
        """Return the lines of the table."""
        rows = [[_cell(path, each) for path in self.cells] for each in objects]
        return tables.Columns().lines(self.headers, rows, headers=headers)


def parse(spec: str) -> CustomColumns:
    """Read "HEADER:path,..."; raise `PathError` where it is not that."""
    if not spec:
        raise PathError("custom-columns format specified but no custom columns given")
    pairs = [each.partition(":") for each in _split(spec)]
    for header, colon, path in pairs:
        if not (header and colon and path):
            raise PathError(
                f"unexpected custom-columns spec: {header}{colon}{path}, expected <header>:<json-path-expr>"
            )
    return CustomColumns(tuple(pair[0] for pair in pairs), tuple(paths.relaxed(pair[2]) for pair in pairs))


def from_template(text: str) -> CustomColumns:
    """Read the two lines of a file: headers, and below each its path."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise PathError("a file of custom-columns has one line of headers and one of as many paths")
    return CustomColumns(tuple(lines[0]), tuple(map(paths.relaxed, lines[1])))


def _split(spec: str) -> list[str]:
    """Return the parts between the commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in spec:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _cell(path: Path, item: Mapping[str, Any]) -> str:
    return ",".join(NONE if value is None else _plain(value) for value in path.find(item)) or NONE


def _plain(value: Any) -> str:
    """Return a value as Go prints it: `map[app:web]`, `[a b]`."""
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{_plain(each)}' for key, each in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_plain, value))}]"
    return jsonpath.told(value)
