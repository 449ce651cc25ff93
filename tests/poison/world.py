"""A small cluster in virtual time to which chance gives objects, and everybody who has to live with them.

`errors` are what was logged as an error, and what somebody raised who only looked.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import structlog

from swarmlet.api.access.authorization import Authorizer
from swarmlet.api.queries import WriteOptions
from swarmlet.api.reading.reads import Reader
from swarmlet.api.targets import Target
from swarmlet.api.writing import admission, subresources
from swarmlet.api.writing.writes import Writer
from swarmlet.errors import BugError, CallerError, PeerError
from swarmlet.model import kinds, objects
from swarmlet.model.meta import DeleteOptions
from swarmlet.network.dns.records import ClusterRecords
from swarmlet.network.services.desired import DesiredServices
from tests.api.conftest import FakeLeases
from tests.controllers.world import World
from tests.poison import chance, onlookers, samples

CREATED_MAX = 40
NAMESPACES = ("default", "default", "default", "team")
PAUSE_SECONDS_MAX = 3.0
REST_SECONDS = 90.0
ERROR_LEVELS = ("error", "critical", "exception")
POLICIES = (None, "Background", "Foreground", "Orphan")
WHOLE_SHARE = 0.7
"""Of the kinds, in how many there is an object as it should be, to begin with."""
LEFT_ALONE = (kinds.NODE, kinds.NAMESPACE)
"""Of which there are few, and of which nothing would be left to look at."""


class Poisoned:
    """One run. `seed` says all that happens."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.errors: list[str] = []
        self.told: Counter[str] = Counter()
        self._culprit = ""

    async def run(self) -> None:
        with logs_to(self._hear):
            async with World() as world:
                self._world = world
                replica = world.replica
                reader = Reader(replica=replica, clock=world.clock, lease_source=FakeLeases())
                self._writer = Writer(replica=replica, reader=reader, clock=world.clock, rng=self.rng)
                Authorizer(replica.view)
                wanted = DesiredServices(replica.view, "n1")
                records = ClusterRecords(replica.view, wanted)
                await self._begin()
                for _ in range(CREATED_MAX):
                    await self._one_request()
                    await asyncio.sleep(self.rng.choice((0, 0.01, PAUSE_SECONDS_MAX * self.rng.random())))
                await world.pass_time(REST_SECONDS)
                for what in onlookers.everybody(replica.view, wanted, records, world.clock.now()):
                    self._try(what)

    async def _begin(self) -> None:
        """Make the namespaces, and of each kind one object as it should be."""
        for name in ("default", "team"):
            await self._write(Target(kinds.NAMESPACE), {"metadata": {"name": name}})
        for kind in kinds.SERVED:
            if self.rng.random() < WHOLE_SHARE and kind not in LEFT_ALONE:
                document = chance.named(samples.sample(kind), "web", "default" if kind.namespaced else "")
                await self._write(Target(kind, document["metadata"].get("namespace", "")), document)

    async def _one_request(self) -> None:
        kind = self.rng.choice(kinds.SERVED)
        name = self.rng.choice(("n1", "n2", "n3") if kind == kinds.NODE else samples.NAMES)
        if kind == kinds.NAMESPACE:
            name = "team"
        if kind == kinds.CUSTOM_RESOURCE_DEFINITION:
            name = samples.sample(kind)["metadata"]["name"]
        namespace = self.rng.choice(NAMESPACES) if kind.namespaced else ""
        target = Target(kind, namespace, name)
        if self._world.replica.view.get(target.key) is None:
            await self._write(target, chance.document(self.rng, kind, name, namespace))
        elif self.rng.random() < 0.15 and kind not in LEFT_ALONE:
            await self._delete(target)
        else:
            await self._change(target)

    async def _write(self, target: Target, document: dict[str, Any]) -> None:
        with self._asking(target, document):
            value = admission.read(target.kind, document, WriteOptions(), [])
            await self._writer.make(target, value, WriteOptions())
            self.told["created"] += 1

    async def _change(self, target: Target) -> None:
        is_status = admission.has_status(target.kind) and self.rng.random() < 0.5
        stored = self._world.replica.view.get(target.key)
        assert stored
        document = objects.to_document(stored.object)
        made = chance.document(
            self.rng, target.kind, target.name, target.namespace, part="status" if is_status else "", begin=document
        )
        made["metadata"]["resourceVersion"] = ""
        through = admission.with_status if is_status else admission.updated
        with self._asking(target, made):
            value = admission.read(target.kind, made, WriteOptions(), [])
            await self._writer.change(target, lambda old: through(target, old.object, value), WriteOptions())
            self.told["status written" if is_status else "changed"] += 1
            if "scale" in target.kind.subresources:
                subresources.scale_of(target.kind, value)

    async def _delete(self, target: Target) -> None:
        with self._asking(target, {}):
            await self._writer.remove(target, DeleteOptions(propagation_policy=self.rng.choice(POLICIES)))
            self.told["deleted"] += 1

    @contextlib.contextmanager
    def _asking(self, target: Target, document: dict[str, Any]) -> Iterator[None]:
        """Take a refusal for an answer; anything else that is raised is an error."""
        try:
            yield
        except BugError as error:
            self._note(f"{target} {document}", error)
        except (CallerError, PeerError) as error:
            self.told["refused"] += 1
            self.told[type(error).__name__] += 1
        except Exception as error:  # noqa: BLE001  that none is raised is what is tested
            self._note(f"{target} {document}", error)

    def _try(self, what: Callable[[], object]) -> None:
        try:
            what()
        except Exception as error:  # noqa: BLE001  that none is raised is what is tested
            self._note(str(what), error)

    def _note(self, what: str, error: BaseException) -> None:
        self.errors.append(f"{what}: {''.join(traceback.format_exception(error)[-6:])}")

    def _hear(self, level: str, event: MutableMapping[str, Any]) -> None:
        if level in ERROR_LEVELS:
            words = " ".join(f"{name}={value}" for name, value in event.items())
            self.errors.append(f"{words}: {traceback.format_exc()}")


@contextlib.contextmanager
def logs_to(hear: Callable[[str, MutableMapping[str, Any]], None]) -> Iterator[None]:
    """Give every line that is logged to `hear`, and to nobody else."""

    def take(_logger: Any, level: str, event: MutableMapping[str, Any]) -> Any:
        hear(level, event)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[take], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
