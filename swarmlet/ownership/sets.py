"""Sets of fields, in the form of fieldsV1: an object of steps, each with the set of what lies below it.

    {"f:spec": {"f:replicas": {}, "f:template": {".": {}, "f:metadata": {}}}}

A step with nothing below is in the set; one with something below only where `.` says so. `{}` as a whole is the empty
set. No function changes what it is given; results share parts with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swarmlet.ownership import steps

Fields = dict[str, Any]
Path = tuple[str, ...]


def node(below: Fields, *, is_member: bool) -> Fields | None:
    """Return what stands behind a step; None where the step is to go."""
    if not below:
        return {} if is_member else None
    return {steps.SELF: {}, **below} if is_member else below


def is_member(behind: Mapping[str, Any]) -> bool:
    """Whether a step is itself in the set, told by what stands behind it."""
    return not behind or steps.SELF in behind


def below(behind: Fields) -> Fields:
    """Return the set of what lies below a step."""
    return {step: each for step, each in behind.items() if step != steps.SELF} if steps.SELF in behind else behind


def union(one: Fields, other: Fields) -> Fields:
    """Return what is in either set."""
    result = dict(one)
    for step, behind in other.items():
        if step in one:
            mine = one[step]
            member = is_member(mine) or is_member(behind)
            joined = node(union(below(mine), below(behind)), is_member=member)
            assert joined is not None, "both were in a set"
            behind = joined  # noqa: PLW2901  the two as one
        result[step] = behind
    return result


def intersection(one: Fields, other: Fields) -> Fields:
    """Return what is in both sets."""
    found = {}
    for step, behind in one.items():
        if step in other:
            member = is_member(behind) and is_member(other[step])
            both = node(intersection(below(behind), below(other[step])), is_member=member)
            if both is not None:
                found[step] = both
    return found


def difference(one: Fields, other: Fields) -> Fields:
    """Return what is in the first set and not in the other: a step that goes leaves what lies below it."""
    found = {}
    for step, behind in one.items():
        left: Fields | None = behind
        if step in other:
            member = is_member(behind) and not is_member(other[step])
            left = node(difference(below(behind), below(other[step])), is_member=member)
        if left is not None:
            found[step] = left
    return found


def with_fields(fields: Fields) -> Fields:
    """Return a set with every field that leads to a member of it: who owns a part holds the object around it."""
    found = {}
    for step, behind in fields.items():
        member = step.startswith(steps.FIELD) or is_member(behind)
        whole = node(with_fields(below(behind)), is_member=member)
        if whole is not None:
            found[step] = whole
    return found


def paths(fields: Fields, before: Path = ()) -> Iterator[Path]:
    """Yield the way to each member, those of one object in order."""
    for step in sorted(fields):
        path = (*before, step)
        if is_member(fields[step]):
            yield path
        yield from paths(below(fields[step]), path)


def is_set(value: Any) -> bool:
    """Whether a value from outside is a set of fields."""
    if not isinstance(value, dict):
        return False
    return all(
        (step == steps.SELF and not each) or (steps.is_step(step) and is_set(each)) for step, each in value.items()
    )
