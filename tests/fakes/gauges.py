"""What a machine has left, as a test says."""

from __future__ import annotations

from collections.abc import Callable

from swarmlet.agent.pressure.pressures import Gauge, Readings

MI = 1024 * 1024
GI = 1024 * MI
EVERYTHING = {
    "memory.available": Gauge(8 * GI, 4 * GI),
    "nodefs.available": Gauge(100 * GI, 50 * GI),
    "nodefs.inodesFree": Gauge(1_000_000, 900_000),
    "imagefs.available": Gauge(100 * GI, 50 * GI),
    "imagefs.inodesFree": Gauge(1_000_000, 900_000),
    "pid.available": Gauge(30_000, 29_000),
}


class ScriptedGauges:
    """`swarmlet.agent.pressure.gauges.Gauges`; plenty of everything at first. A signal may be left to a function."""

    def __init__(self) -> None:
        self._found: dict[str, Gauge | Callable[[], Gauge]] = dict(EVERYTHING)

    def resize(self, signal: str, capacity: int) -> None:
        """Let there be so much of something, and half of it left."""
        self._found[signal] = Gauge(capacity, capacity // 2)

    def leave(self, signal: str, available: int | Callable[[], int]) -> None:
        """Let so much be left of something, by now or whenever it is asked."""
        capacity = EVERYTHING[signal].capacity
        self._found[signal] = (
            (lambda: Gauge(capacity, available())) if callable(available) else Gauge(capacity, available)
        )

    def read(self, data_root: str) -> Readings:
        return {signal: found() if callable(found) else found for signal, found in self._found.items()}
