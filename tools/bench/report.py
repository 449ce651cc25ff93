"""What was measured, beside what, and whether it is good enough."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

WIDTH = 150


@dataclass
class Report:
    """Rows as they come; `is_met` once every row that has a target meets it. `failed`: what could not be measured."""

    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, measured: str, ours: str, *, beside: str = "", ratio: float | None = None) -> None:
        """Add what has no target."""
        self.rows.append((measured, ours, beside, "" if ratio is None else f"{ratio:.2f}", ""))

    def judge(
        self,
        measured: str,
        ours: str,
        *,
        value: float,
        at_most: float | None = None,
        at_least: float | None = None,
        beside: str = "",
        unit: str = "",
    ) -> None:
        """Add what has a target; `value` is compared with it, and shown as the ratio where it has no unit."""
        met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
        target = f"<= {at_most:g}{unit}" if at_most is not None else f">= {at_least:g}{unit}"
        self.rows.append(
            (measured, ours, beside, "" if unit else f"{value:.2f}", target if met else f"{target} MISSED")
        )
        if not met:
            self.missed.append(measured)

    def fail(self, part: str, error: Exception) -> None:
        """Tell that a part ended before its end; its rows so far stay."""
        self.rows.append((f"FAILED: {part}", "", str(error) or "timed out", "", ""))
        self.failed.append(part)

    @property
    def is_met(self) -> bool:
        return not self.missed

    def print(self) -> None:
        table = Table("measured", "ours", "beside", "ratio", "target", box=None, pad_edge=False)
        for row in self.rows:
            table.add_row(*row)
        Console(width=WIDTH).print(table)
