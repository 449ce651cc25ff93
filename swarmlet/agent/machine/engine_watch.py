"""Keeps what is known of this node's Pods in step with the containers that its engine has, and removes strangers."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, cast

import structlog

from swarmlet.agent.containers.termination import Terminations
from swarmlet.agent.life import stimuli
from swarmlet.agent.patience import until_done
from swarmlet.agent.pod_worker import PodWorker
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.model.pod import Pod
from swarmlet.runtime import runtime
from swarmlet.store.replica import Replica

ORPHAN_GRACE_SECONDS = 2.0

log = structlog.get_logger()


class EngineWatch:
    """One for a node. `workers` are its Pods by uid; `start` begins one with the containers that were found of it."""

    def __init__(  # noqa: PLR0913  both sides of what is kept in step
        self,
        *,
        engine: runtime.Runtime,
        replica: Replica,
        clock: Clock,
        node_name: str,
        volumes: Volumes,
        terminations: Terminations,
        workers: Mapping[str, PodWorker],
        start: Callable[[Pod, Sequence[runtime.Container]], PodWorker],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._engine = engine
        self._replica = replica
        self._clock = clock
        self._node_name = node_name
        self._volumes = volumes
        self._terminations = terminations
        self._workers = workers
        self._start = start
        self._spawn = spawn

    async def adopt(self) -> bool:
        """Take over the containers that run, and remove those that are nobody's; return True, for it is done then."""
        await self._replica.linearize()
        by_pod: dict[str, list[runtime.Container]] = {}
        for container in await self._engine.list():
            by_pod.setdefault(container.pod.uid, []).append(container)
        bound = self._replica.view.pods_on(self._node_name)
        for stored in bound:
            pod = cast("Pod", stored.object)
            found = await self._terminations.with_messages(pod, by_pod.pop(pod.metadata.uid, ()))
            try:
                self._start(pod, found).feed(stimuli.PodChanged(pod))
            except Exception:  # a bug that one Pod brings out must not take the others with it
                log.exception("pod_not_adopted", pod=str(stored.key))
        log.info("pods_adopted", pods=len(self._workers), orphans=len(by_pod))
        self._remove_orphans([each for containers in by_pod.values() for each in containers])
        abandoned = self._volumes.pod_uids() - {stored.object.metadata.uid for stored in bound} - set(self._workers)
        for uid in sorted(abandoned):
            await asyncio.to_thread(self._volumes.remove, uid)
        return True

    async def run(self) -> None:
        """Tell the Pods what becomes of their containers, for ever."""
        async for container in self._engine.watch():
            if container is not None:
                self._observe(container)
            else:
                await until_done(self._look_again, self._clock)

    async def _look_again(self) -> bool:
        """Changes may have been missed: compare with what the engine has."""
        expected = [(worker, container) for worker in self._workers.values() for container in worker.machine.running()]
        containers = await self._engine.list()
        for container in containers:
            self._observe(container)
        found = {container.id for container in containers}
        for worker, container in expected:
            if container.id not in found:
                worker.observe(dataclasses.replace(container, state=runtime.State.REMOVED))
        strangers = [each for each in containers if each.pod.uid not in self._workers]
        if strangers:  # asking the cluster may take long, and news of the others must not wait for it
            self._spawn(until_done(functools.partial(self._judge, strangers), self._clock))
        return True

    async def _judge(self, strangers: Sequence[runtime.Container]) -> bool:
        """Remove those containers whose Pods are not bound to this node, by the cluster's own word."""
        await self._replica.linearize()
        bound = {stored.object.metadata.uid for stored in self._replica.view.pods_on(self._node_name)}
        self._remove_orphans([each for each in strangers if each.pod.uid not in bound])
        return True

    def _observe(self, container: runtime.Container) -> None:
        worker = self._workers.get(container.pod.uid)
        if worker is not None:
            worker.observe(container)

    def _remove_orphans(self, containers: Sequence[runtime.Container]) -> None:
        for container in containers:
            if container.pod.uid not in self._workers:
                log.info(
                    "orphan_removed", pod=f"{container.pod.namespace}/{container.pod.name}", container=container.name
                )
                self._spawn(self._remove_orphan(container))

    async def _remove_orphan(self, container: runtime.Container) -> None:
        try:
            await self._engine.stop(container.id, grace_seconds=0 if container.strict else ORPHAN_GRACE_SECONDS)
            await self._engine.remove(container.id)
        except EngineError as error:
            log.warning("orphan_not_removed", container=container.id, error=str(error))
