"""Writes the agent's Events: in batches, seldom, and only while no status waits to be written."""

from __future__ import annotations

import asyncio

import structlog

from swarmlet.agent.pod_writer import PodWriter
from swarmlet.clock import Clock
from swarmlet.errors import PeerError
from swarmlet.model import events, kinds, objects
from swarmlet.model.core import Event
from swarmlet.store.commands import Key, Put
from swarmlet.store.replica import Replica

FLUSH_SECONDS = 1.0
BATCH_MAX = 100
PATIENCE_SECONDS_MAX = 10.0
"""How long events give way to statuses."""

log = structlog.get_logger()


class EventWriter:
    """Empties a journal into the store."""

    def __init__(self, journal: events.Journal, replica: Replica, clock: Clock, pods: PodWriter) -> None:
        self._journal = journal
        self._replica = replica
        self._clock = clock
        self._pods = pods

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            if self._journal:
                await self._flush()

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS_MAX):
                await self._pods.quiet()
        except TimeoutError:
            pass
        batch = self._journal.take(BATCH_MAX)
        try:
            await self._replica.propose([_put(event) for event in batch], atomic=False)
        except PeerError as error:
            self._journal.give_back(batch)
            log.info("events_delayed", events=len(batch), error=str(error))


def _put(event: Event) -> Put:
    return Put(Key(kinds.EVENT.resource, event.metadata.namespace, event.metadata.name), objects.to_json(event))
