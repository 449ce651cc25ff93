"""What the proxy tells in Events."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest

from swarmlet.errors import UnavailableError
from swarmlet.model import kinds
from swarmlet.network.proxy.fronts import Front
from swarmlet.network.services.events import ServiceEvents
from tests.network.cluster import Cluster, key

FRONT = Front("TCP", "0.0.0.0", 30_080)


class Replica:
    """A store that is written at once, or not at all while nobody leads; its clock goes on when a test says so."""

    def __init__(self, cluster: Cluster) -> None:
        self.view = cluster.store
        self.is_led = True
        self._cluster = cluster
        self._woken: asyncio.Queue[None] = asyncio.Queue()

    async def propose(self, operations, *, atomic=True):
        if not self.is_led:
            raise UnavailableError("nobody leads")
        self._cluster.apply(*operations)

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds):
        await self._woken.get()

    async def look(self):
        self._woken.put_nowait(None)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def replica():
    cluster = Cluster()
    cluster.service()
    made = Replica(cluster)
    made.events = ServiceEvents(made, "n1", made, random.Random(1))
    task = asyncio.create_task(made.events.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


def written(replica: Replica) -> list:
    return [stored.object for stored in replica.view.list(kinds.EVENT.resource)]


async def test_a_port_that_cannot_be_had_is_told_of_its_service(replica):
    replica.events.port_refused(key("web"), FRONT, "Address already in use")
    await replica.look()
    [event] = written(replica)
    assert (event.involved_object.kind, event.involved_object.name) == ("Service", "web")
    assert (event.type, event.reason, event.source.host) == ("Warning", "FailedToOpenPort", "n1")
    assert event.message == "node n1 cannot listen on 0.0.0.0:30080/TCP: Address already in use"


async def test_it_is_told_later_where_nobody_leads(replica):
    replica.is_led = False
    replica.events.port_refused(key("web"), FRONT, "Address already in use")
    await replica.look()
    assert written(replica) == []
    replica.is_led = True
    await replica.look()
    assert len(written(replica)) == 1


async def test_of_a_service_that_is_gone_nothing_is_told(replica):
    replica.events.port_refused(key("other"), FRONT, "Address already in use")
    await replica.look()
    assert written(replica) == []
