"""Tables as kubectl prints them: the server says what stands in them, here they are set in columns.

Three spaces between columns, none after the last, nothing cut and no lines drawn, so that what is printed can be
piped. A watch keeps its widths from row to row. Source: kubernetes/cli-runtime/pkg/printers (tableprinter.go,
tabwriter.go) and Go's text/tabwriter.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmlet.cli import terminal

GAP = 3
COLUMN_WIDTH_MIN = 6

Style = Callable[[str, str], str]
"""(column, padded cell) -> what is printed, the same width to the eye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a Table is to be printed; `kind_prefix` goes before each name, as in "pod/"."""

    wide: bool = False
    headers: bool = True
    namespaces: bool = False
    labels: bool = False
    label_columns: tuple[str, ...] = ()
    kind_prefix: str = ""


class Columns:
    """Sets rows in columns whose widths only grow."""

    def __init__(self, style: Style | None = None) -> None:
        self._widths: list[int] = []
        self._style = style or (lambda _column, cell: cell)

    def lines(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, headers: bool = True) -> list[str]:
        """Return the lines of a table, with or without its header; nothing in a cell steers the terminal."""
        rows = [[terminal.plain(cell) for cell in row] for row in rows]
        whole = [header, *rows] if headers else list(rows)
        self._widths += [COLUMN_WIDTH_MIN] * (len(header) - len(self._widths))
        for row in whole:
            for position, cell in enumerate(row[:-1]):
                self._widths[position] = max(self._widths[position], len(cell) + GAP)
        lines = ["".join(map(str.ljust, header, self._row_widths(header)))] if headers else []
        return lines + [self._line(header, row) for row in rows]

    def _line(self, header: Sequence[str], row: Sequence[str]) -> str:
        padded = map(str.ljust, row, self._row_widths(row))
        return "".join(map(self._style, header, padded))

    def _row_widths(self, row: Sequence[str]) -> list[int]:
        return [*self._widths[: len(row) - 1], 0]


class TablePrinter:
    """Prints the Table of a list, and then, in a watch, those of the changes."""

    def __init__(self, form: Form, style: Style | None = None) -> None:
        self._form = form
        self._columns = Columns(style)
        self._definitions: Sequence[Mapping[str, Any]] = ()
        self._headers = form.headers

    def print(self, table: Mapping[str, Any]) -> None:
        """Print a Table; its header only the first time."""
        self._definitions = table.get("columnDefinitions") or self._definitions
        rows = [self._row(row) for row in table.get("rows") or ()]
        if not rows:
            return
        for line in self._columns.lines(self._header(), rows, headers=self._headers):
            print(line)
        self._headers = False
        sys.stdout.flush()

    def _shown(self) -> list[int]:
        return [
            position
            for position, column in enumerate(self._definitions)
            if self._form.wide or not column.get("priority")
        ]

    def _header(self) -> list[str]:
        names = [str(self._definitions[position]["name"]).upper() for position in self._shown()]
        own = [label.rpartition("/")[2].upper() for label in self._form.label_columns]
        return ["NAMESPACE"] * self._form.namespaces + names + own + ["LABELS"] * self._form.labels

    def _row(self, row: Mapping[str, Any]) -> list[str]:
        metadata = (row.get("object") or {}).get("metadata") or {}
        cells = [told(row["cells"][position]) for position in self._shown()]
        if cells and self._form.kind_prefix:
            cells[0] = self._form.kind_prefix + cells[0]
        namespace = [metadata.get("namespace") or ""] * self._form.namespaces
        labels = metadata.get("labels") or {}
        own = [str(labels.get(label, "")) for label in self._form.label_columns]
        return namespace + cells + own + [label_text(metadata)] * self._form.labels


def told(cell: Any) -> str:
    """Return a cell as text of one line."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    text = str(cell)
    first_line = text.splitlines()[0] if text else ""
    return text if first_line == text else first_line + "..."


def label_text(metadata: Mapping[str, Any]) -> str:
    """Return the labels of an object as "key=value,..."; "<none>" where it has none."""
    labels = metadata.get("labels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"
