"""Telling how far things are: redrawn in place on a terminal, a line a change elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from swarmlet.cli import terminal
from swarmlet.cli.rollouts.judging import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

BAR_WIDTH = 20
REFRESHES_A_SECOND = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One object: its name, how far it is, what its Pods complain about."""

    name: str
    progress: Progress
    complaints: Sequence[str] = ()


class Display(Protocol):
    """Shows how far all objects are, as often as that changes."""

    def show(self, lines: Sequence[Line]) -> None:
        """Show the newest state."""


class PlainDisplay:
    """A line for each thing that changed: for logs and pipes."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._last: dict[str, str] = {}

    def show(self, lines: Sequence[Line]) -> None:
        for line in lines:
            told = f"{line.name}: {line.progress.ready} of {line.progress.wanted} ready"
            if self._last.get(line.name) != told:
                self._last[line.name] = told
                print(told, flush=True)
            for complaint in line.complaints:
                if complaint not in self._told:
                    self._told.add(complaint)
                    print(f"  {complaint}", flush=True)


class LiveDisplay:
    """Bars that fill, redrawn in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, lines: Sequence[Line]) -> None:
        self._live.update(_drawn(lines))


@contextlib.contextmanager
def display() -> Iterator[Display]:
    """Yield the display that fits where stdout goes."""
    if not sys.stdout.isatty():
        yield PlainDisplay()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(no_color=not terminal.is_coloured(), highlight=False)
    with Live(console=console, refresh_per_second=REFRESHES_A_SECOND) as live:
        yield LiveDisplay(live)


def _drawn(lines: Sequence[Line]) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for line in lines:
        done, wanted = line.progress.ready, line.progress.wanted
        mark = Text("✓", style="green") if line.progress.done else Spinner("dots")
        bar = ProgressBar(total=max(wanted, 1), completed=done if wanted else 1, width=BAR_WIDTH)
        table.add_row(mark, Text(line.name), bar, Text(f"{done}/{wanted}"))
    complaints = [Text(f"  {complaint}", style="red") for line in lines for complaint in line.complaints]
    return Group(table, *complaints)
