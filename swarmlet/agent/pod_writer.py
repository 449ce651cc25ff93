"""Writes what became of Pods: their statuses, and the deletion of those that are gone; many Pods at a time.

While nothing is under way a change is written at once; while a write is under way further changes gather and go
together. What is written is derived when it goes out, so a Pod that changed five times meanwhile is written once.
Where all that there is to say is that a Pod is being made, it is held a moment: most often it runs by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec
import structlog

from swarmlet.agent.pod_worker import PodWorker
from swarmlet.clock import Clock
from swarmlet.errors import PeerError, TooLargeError
from swarmlet.model import objects
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import PodStatus
from swarmlet.store.commands import COMMAND_BYTES_MAX, Delete, Operation, Put, Verdict
from swarmlet.store.replica import Replica

BATCH_MAX = 200
RETRY_SECONDS = 0.25
RETRY_SECONDS_MAX = 2.0
HOLD_SECONDS = 1.0
BEING_MADE = ("ContainerCreating", "PodInitializing")

Write = tuple[PodWorker, Operation]

log = structlog.get_logger()


class PodWriter:
    """One for a node. `released` is called with each Pod of which nothing is left, in the store neither."""

    def __init__(self, replica: Replica, clock: Clock, released: Callable[[PodWorker], None]) -> None:
        self._replica = replica
        self._clock = clock
        self._released = released
        self._pending: dict[str, PodWorker] = {}
        self._held: dict[str, PodWorker] = {}
        self._due: set[str] = set()
        self._holding = asyncio.Event()
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def changed(self, worker: PodWorker) -> None:
        """Note that a Pod's status may have changed, or that it is to be deleted."""
        self._pending[worker.uid] = worker
        self._quiet.clear()
        self._wake.set()

    async def quiet(self) -> None:
        """Wait until nothing is to be written."""
        await self._quiet.wait()

    async def run(self) -> None:
        """Write for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._release())
            tasks.create_task(self._write())

    async def _release(self) -> None:
        """Let what is held go when its moment is over."""
        while True:
            await self._holding.wait()
            await self._clock.sleep(HOLD_SECONDS)
            self._holding.clear()
            self._due.update(self._held)
            for worker in self._held.values():
                self.changed(worker)
            self._held.clear()

    async def _write(self) -> None:
        delay = RETRY_SECONDS
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self._pending:
                    await self._write_batch()
                    delay = RETRY_SECONDS
                self._quiet.set()
            except PeerError as error:
                log.warning("pod_status_delayed", pods=len(self._pending), error=str(error))
                await self._clock.sleep(delay)
                delay = min(delay * 2, RETRY_SECONDS_MAX)
                self._wake.set()

    async def _write_batch(self) -> None:
        workers = list(self._pending.values())[:BATCH_MAX]
        batch: list[Write] = []
        for worker in workers:
            del self._pending[worker.uid]
            try:
                operation = self._operation(worker)
            except Exception:  # a bug that one Pod brings out must not take the others with it
                log.exception("pod_status_failed", pod=str(worker.key))
                continue
            if operation is not None:
                batch.append((worker, operation))
        while batch:
            part = _first_command(batch)
            try:
                outcomes = await self._replica.propose([operation for _, operation in part], atomic=False)
            except TooLargeError as error:  # of one alone, for others are told apart before
                log.error("pod_status_refused", pod=str(part[0][0].key), message=str(error))  # noqa: TRY400  it is no bug
                outcomes = ()
            except PeerError:
                for worker, _ in batch:
                    self._pending.setdefault(worker.uid, worker)
                raise
            for (worker, operation), outcome in zip(part, outcomes, strict=False):
                self._settle(worker, operation, outcome.verdict, outcome.message)
            batch = batch[len(part) :]

    def _operation(self, worker: PodWorker) -> Operation | None:
        """Return what is to be written for a Pod now, if anything."""
        self._held.pop(worker.uid, None)
        is_due = worker.uid in self._due
        self._due.discard(worker.uid)
        stored = self._replica.view.get(worker.key)
        pod = cast("Pod", stored.object) if stored else None
        if stored is None or pod is None or pod.metadata.uid != worker.uid:
            if worker.cleaned:
                self._released(worker)
            return None
        if worker.cleaned and not pod.metadata.finalizers:
            return Delete(worker.key, expected_uid=worker.uid)
        if not worker.machine.wants_status:
            return None
        status = worker.machine.status(pod.status, self._clock.now())
        if status == pod.status:
            return None
        if _says_little(status) and not is_due:
            self._held[worker.uid] = worker
            self._holding.set()
            return None
        written = msgspec.structs.replace(objects.with_metadata(pod, resource_version=""), status=status)
        return Put(worker.key, objects.to_json(written), expected_revision=stored.revision, expected_uid=worker.uid)

    def _settle(self, worker: PodWorker, operation: Operation, verdict: Verdict, message: str) -> None:
        if verdict is Verdict.CONFLICT:  # somebody else changed it meanwhile: read it again
            self._pending[worker.uid] = worker
        elif isinstance(operation, Delete) and verdict in (Verdict.DONE, Verdict.NOT_FOUND):
            self._released(worker)
        elif verdict not in (Verdict.DONE, Verdict.UNCHANGED, Verdict.NOT_FOUND):
            log.error("pod_status_refused", pod=str(worker.key), verdict=verdict.name, message=message)


def _first_command(batch: list[Write]) -> list[Write]:
    """Return the first of the writes that go into one command; one that is too large for any goes alone."""
    size = 0
    for number, (_, operation) in enumerate(batch):
        size += len(operation.object) if isinstance(operation, Put) else 0
        if number and size > COMMAND_BYTES_MAX * 3 // 4:  # the rest is for keys and framing
            return batch[:number]
    return batch


def _says_little(status: PodStatus) -> bool:
    """Whether it says no more than that the Pod is on this node and its containers are being made."""
    states = [each.state.waiting for each in (*status.init_container_statuses, *status.container_statuses)]
    return status.phase == "Pending" and all(state is not None and state.reason in BEING_MADE for state in states)
