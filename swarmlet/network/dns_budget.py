"""How much work each asker may cause, so that a flood from one is not everybody's. Pure: times come in."""

from __future__ import annotations

WINDOW_SECONDS = 0.1
SOURCE_UNITS = 1_000
"""In a window, for one address: so 10,000 answers a second that are at hand, and 1,000 that must be made."""
TOTAL_UNITS = 3_000
"""In a window, for all: what is left of the processor is the daemon's."""
SOURCES_MAX = 4_096
READY_COST = 1
MADE_COST = 10


class Budget:
    """Counts in windows of time: cheap where it matters, which is under a flood."""

    def __init__(self, source_units: int = SOURCE_UNITS, total_units: int = TOTAL_UNITS) -> None:
        self._source_units = source_units
        self._total_units = total_units
        self._spent: dict[str, int] = {}
        self._total = 0
        self._until = 0.0

    def take(self, source: str, cost: int, now: float) -> bool:
        """Whether `source` may have work of this cost done now. Beyond `SOURCES_MAX` sources the rest share one."""
        if now >= self._until:
            self._until = now + WINDOW_SECONDS
            self._spent.clear()
            self._total = 0
        if source not in self._spent and len(self._spent) >= SOURCES_MAX:
            source = ""
        spent = self._spent.get(source, 0) + cost
        if spent > self._source_units or self._total + cost > self._total_units:
            return False
        self._spent[source] = spent
        self._total += cost
        return True
