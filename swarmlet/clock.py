"""The only file that may read time or sleep.

Everything that needs time takes a `Clock`; pure rooms take `now` as an argument. The simulator passes its own.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for what people read, monotonic time for what is measured."""

    def now(self) -> datetime:
        """Return wall time, timezone-aware UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean something."""

    async def sleep(self, seconds: float) -> None:
        """Suspend the task for `seconds`."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)  # goes on while the machine is suspended: leases run out then

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
