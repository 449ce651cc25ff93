"""Where in the order of revisions each operation of a history took effect."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tools.chaos.history import Act, End, Operation
from tools.chaos.order import Span

State = Mapping[str, tuple[int, str]]
"""Key -> (revision, token)."""
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one key, as it is known: told to a writer, seen by a watch, or found in a list."""

    revision: int
    key: str
    gone: bool
    token: str


def of(operations: list[Operation], by_key: Mapping[str, list[Change]], final: State | None) -> Iterator[Span]:
    """Yield the span of each operation that had an effect or an answer, and none of the others."""
    places = {change.token: change.revision for changes in by_key.values() for change in changes if not change.gone}
    for each in operations:
        changes = by_key.get(each.key, [])
        if each.act is Act.READ:
            if each.end is End.DONE:
                yield _of_read(each, changes, final)
        elif each.end is End.REFUSED:
            if each.reason == "Conflict" and (after := next_change(changes, each.expected)):
                yield Span(each.started, each.ended, after.revision + HALF, math.inf, str(each))
        elif each.act is Act.DELETE:
            after = next_change(changes, each.expected)
            if after and after.gone:
                yield Span(each.started, each.ended, after.revision, after.revision, str(each))
        elif each.token in places:
            yield Span(each.started, each.ended, places[each.token], places[each.token], str(each))


def _of_read(read: Operation, changes: list[Change], final: State | None) -> Span:
    """Place a read between the change that it saw and the next one; keys live once, so nothing was before and after."""
    times = (read.started, read.ended)
    if read.revision:
        after = next_change(changes, read.revision)
        return Span(*times, read.revision + HALF, after.revision - HALF if after else math.inf, str(read))
    if not changes:
        return Span(*times, 0, math.inf, str(read))
    ended = changes[-1].gone or read.key not in (final or ())
    again = changes[-1].revision + HALF if ended else math.inf
    return Span(*times, 0, changes[0].revision - HALF, str(read), again)


def next_change(changes: list[Change], revision: int) -> Change | None:
    """Return the change that came after this revision of a key; None where none did."""
    place = bisect.bisect_right(changes, revision, key=lambda change: change.revision)
    return changes[place] if place < len(changes) else None
