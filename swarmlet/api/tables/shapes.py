"""What a table's columns are, and what fills them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Cells = Callable[[Any, datetime], list[object]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `priority` 0 is always printed, 1 with `-o wide`."""

    name: str
    type: str = "string"
    priority: int = 0
    description: str = ""
    given_format: str = ""

    @property
    def format(self) -> str:
        return self.given_format or ("name" if self.name == "Name" else "")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind, and what fills them."""

    columns: tuple[Column, ...]
    cells: Cells
