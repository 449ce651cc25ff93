"""The wall time of these tests: real, because OpenSSL compares certificates with the machine's own clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from swarmlet.clock import SystemClock

NOW = SystemClock().now().replace(microsecond=0)


class FixedClock:
    """Stands still until it is told otherwise; sleeping moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)
