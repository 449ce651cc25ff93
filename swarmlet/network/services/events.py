"""Tells in Events of a Service what this machine cannot do for it."""

from __future__ import annotations

import random
from typing import Protocol

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import PeerError
from swarmlet.model import events, kinds, objects
from swarmlet.model.events import Note
from swarmlet.network.proxy.fronts import Front
from swarmlet.store.commands import Key, Put
from swarmlet.store.replica import Replica

PORT_REFUSED = "FailedToOpenPort"
COMPONENT = "swarmlet-proxy"
FLUSH_SECONDS = 1.0
BATCH_MAX = 100

log = structlog.get_logger(__name__)


class Sink(Protocol):
    """Takes down what the proxy has to tell."""

    def port_refused(self, service: Key, front: Front, why: str) -> None:
        """Say that a Service's port cannot be had on this machine."""


class ServiceEvents:
    """The Events of one node's proxy, written in batches."""

    def __init__(self, replica: Replica, node_name: str, clock: Clock, rng: random.Random) -> None:
        self._replica = replica
        self._node = node_name
        self._clock = clock
        self._journal = events.Journal(component=COMPONENT, host=node_name, rng=rng)

    def port_refused(self, service: Key, front: Front, why: str) -> None:
        """Say that a Service's port cannot be had on this machine."""
        stored = self._replica.view.get(service)
        if stored is None:
            return
        message = f"node {self._node} cannot listen on {front.address}:{front.port}/{front.protocol}: {why}"
        self._journal.record(Note(stored.object, events.WARNING, PORT_REFUSED, message), self._clock.now())

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            if self._journal:
                await self._flush()

    async def _flush(self) -> None:
        batch = self._journal.take(BATCH_MAX)
        puts = [
            Put(Key(kinds.EVENT.resource, each.metadata.namespace, each.metadata.name), objects.to_json(each))
            for each in batch
        ]
        try:
            await self._replica.propose(puts, atomic=False)
        except PeerError as error:
            self._journal.give_back(batch)
            log.info("events_delayed", events=len(batch), error=str(error))
