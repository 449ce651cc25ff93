"""Colour, and where it may be used: on a terminal whose owner did not say NO_COLOR."""

from __future__ import annotations

import os
import sys
from typing import TextIO

GOOD = {"Running", "Ready", "Active", "True", "Completed", "Succeeded", "Normal", "healthy", "yes"}
WAITING = {"Pending", "ContainerCreating", "PodInitializing", "Terminating", "Unknown", "Warning"}
STATUS_COLUMNS = {"STATUS", "TYPE"}

_RESET = "\x1b[0m"
_GREEN, _YELLOW, _RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"


def is_coloured(stream: TextIO | None = None) -> bool:
    """Return whether colour may be printed there; stdout, if not said otherwise."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return (stream or sys.stdout).isatty()


def style(column: str, cell: str) -> str:
    """Paint the cell of a column that says how something is."""
    return paint(cell) if column in STATUS_COLUMNS and is_coloured() else cell


def plain(text: str) -> str:
    """Return a text of others as it may be shown: what would steer the terminal is spelled out, as Python does."""
    if text.isprintable():
        return text
    spelled = (each if each.isprintable() or each in "\t\n" else repr(each)[1:-1] for each in text)
    return "".join(spelled)


def signed(line: str) -> str:
    """Paint a line of a diff by the sign that it begins with: + green, - red, ~ and -/+ yellow."""
    line = plain(line)
    colour = {"+": _GREEN, "-": _RED, "~": _YELLOW, "-/+": _YELLOW}.get(line.lstrip().partition(" ")[0])
    return f"{colour}{line}{_RESET}" if colour and is_coloured() else line


def marked(line: str) -> str:
    """Paint a line of `why` by the mark that it begins with: ✗ red, ! yellow."""
    line = plain(line)
    colour = {"✗": _RED, "!": _YELLOW}.get(line.lstrip().partition(" ")[0])
    return f"{colour}{line}{_RESET}" if colour and is_coloured() else line


def paint(text: str) -> str:
    """Paint a word of state: green, yellow where it waits, red where something is wrong."""
    word = text.strip()
    if word in GOOD:
        return f"{_GREEN}{text}{_RESET}"
    if word in WAITING or word.startswith(("Init:", "Ready,")):
        return f"{_YELLOW}{text}{_RESET}"
    return f"{_RED}{text}{_RESET}" if word else text
