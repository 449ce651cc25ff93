"""How long ago, as kubectl prints it. Source: k8s.io/apimachinery/pkg/util/duration (HumanDuration)."""

from __future__ import annotations

from datetime import datetime

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY
UNKNOWN = "<unknown>"
INVALID = "<invalid>"


def since(then: datetime | None, now: datetime) -> str:
    """Return the age of a moment; "<unknown>" for none."""
    return human(int((now - then).total_seconds())) if then else UNKNOWN


def human(seconds: int) -> str:  # noqa: PLR0911  a ladder of thresholds reads best as one
    """Return a duration in the two or three digits that tell most."""
    if seconds < 0:
        return INVALID if seconds < -1 else "0s"
    if seconds < 2 * MINUTE:
        return f"{seconds}s"
    if seconds < 10 * MINUTE:
        return _two(seconds, MINUTE, "m", 1, "s")
    if seconds < 3 * HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < 8 * HOUR:
        return _two(seconds, HOUR, "h", MINUTE, "m")
    if seconds < 2 * DAY:
        return f"{seconds // HOUR}h"
    if seconds < 8 * DAY:
        return _two(seconds, DAY, "d", HOUR, "h")
    if seconds < 2 * YEAR:
        return f"{seconds // DAY}d"
    if seconds < 8 * YEAR:
        return _two(seconds, YEAR, "y", DAY, "d")
    return f"{seconds // YEAR}y"


def _two(seconds: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large}{large_unit}" + (f"{rest}{small_unit}" if rest else "")
