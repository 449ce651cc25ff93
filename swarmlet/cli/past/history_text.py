"""Changes of what is asked for as people read them: one line each, or field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from swarmlet.cli.past import moments
from swarmlet.model import differences, histories, kinds
from swarmlet.model.differences import Difference
from swarmlet.model.histories import ObjectChange, ObjectDifference

HEADER = ("REV", "WHEN", "WHO", "FROM", "OBJECT", "WHAT")
SIGNS = {histories.CREATE: "+", histories.CHANGE: "~", histories.DELETE: "-"}
DONE = {histories.CREATE: "created", histories.CHANGE: "changed", histories.DELETE: "deleted"}
FIELDS_MAX = 3
"""Of one change on one line; `diff` tells all."""
FIELD_LENGTH_MAX = 100
THE_CLUSTER = "system"
"""Who did it, where the change does not say."""
IDENTITY = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
_TEMPLATE = "spec.template.spec."


def row(change: ObjectChange, now: datetime) -> list[str]:
    """Return the cells of a change."""
    return [
        str(change.revision),
        moments.local(change.at, now),
        change.who or THE_CLUSTER,
        whence(change),
        named(change.resource, change.name),
        what(change, now),
    ]


def whence(change: ObjectChange) -> str:
    """Return where a change came from: an address and a program, or the machine on whose own socket it came."""
    where = change.address or change.node
    return " ".join(word for word in (where, change.agent) if word) or "-"


def what(change: ObjectChange, now: datetime) -> str:
    """Return what was done, on one line."""
    told = [_short(line) for each in change.differences for line in differences.written(each)]
    shown = ", ".join(told[:FIELDS_MAX]) if change.action == histories.CHANGE else DONE[change.action]
    if len(told) > FIELDS_MAX and change.action == histories.CHANGE:
        shown += f", and {len(told) - FIELDS_MAX} more"
    beside = [change.note]
    if change.joined > 1:
        beside.append(f"{change.joined} changes since {moments.local(change.began, now)}")
    if change.size > 1:
        beside.append(f"one of {change.size} objects of change {change.change}")
    return f"{shown} ({'; '.join(each for each in beside if each)})" if any(beside) else shown


def change_lines(changes: Sequence[ObjectChange], now: datetime) -> Iterator[str]:
    """Yield the lines of one change, of one or several objects."""
    first = changes[0]
    who, when = first.who or THE_CLUSTER, moments.local(first.at, now)
    through = f" through {first.node}" if first.node and first.address else ""
    yield f"change {first.change}: {who}, {when}, from {whence(first)}{through}"
    if first.note:
        yield f"    {first.note}"
    for change in changes:
        if change.joined > 1:
            yield f"    {change.joined} changes, from revision {change.since} to {change.revision}"
        yield from object_lines(change)


def object_lines(changed: ObjectChange | ObjectDifference) -> Iterator[str]:
    """Yield the lines that tell what became of one object, field by field."""
    where = f" in {changed.namespace}" if changed.namespace else ""
    yield f"{SIGNS[changed.action]} {named(changed.resource, changed.name)}{where}"
    for each in changed.differences:
        yield from (f"    {line}" for line in _written(each))


def named(resource: str, name: str) -> str:
    """Return an object as kubectl names it: "deployment.apps/web"."""
    kind = kinds.BY_RESOURCE.get(resource)
    group = resource.partition(".")[2]
    singular = kind.singular if kind else resource.partition(".")[0]
    return f"{singular}.{group}/{name}" if group else f"{singular}/{name}"


def _written(difference: Difference) -> list[str]:
    return [] if difference.path in IDENTITY else differences.written(difference)


def _short(line: str) -> str:
    """Return the line of a difference without what goes without saying."""
    text = line.removeprefix("~ ").replace(_TEMPLATE, "", 1)
    return text if len(text) <= FIELD_LENGTH_MAX else text[: FIELD_LENGTH_MAX - 3] + "..."
