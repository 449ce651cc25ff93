"""Linearizability, by witness: the revisions say in which order things took effect, and real time must agree.

The store numbers every change of every key, so the order needs no search: a write took effect at its revision, a read
between the change that it saw and the next one of its key. An operation that began after another had ended must
not have taken effect before it. Each operation takes the earliest place that is left, which is the best for all later
ones; if even that is past what it saw, no order explains the history. Over all keys at once, in O(n log n).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """An operation that took effect: when it ran (seconds), and between which revisions, both included, it did so.

    `again` is from where on it is possible once more: who saw nothing may have come before the object or after it.
    Writes are at whole numbers and reads between them.
    """

    started: float
    ended: float
    low: float
    high: float
    what: str
    again: float = math.inf

    def place(self, floor: float) -> float:
        """Return the earliest place from `floor` on; infinite where there is none."""
        first = max(self.low, floor)
        return first if first <= self.high else max(self.again, floor)


def violations(spans: Iterable[Span]) -> list[str]:
    """Return, for each operation that no order explains, what it contradicts."""
    found: list[str] = []
    running: list[tuple[float, int, float, str]] = []
    floor, because = 0.0, "the beginning"
    for number, span in enumerate(sorted(spans, key=lambda span: (span.started, span.ended))):
        while running and running[0][0] < span.started:
            _, _, ended_at, what = heapq.heappop(running)
            if ended_at > floor:
                floor, because = ended_at, what
        place = span.place(floor)
        if math.isinf(place):
            found.append(
                f"{span.what} took effect by {span.high:g}, but began after the end of: {because}, at {floor:g}"
            )
            place = span.high
        heapq.heappush(running, (span.ended, number, place, span.what))
    return found
