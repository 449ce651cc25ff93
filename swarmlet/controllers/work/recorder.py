"""Writes the controllers' Events, in batches and off the way of what matters more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from swarmlet.clock import Clock
from swarmlet.controllers.work.drafts import key_of
from swarmlet.errors import PeerError
from swarmlet.model import events, kinds, objects
from swarmlet.model.core import Event
from swarmlet.store.commands import Key, Put
from swarmlet.store.replica import Replica

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 0.25
EVENTS_PER_FLUSH = 500
PROPOSE_SECONDS = 5.0


class Recorder:
    """Takes notes at once and writes them a little later."""

    def __init__(self, replica: Replica, clock: Clock, journal: events.Journal) -> None:
        self._replica = replica
        self._clock = clock
        self._journal = journal
        self._noted = asyncio.Event()

    def record(self, notes: Iterable[events.Note]) -> None:
        """Take notes down."""
        now = self._clock.now()
        for note in notes:
            self._journal.record(note, now)
            self._noted.set()

    async def run(self) -> None:
        """Write what is noted until cancelled."""
        while True:
            await self._noted.wait()
            await self._clock.sleep(FLUSH_SECONDS)
            self._noted.clear()
            await self._flush()
            if len(self._journal):
                self._noted.set()

    async def _flush(self) -> None:
        batch = self._journal.take(EVENTS_PER_FLUSH)
        puts = [Put(key_of(kinds.EVENT, event), objects.to_json(event)) for event in batch if self._has_a_place(event)]
        if not puts:
            return
        try:
            await self._replica.propose(puts, atomic=False, timeout_seconds=PROPOSE_SECONDS)
        except PeerError as error:
            self._journal.give_back(batch)
            log.info("events_delayed", count=len(batch), error=str(error))

    def _has_a_place(self, event: Event) -> bool:
        namespace = self._replica.view.get(Key(kinds.NAMESPACE.resource, "", event.metadata.namespace))
        return namespace is not None and not objects.is_terminating(namespace.object)
