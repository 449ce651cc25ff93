"""Trying a step until it succeeds: the engine or the cluster may be away for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import PeerError

RETRY_SECONDS = 1.0

log = structlog.get_logger()


async def until_done(step: Callable[[], Awaitable[bool]], clock: Clock) -> None:
    """Take a step again and again until it returns True."""
    while True:
        try:
            if await step():
                return
        except PeerError as error:
            log.warning("agent_step_failed", step=getattr(step, "__name__", ""), error=str(error))
        await clock.sleep(RETRY_SECONDS)
