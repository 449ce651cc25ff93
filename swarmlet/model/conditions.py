"""Status conditions: reading one, and setting one so that its times tell the truth."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from swarmlet.model.base import clock_time
from swarmlet.model.meta import Condition


def get(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """Return the condition of a type, or None."""
    return next((condition for condition in conditions if condition.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    """Whether the condition is there with status "True"."""
    condition = get(conditions, type_)
    return condition is not None and condition.status == "True"


def put(conditions: tuple[Condition, ...], condition: Condition, now: datetime) -> tuple[Condition, ...]:
    """Return `conditions` with `condition` set, in its place or at the end.

    `last_transition_time` becomes `now` where the status differs from what it was, else it stays. Other times are
    kept as `condition` has them. Where nothing but times would change, `conditions` itself comes back, so that an
    unchanged status makes no write.
    """
    old = get(conditions, condition.type)
    if old is None:
        return (*conditions, msgspec.structs.replace(condition, last_transition_time=clock_time(now)))
    if _says_the_same(old, condition):
        return conditions
    since = clock_time(now) if old.status != condition.status else old.last_transition_time
    new = msgspec.structs.replace(condition, last_transition_time=since)
    return tuple(new if each.type == new.type else each for each in conditions)


def drop(conditions: tuple[Condition, ...], type_: str) -> tuple[Condition, ...]:
    """Return `conditions` without the one of a type."""
    return tuple(condition for condition in conditions if condition.type != type_)


def _says_the_same(old: Condition, new: Condition) -> bool:
    return (old.status, old.reason, old.message, old.observed_generation) == (
        new.status,
        new.reason,
        new.message,
        new.observed_generation,
    )
