"""How much work each asker may cause, so that a flood from one is not everybody's. Pure: times come in."""

from __future__ import annotations

WINDOW_SECONDS = 1.0
"""Long enough for a program that looks up all it needs at once when it starts."""
UNIT_SECONDS = 10e-6
"""As measured: 8 us for an answer that is at hand, 0.3 ms for one that is made."""
SOURCE_UNITS = 10_000
"""In a window, for one address: so 10,000 answers a second that are at hand, or some 400 that must be made."""
TOTAL_UNITS = 30_000
"""In a window, for all: under a third of a processor; what is left is the daemon's."""
SOURCES_MAX = 4_096
READY_COST = 1
MADE_COST = 25
SLOW_COST_MAX = 250
"""What an answer costs at most that took longer, for the processor was others': each gets 40 a second even then."""


RECORD_COST = 8
"""Of a record of another server's: to read it, keep it and write it."""


class Budget:
    """Counts in windows of time: cheap where it matters, which is under a flood. What was charged too late is owed."""

    def __init__(self, source_units: int = SOURCE_UNITS, total_units: int = TOTAL_UNITS) -> None:
        self._source_units = source_units
        self._total_units = total_units
        self._spent: dict[str, int] = {}
        self._total = 0
        self._until = 0.0

    def take(self, source: str, cost: int, now: float) -> bool:
        """Whether `source` may have work of this cost done now. Beyond `SOURCES_MAX` sources the rest share one."""
        if now >= self._until:
            paid = self._source_units * (1 + int((now - self._until) / WINDOW_SECONDS))
            self._spent = {each: spent - paid for each, spent in self._spent.items() if spent > paid}
            self._until = now + WINDOW_SECONDS
            self._total = 0
        if source not in self._spent and len(self._spent) >= SOURCES_MAX:
            source = ""
        spent = self._spent.get(source, 0) + cost
        if spent > self._source_units or self._total + cost > self._total_units:
            return False
        self._spent[source] = spent
        self._total += cost
        return True

    def charge(self, source: str, seconds: float, records: int = 0) -> None:
        """Take what an answer that was made took beyond `MADE_COST`: on a busy machine fewer are made.

        `records` are those in it that another server gave. Nobody takes from the others more than its share.
        """
        beyond = max(min(int(seconds / UNIT_SECONDS), SLOW_COST_MAX), records * RECORD_COST) - MADE_COST
        if beyond > 0:
            spent = self._spent.get(source, 0)
            self._spent[source] = spent + beyond
            self._total += min(beyond, max(0, self._source_units - spent))
