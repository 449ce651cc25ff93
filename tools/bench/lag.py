"""How long an event loop does not get to what is due."""

from __future__ import annotations

import asyncio
import time

STEP_SECONDS = 0.002


class LagMeter:
    """Sleeps little, and notes how much too late it wakes up; and how much of that was the loop's own work.

    The first is what peers and clients notice. The second leaves out what other processes took of a busy machine.
    """

    def __init__(self) -> None:
        self.pause_ms = 0.0
        self.own_ms = 0.0

    async def run(self) -> None:
        """Measure until cancelled, in the loop's thread."""
        loop = asyncio.get_running_loop()
        while True:
            due, worked = loop.time() + STEP_SECONDS, time.thread_time()
            await asyncio.sleep(STEP_SECONDS)
            self.pause_ms = max(self.pause_ms, 1000 * (loop.time() - due))
            self.own_ms = max(self.own_ms, 1000 * (time.thread_time() - worked))

    def reset(self) -> None:
        self.pause_ms = self.own_ms = 0.0
