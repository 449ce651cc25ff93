"""The outcomes of recent requests, so that a proposal made twice takes effect once."""

from __future__ import annotations

from collections import OrderedDict

from swarmlet.store.commands import Outcome

REQUESTS_MAX = 32_768
"""A proposal is retried for 5 s: enough for 6,000 writes a second. Some 10 MB."""
OUTCOMES_MAX = 65_536
"""Over all remembered requests: a few large commands count as many small ones."""


class RecentRequests:
    """Outcomes by request id, oldest first. What is forgotten when depends on nothing but what was remembered."""

    def __init__(self, remembered: OrderedDict[bytes, tuple[Outcome, ...]] | None = None) -> None:
        self._outcomes = remembered or OrderedDict()
        self._count = sum(map(len, self._outcomes.values()))

    def get(self, request_id: bytes) -> tuple[Outcome, ...] | None:
        """Return the first outcomes of a request, or None where it is new, forgotten or has no id."""
        return self._outcomes.get(request_id)

    def remember(self, request_id: bytes, outcomes: tuple[Outcome, ...]) -> None:
        """Remember a new request, unless it has no id, and forget the oldest over the limits."""
        if not request_id:
            return
        self._outcomes[request_id] = outcomes
        self._count += len(outcomes)
        while len(self._outcomes) > REQUESTS_MAX or (self._count > OUTCOMES_MAX and len(self._outcomes) > 1):
            self._count -= len(self._outcomes.popitem(last=False)[1])

    def items(self) -> list[tuple[bytes, tuple[Outcome, ...]]]:
        """Return all that is remembered, oldest first."""
        return list(self._outcomes.items())
