"""What REV and TIME on a command line mean: a revision, a time, or a while ago."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from swarmlet.cli import spans
from swarmlet.cli.exits import UsageError

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_SPAN = re.compile(r"-?(\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
FORMS = "a revision, as in 1234, a time, as in 14:05 or 2026-11-21T14:05Z, or a while ago, as in -10m"


def moment(text: str, now: datetime, flag: str = "") -> str:
    """Return a moment as the API takes it: a revision in digits or a time in RFC 3339.

    A time without a zone is this machine's, and one without a date is the last that there was. Raises `UsageError`.
    """
    if text.isascii() and text.isdigit():
        return text
    try:
        if is_while_ago(text):
            return (now - timedelta(seconds=spans.seconds(text.removeprefix("-"), flag))).isoformat()
        at = _by_clock(text, now) or _by_date(text)
        if at is not None:
            return at.astimezone().isoformat()
    except (OverflowError, ValueError):  # before or after all times that there are
        pass
    raise UsageError(f"{flag + ': ' if flag else ''}found {text!r}; allowed: {FORMS}")


def is_while_ago(text: str) -> bool:
    """Return whether a moment is told by how long it is ago, as in -10m or, which is the same, 10m."""
    return _SPAN.fullmatch(text) is not None


def local(at: datetime | None, now: datetime) -> str:
    """Return a time as this machine's clock shows it; with its date where that is not today's."""
    if at is None:
        return "-"
    here = at.astimezone()
    return f"{here:%H:%M:%S}" if here.date() == now.astimezone().date() else f"{here:%Y-%m-%d %H:%M:%S}"


def _by_clock(text: str, now: datetime) -> datetime | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        at = now.astimezone().replace(hour=hour, minute=minute, second=second, microsecond=0)
    except ValueError:
        return None
    return at if at <= now else at - timedelta(days=1)


def _by_date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
