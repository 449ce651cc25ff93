"""Looks at the daemons while the campaign runs: elections, snapshots, and daemons that end though nobody ended them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from tools.chaos.doors import Doors, nap

LOOK_SECONDS = 1.0
_METRIC = re.compile(r"^swarmlet_consensus_(\w+?)(?:_total)? (\S+)$", re.MULTILINE)
COUNTED = ("snapshots_taken", "snapshots_sent", "snapshots_installed", "entries_applied")


class Gauges:
    """Sums the daemons' own counters over all their lives; what one counted just before it was killed is not seen."""

    def __init__(self, doors: Doors) -> None:
        self.totals: Counter[str] = Counter()
        self.term_first = 0
        self.term_last = 0
        self._doors = doors
        self._last: dict[str, dict[str, float]] = {}

    @property
    def elections(self) -> int:
        """Terms that passed; some had no winner."""
        return self.term_last - self.term_first

    async def run(self, stopping: asyncio.Event) -> None:
        """Look again and again until it is time to stop."""
        while await nap(LOOK_SECONDS, stopping):
            await asyncio.gather(*(self._look(name) for name in self._doors.names))

    async def _look(self, name: str) -> None:
        try:
            text = (await self._doors.body(name, "/metrics")).decode()
        except OSError:
            return
        values = {key: float(value) for key, value in _METRIC.findall(text)}
        before = self._last.get(name, {})
        for key in COUNTED:
            now, then = values.get(key, 0), before.get(key, 0)
            self.totals[key] += int(now - then if now >= then else now)
        self._last[name] = values
        self.term_last = max(self.term_last, int(values.get("term", 0)))
        self.term_first = self.term_first or self.term_last
