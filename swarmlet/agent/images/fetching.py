"""Images on this machine: each is looked for and fetched once, however many containers wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from swarmlet.agent.images.access import ImageAccess
from swarmlet.agent.images.keyring import Entry, Keyring
from swarmlet.agent.images.pulled_images import PulledImages
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
    """Finds out whether an image is here and fetches it where the policy asks for it.

    `changed` is told when an image turns out to be here, another one than before, or gone.
    """

    def __init__(
        self,
        runtime_: runtime.Runtime,
        clock: Clock,
        access: ImageAccess,
        pulled: PulledImages,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._runtime = runtime_
        self._clock = clock
        self._pulled = pulled
        self._access = access
        self._changed = changed
        self._known: dict[str, str] = {}
        self._under_way: dict[tuple[str, tuple[Entry, ...]], asyncio.Future[Fetched]] = {}
        self._pulls = asyncio.Semaphore(PULLS_MAX)

    async def fetch(self, container: Container, keyring: Keyring, tell: TellPulling) -> Fetched:
        """Return the image's id once it is here, and may be used by whoever has these credentials.

        Raises `PullError`, `NeverPullError`, or `EngineError` where the engine does not answer.
        """
        image, policy = container.image, container.image_pull_policy
        entries = keyring.lookup(image)
        if policy != "Always":
            image_id = self._known[image] if image in self._known else await self._find(image)
            if image_id is not None and self._access.may_use(image, image_id, entries):
                self._remember(image, image_id)
                return self._present(image)
            if policy == "Never":
                why = "not present with pull policy of Never"
                if image_id is not None:
                    why = "present with pull policy of Never but does not have the proper credentials to be used"
                raise NeverPullError(f'Container image "{image}" is {why}')
        tell(f'Pulling image "{image}"')
        return await self._pull_once(image, entries, tell)

    def forget(self, image: str) -> None:
        """Note that an image thought to be here is not."""
        self._known.pop(image, None)
        self._changed()

    def _present(self, image: str) -> Fetched:
        self._pulled.use((image,), self._clock.now())
        return Fetched(self._known[image], f'Container image "{image}" already present on machine')

    async def _find(self, image: str) -> str | None:
        try:
            return await self._runtime.image_id(image)
        except runtime.ImageMissingError:
            return None

    async def _pull_once(self, image: str, entries: tuple[Entry, ...], tell: TellPulling) -> Fetched:
        """Pull, or wait for the pull with the same credentials that is under way and share its fate."""
        key = (image, entries)
        if key in self._under_way:
            return await self._under_way[key]
        outcome: asyncio.Future[Fetched] = asyncio.get_running_loop().create_future()
        self._under_way[key] = outcome
        try:
            outcome.set_result(await self._pull(image, entries, tell))
        except Exception as error:  # noqa: BLE001  whatever it is, who waits for the same pull must hear of it
            outcome.set_exception(error)
        finally:
            del self._under_way[key]
            outcome.cancel()  # only where neither came about: this task is being cancelled
        return await outcome

    async def _pull(self, image: str, entries: tuple[Entry, ...], tell: TellPulling) -> Fetched:
        async with self._pulls:
            started = told_at = self._clock.monotonic()

            def progress(line: str) -> None:
                nonlocal told_at
                if self._clock.monotonic() - told_at >= PROGRESS_SECONDS:
                    told_at = self._clock.monotonic()
                    tell(f'Pulling image "{image}": {line}')

            before = await self._find(image)
            image_id, entry = await self._pull_with(image, entries, progress, is_new=before is None)
        await self._access.fetched(image, image_id, entry, was_here=before == image_id)
        self._remember(image, image_id)
        if before is None:  # else it was brought by another's hand perhaps, and is not ours to remove
            self._pulled.add(image, self._clock.now())
            await asyncio.to_thread(self._pulled.save)
        seconds = self._clock.monotonic() - started
        return Fetched(image_id, f'Successfully pulled image "{image}" in {seconds:.1f}s')

    async def _pull_with(
        self, image: str, entries: tuple[Entry, ...], progress: runtime.Progress, *, is_new: bool
    ) -> tuple[str, Entry | None]:
        """Pull with the first credentials that the registry accepts; return the image's id and whose they were."""
        if not entries:
            return await self._runtime.pull(image, progress), None
        if is_new and not any(entry.is_machines for entry in entries):
            await self._access.begin(image)
        refusals: list[str] = []
        for entry in entries:
            try:
                return await self._runtime.pull(image, progress, entry.credentials), entry
            except runtime.PullError as error:
                refusals.append(str(error))
        raise runtime.PullError("; ".join(dict.fromkeys(refusals)))

    def _remember(self, image: str, image_id: str) -> None:
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        if self._known.get(image) != image_id:
            self._known[image] = image_id
            self._changed()
