"""Tells the cluster which images this machine has, so that Pods may go where theirs need not be fetched.

Source: kubernetes pkg/kubelet/nodestatus/setters.go (Images), pkg/kubelet/images/image_gc_manager.go (GetImageList).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.model.core import ContainerImage
from swarmlet.runtime import runtime

LOOK_SECONDS = 60.0
"""How often the images are listed, beside when the agent changes them: others may, too."""
PAUSE_SECONDS = 2.0
"""After a change, for others that come with it. Only where the images are others than before is anything written."""
IMAGES_MAX = 50
NAMES_MAX = 5
"""Of one image."""

log = structlog.get_logger()

Tell = Callable[[tuple[ContainerImage, ...]], None]


class ImageReports:
    """One for a node; `tell` is told all images, whether they are others or not."""

    def __init__(self, engine: runtime.Runtime, clock: Clock, tell: Tell) -> None:
        self._engine = engine
        self._clock = clock
        self._tell = tell
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Look soon: an image came or went."""
        self._changed.set()

    async def run(self) -> None:
        """Look and tell until cancelled."""
        while True:
            self._changed.clear()
            try:
                self._tell(reported(await self._engine.images()))
            except EngineError as error:
                log.debug("images_not_listed", error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()
                    await self._clock.sleep(PAUSE_SECONDS)


def reported(images: Iterable[runtime.Image]) -> tuple[ContainerImage, ...]:
    """Return the largest images that have a name, as a Node tells of them, the largest first."""
    named = (each for each in images if each.names)
    largest = sorted(named, key=lambda each: (-each.size_bytes, sorted(each.names)))[:IMAGES_MAX]
    return tuple(ContainerImage(names=_digests_first(each.names), size_bytes=each.size_bytes) for each in largest)


def _digests_first(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: ("@" not in name, name)))[:NAMES_MAX]
