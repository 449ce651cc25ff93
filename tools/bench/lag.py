"""How long an event loop does not get to what is due."""

from __future__ import annotations

import asyncio

STEP_SECONDS = 0.002


class LagMeter:
    """Sleeps little, and notes how much too late it wakes up."""

    def __init__(self) -> None:
        self._worst_seconds = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + STEP_SECONDS
            await asyncio.sleep(STEP_SECONDS)
            self._worst_seconds = max(self._worst_seconds, loop.time() - due)

    @property
    def worst_ms(self) -> float:
        """The longest pause since `reset`, in milliseconds."""
        return 1000 * self._worst_seconds

    def reset(self) -> None:
        self._worst_seconds = 0.0
