"""Lengths of time as Go, and so kubectl, spells them: 90s, 1m30s, 1.5h, 500ms."""

from __future__ import annotations

import re

from swarmlet.cli.exits import UsageError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds(text: str, flag: str) -> float:
    """Return the seconds of a span; a bare number is seconds. Raises `UsageError` naming the flag."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{flag}: found {text!r}; allowed: a span such as 30s, 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
