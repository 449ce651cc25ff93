"""Watches what this node has left, tells of pressure, and gets relief: dead containers and images go, then Pods.

One Pod at a time: the next is given up only after the last has ended and the node is measured again. What a Pod may
take of the disk by its own limits is watched, too.
Source: kubernetes pkg/kubelet/eviction/eviction_manager.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

import structlog

from swarmlet.agent.containers.downward import Find
from swarmlet.agent.images.collection import ImageCollection
from swarmlet.agent.life import stimuli
from swarmlet.agent.pod_worker import PodWorker
from swarmlet.agent.pressure import eviction, pressures
from swarmlet.agent.pressure.consumption import Meter
from swarmlet.agent.pressure.eviction import Candidate
from swarmlet.agent.pressure.pressures import Readings, Shortage
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.clock import Clock
from swarmlet.config import Config
from swarmlet.errors import EngineError
from swarmlet.model import events, nodes, pods, thresholds
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import State

LOOK_SECONDS = 2.0
IMAGE_SECONDS = 5.0
LOCAL_STORAGE_SECONDS = 10.0
"""How often Pods that limit what they take of the disk are measured."""
REST_FACTOR = 9.0
"""To that measuring goes a tenth of the time at most."""
KNOWN_SECONDS_MAX = 3.0
"""How long the cluster is waited for to know of a pressure before a Pod goes for it: else it may come right back."""
KNOWN_LOOK_SECONDS = 0.05
END_SECONDS_MAX = 30.0
"""How long an evicted Pod is waited for before the next goes."""

log = structlog.get_logger()


class PressureWatch:
    """One for a node. `workers` are the Pods that run here.

    `tell` is told the conditions of pressure that hold; `is_known` says whether the Node in the store shows one.
    """

    def __init__(  # noqa: PLR0913  what relief is made of
        self,
        *,
        engine: runtime.Runtime,
        clock: Clock,
        config: Config,
        volumes: Volumes,
        images: ImageCollection,
        read: Callable[[], Awaitable[Readings]],
        tell: Callable[[tuple[str, ...]], Awaitable[None]],
        is_known: Callable[[str], bool],
        workers: Callable[[], Collection[PodWorker]],
        find: Find,
        record: Callable[[events.Note], None],
        record_on_node: Callable[[str, str, str], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._volumes = volumes
        self._images = images
        self._meter = Meter(engine, volumes)
        self._pressures = pressures.Pressures(
            thresholds.read(config.eviction.hard), config.eviction.pressure_transition_seconds
        )
        self._read = read
        self._tell = tell
        self._is_known = is_known
        self._workers = workers
        self._find = find
        self._record = record
        self._record_on_node = record_on_node
        self._told: set[str] = set()
        self._evicted: set[str] = set()
        self._leaving: PodWorker | None = None
        self._leaving_until = 0.0

    async def run(self) -> None:
        """Watch for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self.look, LOOK_SECONDS))
            tasks.create_task(self._repeat(self.collect_images, IMAGE_SECONDS))
            tasks.create_task(self._repeat(self.check_local_storage, LOCAL_STORAGE_SECONDS, REST_FACTOR))

    async def _repeat(self, step: Callable[[], Awaitable[None]], seconds: float, rest_factor: float = 0.0) -> None:
        """Take a step every so often; after one that took long, rest that many times as long."""
        took = 0.0
        while True:
            await self._clock.sleep(max(seconds, took * rest_factor))
            began = self._clock.monotonic()
            try:
                await step()
            except EngineError as error:
                log.info("pressure_not_relieved", error=str(error))
            except Exception:  # what one Pod has made of its files, say, must not end the daemon
                log.exception("pressure_step_failed", step=step.__name__)
            took = self._clock.monotonic() - began

    async def look(self) -> None:
        """Measure once, tell, and take the next step towards relief."""
        readings = await self._read()
        if not readings:
            return
        now = self._clock.monotonic()
        shortages = self._pressures.observe(readings, now)
        await self._tell(self._pressures.held(now))
        self._note_thresholds(shortages)
        relievable = [each for each in shortages if each.condition != nodes.PID_PRESSURE]
        if relievable:
            await self._relieve(relievable[0], pressures.share_disk(readings))

    async def collect_images(self) -> None:
        """Remove images that nobody uses where their disk is too full; tell where that is not enough."""
        outcome = await self._images.collect(await self._read(), self._read)
        if outcome is not None and outcome.missing_bytes:
            found = outcome.wanted_bytes - outcome.missing_bytes
            message = (
                "Failed to garbage collect required amount of images. "
                f"Attempted to free {outcome.wanted_bytes} bytes, but only found {found} bytes eligible to free."
            )
            self._record_on_node(events.WARNING, "FreeDiskSpaceFailed", message)

    async def check_local_storage(self) -> None:
        """Evict Pods that take more of the disk than they themselves allow."""
        for worker in self._able():
            pod = worker.machine.pod
            message = await self._volumes_over_limit(worker)
            if not message and eviction.limits_storage(pod):
                used = (await self._meter.storage([worker.machine])).get(worker.uid)
                message = eviction.over_storage_limit(pod, used) if used else ""
            if message:
                self._evict(worker, message)

    async def _volumes_over_limit(self, worker: PodWorker) -> str:
        pod = worker.machine.pod
        if not any(each.empty_dir and each.empty_dir.size_limit for each in pod.spec.volumes):
            return ""
        return await asyncio.to_thread(self._volumes.over_limit, pod, self._find)

    def _note_thresholds(self, shortages: Sequence[Shortage]) -> None:
        resources = {each.resource for each in shortages}
        for resource in sorted(resources - self._told):
            message = f"Attempting to reclaim {resource}"
            self._record_on_node(events.WARNING, "EvictionThresholdMet", message)
            log.warning("eviction_threshold_met", resource=resource)
        self._told = resources

    async def _relieve(self, shortage: Shortage, one_disk: bool) -> None:
        """Take one step. `one_disk`: images and what containers write lie on the disk that the volumes are on."""
        if shortage.condition == nodes.DISK_PRESSURE and await self._make_room(shortage, one_disk):
            return
        if self._is_waiting():
            return
        await self._until_known(shortage.condition)
        able = self._able()
        used = await self._meter.of(shortage.resource, [worker.machine for worker in able])
        if not one_disk:
            used = {uid: eviction.on_disk(found, shortage.signal) for uid, found in used.items()}
        by_uid = {worker.uid: worker for worker in able}
        candidates = [Candidate(worker.machine.pod, used.get(worker.uid)) for worker in able]
        for candidate in eviction.in_order(candidates, shortage.resource)[:1]:
            worker = by_uid[candidate.pod.metadata.uid]
            self._evict(worker, eviction.message(candidate, shortage))
            self._leaving, self._leaving_until = worker, self._clock.monotonic() + END_SECONDS_MAX

    async def _until_known(self, condition: str) -> None:
        until = self._clock.monotonic() + KNOWN_SECONDS_MAX
        while not self._is_known(condition) and self._clock.monotonic() < until:
            await self._clock.sleep(KNOWN_LOOK_SECONDS)

    async def _make_room(self, shortage: Shortage, one_disk: bool) -> bool:
        """Remove what serves nobody, dead containers and then images; return whether that was enough."""
        if not one_disk and shortage.signal in thresholds.OF_NODEFS:
            return False
        for worker in list(self._workers()):
            for container_id in _dead(worker):
                await self._remove(container_id)
        await self._images.remove_unused(self._read)
        left = self._pressures.observe(await self._read(), self._clock.monotonic())
        return shortage.signal not in {each.signal for each in left}

    async def _remove(self, container_id: str) -> None:
        try:
            await self._engine.remove(container_id)
        except EngineError as error:  # there are others, and after them images and Pods
            log.info("dead_container_not_removed", container=container_id, error=str(error))

    def _is_waiting(self) -> bool:
        """Whether a Pod that was evicted is still ending."""
        if self._leaving is None:
            return False
        ended = not self._leaving.machine.running()
        if ended or self._clock.monotonic() >= self._leaving_until:
            self._leaving = None
        return not ended and self._leaving is not None

    def _able(self) -> list[PodWorker]:
        """Return the Pods that can be given up: those that run, and are not about to end anyway."""
        every = list(self._workers())
        self._evicted &= {worker.uid for worker in every}
        return [
            worker
            for worker in every
            if worker.machine.running() and pods.is_active(worker.machine.pod) and worker.uid not in self._evicted
        ]

    def _evict(self, worker: PodWorker, message: str) -> None:
        self._evicted.add(worker.uid)
        log.warning("pod_evicted", pod=str(worker.key), reason=message)
        self._record(events.Note(worker.machine.pod, events.WARNING, eviction.EVICTED, message))
        worker.feed(stimuli.Fail(eviction.EVICTED, message, grace_seconds=eviction.GRACE_SECONDS))


def _dead(worker: PodWorker) -> list[str]:
    """Return the Pod's containers that are kept for their logs alone."""
    machine = worker.machine
    names = list(pods.container_names(machine.pod.spec))
    kept = [machine.container(name, previous=True) for name in names]
    if pods.is_finished(machine.pod):
        kept += [machine.container(name) for name in names]
    return [each.id for each in kept if each is not None and each.state is State.EXITED]
