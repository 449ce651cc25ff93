"""What the `/log` of a Pod is asked for: PodLogOptions, read from the query and judged in Kubernetes' words.

Source: kubernetes pkg/apis/core/validation (ValidatePodLogOptions), with PodLogsQuerySplitStreams off, as it is by
default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from swarmlet.api import queries
from swarmlet.errors import CallerError, InvalidError
from swarmlet.model.problems import Place, Problems
from swarmlet.runtime.runtime import LogOptions

BYTES_MAX = 2**40
LINES_MAX = 10**9
SECONDS_MAX = 10 * 365 * 86_400
"""More than this of each is asked for as this much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The options that have rules; None: not given."""

    tail_lines: int | None
    limit_bytes: int | None
    since_seconds: int | None
    since_time: datetime | None
    stream: str


def read(query: Mapping[str, str], pod_name: str, now: datetime) -> LogOptions:
    """Return what is asked for.

    Raises:
        CallerError: for what is no number, time or boolean.
        InvalidError: with every rule that is broken.
    """
    asked = _Asked(
        tail_lines=queries.integer(query, "tailLines"),
        limit_bytes=queries.integer(query, "limitBytes"),
        since_seconds=queries.integer(query, "sinceSeconds"),
        since_time=_time(query.get("sinceTime", "")),
        stream=query.get("stream", ""),
    )
    causes = _problems(asked)
    if causes:
        told = ", ".join(f"{path}: {message}" for path, message in causes)
        told = told if len(causes) == 1 else f"[{told}]"
        raise InvalidError(f'PodLogOptions "{pod_name}" is invalid: {told}', tuple(causes))
    since = asked.since_time
    if asked.since_seconds is not None:
        since = now - timedelta(seconds=min(asked.since_seconds, SECONDS_MAX))
    return LogOptions(
        follow=queries.flag(query, "follow"),
        timestamps=queries.flag(query, "timestamps"),
        since=since,
        tail_lines=_at_most(asked.tail_lines, LINES_MAX),
        limit_bytes=_at_most(asked.limit_bytes, BYTES_MAX),
    )


def _problems(asked: _Asked) -> list[tuple[str, str]]:
    problems = Problems()
    problems.at("tailLines").not_negative(asked.tail_lines)
    _positive(problems.at("limitBytes"), asked.limit_bytes)
    if asked.since_seconds is not None and asked.since_time is not None:
        problems.at("").forbidden("at most one of `sinceTime` or `sinceSeconds` may be specified")
    else:
        _positive(problems.at("sinceSeconds"), asked.since_seconds)
    if asked.stream:
        problems.at("stream").forbidden("may not be specified")
    return problems.causes


def _positive(place: Place, value: int | None) -> None:
    if value is not None and value < 1:
        place.invalid(value, "must be greater than 0")


def _at_most(value: int | None, most: int) -> int | None:
    return None if value is None else min(value, most)


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise CallerError(f'sinceTime: "{text[:64]}" is no RFC 3339 time') from error
    if moment.tzinfo is None:
        raise CallerError(f'sinceTime: "{text[:64]}" has no time zone')
    return moment
