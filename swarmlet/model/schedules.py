"""When a CronJob is due: five fields of cron, a name such as `@daily`, or `@every 1h30m`, in a time zone.

    schedule = schedules.parse("30 2 * * MON-FRI", "Europe/Riga")
    schedule.after(now)                             # the first time after `now`
    schedules.latest(schedule, earliest, now)       # the last time in (earliest, now]

Times are UTC. Where the clocks change, times are those of Debian's cron (docs/decisions/0010): a time in the hour that
is skipped is due when that hour would end, one in the hour that comes twice is due in the first of them; hours or
minutes that begin with "*" go by the real hours. Source: cronsim; robfig/cron for the names.
"""

from __future__ import annotations

import contextlib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cronsim import CronSim, CronSimError

NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EPOCH = datetime.fromtimestamp(0, UTC)
EVERY = "@every "
EVERY_MIN = timedelta(minutes=1)
"""A run's name is made of the minute that it is due in."""
FIELDS = 5
TEXT_MAX = 256
MISSED_MAX = 100
"""Missed times above which somebody should be told."""
WINDOW = timedelta(hours=1)
WIDENING = 8
"""How the window grows in which the latest due time is looked for."""

_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,8})m)?(?:(\d{1,10})s)?", re.ASCII)


class Schedule(Protocol):
    """A series of due times."""

    def after(self, at: datetime) -> datetime | None:
        """Return the first due time after `at`, None where there is none."""


@dataclass(frozen=True, slots=True)
class Every:
    """So long after `origin`, and again and again."""

    delay: timedelta
    origin: datetime

    def after(self, at: datetime) -> datetime | None:
        """Return the first due time after `at`."""
        with contextlib.suppress(OverflowError):  # the calendar has an end
            return self.origin + self.delay * max(1, (at - self.origin) // self.delay + 1)
        return None


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields, in a time zone."""

    text: str
    zone: zoneinfo.ZoneInfo | None

    def after(self, at: datetime) -> datetime | None:
        """Return the first due time after `at`."""
        with contextlib.suppress(OverflowError):  # the calendar has an end
            for due in CronSim(self.text, at.astimezone(self.zone or UTC)):
                instant = due.astimezone(UTC)
                if instant > at:  # where clocks change, several times of the wall are one, and one is two
                    return instant
        return None


def parse(text: str, zone: str | None = None, origin: datetime = EPOCH) -> Schedule:
    """Return the schedule of a text; raise `ValueError` with what is wrong, as a sentence without a capital letter.

    `zone` is an IANA name, None for UTC; it raises `ValueError` too where the machine does not know it. `origin` is
    what `@every` counts from.
    """
    zone_info = time_zone(zone) if zone is not None else None
    if text.startswith("@"):
        return _named(text, zone_info, origin)
    fields = text.replace("?", "*").split()
    if len(fields) != FIELDS:
        raise ValueError(f"expected exactly {FIELDS} fields, found {len(fields)}: [{' '.join(fields)}]"[:TEXT_MAX])
    return _cron(" ".join(fields), zone_info)


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """Return the time zone of that IANA name; raise `ValueError` where there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name}") from error


def latest(schedule: Schedule, earliest: datetime, now: datetime) -> datetime | None:
    """Return the last due time after `earliest` that is not after `now`; None where there is none."""
    window = WINDOW
    while True:
        start = earliest if now - earliest <= window else now - window
        found = schedule.after(start)
        if found is not None and found <= now:
            break
        if start == earliest:
            return None
        window *= WIDENING
    while (following := schedule.after(found)) is not None and following <= now:
        found = following
    return found


def missed_too_many(schedule: Schedule, earliest: datetime, now: datetime) -> bool:
    """Whether more than `MISSED_MAX` times were due after `earliest` and not after `now`."""
    due: datetime | None = earliest
    for _ in range(MISSED_MAX + 1):
        due = schedule.after(due) if due else None
        if due is None or due > now:
            return False
    return True


def _named(text: str, zone: zoneinfo.ZoneInfo | None, origin: datetime) -> Schedule:
    if text.startswith(EVERY):
        match = _DURATION.fullmatch(text.removeprefix(EVERY).strip())
        hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
        delay = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if delay < EVERY_MIN:
            raise ValueError(f"failed to parse duration {text}: it must be one minute or more, such as 1h30m")
        return Every(delay, origin)
    if text not in NAMES:
        raise ValueError(f"unrecognized descriptor: {text}")
    return _cron(NAMES[text], zone)


def _cron(text: str, zone: zoneinfo.ZoneInfo | None) -> Cron:
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(str(error)[:1].lower() + str(error)[1:]) from error
    return Cron(text, zone)
