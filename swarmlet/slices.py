"""Long work in the event loop, in slices, so that nobody who shares the loop waits for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from swarmlet.clock import Clock

SLICE_SECONDS = 0.005
"""After so long others have their turn: heartbeats, requests, other work. They may have to wait for two slices."""


async def work_through(work: Iterable[object], clock: Clock) -> None:
    """Exhaust `work`; its steps are short, whatever they yield is of no matter."""
    begun = clock.monotonic()
    for _ in work:
        if clock.monotonic() - begun >= SLICE_SECONDS:
            await asyncio.sleep(0)
            begun = clock.monotonic()
