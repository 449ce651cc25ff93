"""Removes images that no Pod of this node uses, the longest unused first, while their disk is too full.

Only those that this daemon has fetched itself, unless the configuration gives it all.
Source: kubernetes pkg/kubelet/images/image_gc_manager.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import structlog

from swarmlet.agent.images.fetching import Images
from swarmlet.agent.images.pulled_images import PulledImages
from swarmlet.agent.pressure.pressures import Gauge, Readings
from swarmlet.clock import Clock
from swarmlet.config import ImageCollection as Limits
from swarmlet.model import thresholds
from swarmlet.model.image_names import familiar
from swarmlet.runtime import runtime

RETRY_SECONDS = 300.0
"""After a round that could not free enough: nothing else may come of the next one so soon."""

log = structlog.get_logger()

Read = Callable[[], Awaitable[Readings]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Which images were removed. `wanted_bytes` were to be freed, of which `missing_bytes` were not found."""

    removed: tuple[str, ...] = ()
    wanted_bytes: int = 0
    missing_bytes: int = 0


class ImageCollection:
    """One for a node. `in_use` tells the images of the Pods that are bound here, whether they run or not."""

    def __init__(
        self,
        *,
        engine: runtime.Runtime,
        clock: Clock,
        images: Images,
        pulled: PulledImages,
        limits: Limits,
        in_use: Callable[[], Collection[str]],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._images = images
        self._pulled = pulled
        self._limits = limits
        self._in_use = in_use
        self._seen: dict[str, datetime] = {}
        self._quiet_until = 0.0

    async def collect(self, readings: Readings, read: Read) -> Outcome | None:
        """Remove images where their disk is over the high threshold, until it is under the low one.

        Returns None where there was nothing to do. `read` measures anew.
        """
        used = self._in_use()
        self._pulled.use(used, self._clock.now())
        gauge = readings.get(thresholds.IMAGEFS_AVAILABLE)
        if gauge is None or _percent_used(gauge) < self._limits.high_threshold_percent:
            return None
        if self._clock.monotonic() < self._quiet_until:
            return None
        outcome = await self._remove(read, self._limits.minimum_age_seconds, self._excess)
        if outcome.missing_bytes:
            self._quiet_until = self._clock.monotonic() + RETRY_SECONDS
        return outcome

    async def remove_unused(self, read: Read) -> Outcome:
        """Remove every image that no Pod uses, however young: the node is short of disk."""
        return await self._remove(read, 0.0, lambda _gauge: 1)

    def _excess(self, gauge: Gauge) -> int:
        """Return how many bytes must be freed for the low threshold."""
        return max(0, gauge.capacity * (100 - self._limits.low_threshold_percent) // 100 - gauge.available)

    async def _remove(self, read: Read, age_seconds: float, excess: Callable[[Gauge], int]) -> Outcome:
        removed: list[str] = []
        wanted = missing = await self._still(read, excess)
        for name in await self._candidates(age_seconds):
            if not missing:
                break
            if await self._remove_one(name):
                removed.append(name)
                missing = await self._still(read, excess)
        if removed:
            await asyncio.to_thread(self._pulled.save)
            log.info("images_collected", images=removed)
        return Outcome(tuple(removed), wanted, missing)

    async def _still(self, read: Read, excess: Callable[[Gauge], int]) -> int:
        gauge = (await read()).get(thresholds.IMAGEFS_AVAILABLE)
        return excess(gauge) if gauge else 0

    async def _candidates(self, age_seconds: float) -> list[str]:
        """Return the images that may go, the longest unused first."""
        now, used = self._clock.now(), {familiar(name) for name in self._in_use()}
        known = self._pulled.longest_unused()
        if self._limits.images == "all":
            known = await self._everything(now, used)
        return [name for name, at in known if familiar(name) not in used and (now - at).total_seconds() >= age_seconds]

    async def _everything(self, now: datetime, used: Collection[str]) -> list[tuple[str, datetime]]:
        """Return all images of the engine that are not in use under any of their names, with each of these.

        One that was not seen before counts as used until now.
        """
        known, idle = self._seen, list[str]()
        self._seen = {}
        for image in await self._engine.images():
            is_used = any(familiar(name) in used for name in image.names)
            self._seen |= {name: now if is_used else known.get(name, now) for name in image.names}
            idle += () if is_used else image.names
        return sorted(((name, self._seen[name]) for name in idle), key=lambda item: (item[1], item[0]))

    async def _remove_one(self, name: str) -> bool:
        try:
            await self._engine.remove_image(name)
        except runtime.ImageInUseError as error:
            log.debug("image_in_use", image=name, reason=str(error))
            return False
        self._images.forget(name)
        self._pulled.remove(name)
        self._seen.pop(name, None)
        return True


def _percent_used(gauge: Gauge) -> int:
    return 100 - gauge.available * 100 // gauge.capacity if gauge.capacity else 0
