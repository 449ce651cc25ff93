from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlet.model import schedules

NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def following(text: str, zone: str | None, start: str, count: int) -> list[str]:
    """Return the next due times, in the zone's own clock."""
    schedule, moment, found = schedules.parse(text, zone), at(start), []
    for _ in range(count):
        due = schedule.after(moment)
        assert due is not None
        assert due > moment
        assert due.tzinfo is UTC
        found.append(due.astimezone(ZoneInfo(zone) if zone else UTC).isoformat())
        moment = due
    return found


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("*/15 * * * *", "2026-01-01T10:15:00+00:00"),
        ("0 3 * * MON", "2026-01-05T03:00:00+00:00"),
        ("0 3 * * 7", "2026-01-04T03:00:00+00:00"),
        ("5 4 ? jan-feb *", "2026-01-02T04:05:00+00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+00:00"),
        ("0 0 13 * FRI", "2026-01-02T00:00:00+00:00"),
        ("@hourly", "2026-01-01T11:00:00+00:00"),
        ("@daily", "2026-01-02T00:00:00+00:00"),
        ("@weekly", "2026-01-04T00:00:00+00:00"),
        ("@monthly", "2026-02-01T00:00:00+00:00"),
        ("@annually", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_a_schedule_names_its_next_time(text: str, first: str) -> None:
    assert following(text, None, "2026-01-01T10:07:30+00:00", 1) == [first]


def test_a_time_zone_is_the_schedules_own_clock() -> None:
    assert following("0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00:00+00:00", 1) == ["2026-01-01T09:00:00+05:30"]


def test_every_counts_from_its_origin() -> None:
    origin = at("2026-01-01T00:00:10+00:00")
    schedule = schedules.parse("@every 1h30m", None, origin)
    assert schedule.after(origin) == origin + timedelta(minutes=90)
    assert schedule.after(origin + timedelta(minutes=90)) == origin + timedelta(minutes=180)
    assert schedule.after(origin + timedelta(minutes=200)) == origin + timedelta(minutes=270)


# Where the clocks change: New York, 8 March 2026 at 2:00 and 1 November 2026 at 2:00.


def test_a_time_that_is_skipped_is_due_when_its_hour_would_end() -> None:
    found = following("30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", 2)
    assert found == ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]


def test_two_times_that_are_skipped_are_one() -> None:
    found = following("0,30 2,3 * * *", "America/New_York", "2026-03-08T01:00:00-05:00", 2)
    assert found == ["2026-03-08T03:00:00-04:00", "2026-03-08T03:30:00-04:00"]


def test_a_time_that_comes_twice_is_due_once() -> None:
    found = following("30 1 * * *", "America/New_York", "2026-11-01T00:00:00-04:00", 2)
    assert found == ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]


def test_hours_that_come_by_themselves_all_count() -> None:
    spring = following("0 * * * *", "America/New_York", "2026-03-08T00:30:00-05:00", 3)
    assert spring == ["2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T04:00:00-04:00"]
    autumn = following("0 * * * *", "America/New_York", "2026-11-01T00:30:00-04:00", 3)
    assert autumn == ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("0 * * * * *", "expected exactly 5 fields, found 6: [0 * * * * *]"),
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * * 13 *", "bad month"),
        ("* * * * 8", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("@reboot", "unrecognized descriptor: @reboot"),
        ("@every 5s", "failed to parse duration @every 5s: it must be one minute or more, such as 1h30m"),
        ("@every soon", "failed to parse duration @every soon: it must be one minute or more, such as 1h30m"),
        ("", "expected exactly 5 fields, found 0: []"),
    ],
)
def test_what_is_no_schedule_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the words are compared below
        schedules.parse(text)
    assert str(refused.value) == why


@pytest.mark.parametrize("zone", ["Europe/Rigga", "../etc/passwd", "/etc/localtime", "Europe", "a\0b"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        schedules.parse("* * * * *", zone)


CRON = (
    st.tuples(
        st.sampled_from(["*", "*/7", "0", "30", "15,45", "59"]),
        st.sampled_from(["*", "*/5", "0", "1", "2", "2,3", "23"]),
        st.sampled_from(["*", "1", "8", "31"]),
        st.sampled_from(["*", "3", "11"]),
        st.sampled_from(["*", "SUN", "1-5"]),
    )
    .map(" ".join)
    .filter(lambda text: " 31 11 " not in text)
)  # no such day: refused
ZONES = st.sampled_from(["America/New_York", "Europe/Riga", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
MOMENTS = st.integers(0, 400 * 24 * 60).map(
    lambda minutes: at("2026-01-01T00:00:30+00:00") + timedelta(minutes=minutes)
)


@given(CRON, ZONES, MOMENTS, st.integers(1, 5000))
def test_the_latest_time_is_the_last_of_those_that_follow(
    text: str, zone: str, earliest: datetime, minutes: int
) -> None:
    schedule = schedules.parse(text, zone)
    now = earliest + timedelta(minutes=minutes)
    due: list[datetime] = []
    while (found := schedule.after(due[-1] if due else earliest)) is not None and found <= now:
        due.append(found)
    assert due == sorted(set(due))
    assert schedules.latest(schedule, earliest, now) == (due[-1] if due else None)
    assert schedules.missed_too_many(schedule, earliest, now) == (len(due) > schedules.MISSED_MAX)


@pytest.mark.parametrize(
    ("text", "last"), [("* * * * *", "2026-01-01"), ("0 0 29 2 *", "2024-02-29"), ("@every 1h", "2026-01-01")]
)
def test_the_ends_of_the_calendar_are_no_error(text: str, last: str) -> None:
    schedule, now = schedules.parse(text), at("2026-01-01T00:00:00+00:00")
    first, end = (datetime(year, month, month, tzinfo=UTC) for year, month in ((1, 1), (9999, 12)))
    assert schedule.after(end + timedelta(days=19, hours=23, minutes=59)) is None
    assert schedules.latest(schedule, end, now) is None
    assert schedules.latest(schedule, first, now) == at(f"{last}T00:00:00+00:00")
