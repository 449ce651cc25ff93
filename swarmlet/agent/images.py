"""Images on this machine: each is looked for and fetched once, however many containers wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.model.container import Container
from swarmlet.runtime import runtime

KNOWN_MAX = 1_000
PROGRESS_SECONDS = 15.0
"""How often the progress of one pull is told."""
PULLS_MAX = 3

TellPulling = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """`note` is the message of the event Pulled."""

    image_id: str
    note: str


class NeverPullError(EngineError):
    """The image is not here and the container's policy forbids to fetch it."""


class Images:
    """Finds out whether an image is here and fetches it where the policy asks for it."""

    def __init__(self, runtime_: runtime.Runtime, clock: Clock) -> None:
        self._runtime = runtime_
        self._clock = clock
        self._known: dict[str, str] = {}
        self._under_way: dict[str, asyncio.Future[Fetched]] = {}
        self._pulls = asyncio.Semaphore(PULLS_MAX)

    async def fetch(self, container: Container, tell: TellPulling) -> Fetched:
        """Return the image's id once it is here.

        Raises `PullError`, `NeverPullError`, or `EngineError` where the engine does not answer.
        """
        image, policy = container.image, container.image_pull_policy
        if policy != "Always":
            if image in self._known:
                return self._present(image)
            try:
                self._remember(image, await self._runtime.image_id(image))
                return self._present(image)
            except runtime.ImageMissingError as error:
                if policy == "Never":
                    told = f'Container image "{image}" is not present with pull policy of Never'
                    raise NeverPullError(told) from error
        tell(f'Pulling image "{image}"')
        return await self._pull_once(image, tell)

    def forget(self, image: str) -> None:
        """Note that an image thought to be here is not."""
        self._known.pop(image, None)

    def _present(self, image: str) -> Fetched:
        return Fetched(self._known[image], f'Container image "{image}" already present on machine')

    async def _pull_once(self, image: str, tell: TellPulling) -> Fetched:
        """Pull, or wait for the pull that is under way and share its fate."""
        if image in self._under_way:
            return await self._under_way[image]
        outcome: asyncio.Future[Fetched] = asyncio.get_running_loop().create_future()
        self._under_way[image] = outcome
        try:
            outcome.set_result(await self._pull(image, tell))
        except EngineError as error:
            outcome.set_exception(error)
        finally:
            del self._under_way[image]
            outcome.cancel()  # only where neither came about: this task is being cancelled
        return await outcome

    async def _pull(self, image: str, tell: TellPulling) -> Fetched:
        async with self._pulls:
            started = told_at = self._clock.monotonic()

            def progress(line: str) -> None:
                nonlocal told_at
                if self._clock.monotonic() - told_at >= PROGRESS_SECONDS:
                    told_at = self._clock.monotonic()
                    tell(f'Pulling image "{image}": {line}')

            image_id = await self._runtime.pull(image, progress)
        self._remember(image, image_id)
        seconds = self._clock.monotonic() - started
        return Fetched(image_id, f'Successfully pulled image "{image}" in {seconds:.1f}s')

    def _remember(self, image: str, image_id: str) -> None:
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[image] = image_id
