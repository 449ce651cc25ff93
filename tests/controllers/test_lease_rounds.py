"""Leases that many nodes ask for at once: one round of the quorum serves them, and a leader that fell grants none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.nodes.reporting import HEARTBEAT, Reporting
from swarmlet.errors import UnavailableError
from swarmlet.model import kinds, objects, singletons
from swarmlet.model.cluster import NODE_ID_LABEL
from tests.controllers.world import FakeReplica, creation, new_node
from tests.virtual_time import VirtualClock

NODES = 50
Handler = Callable[[str, bytes], Awaitable[bytes]]


class CountingReplica(FakeReplica):
    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0
        self.during: Callable[[], None] = lambda: None

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        self.rounds += 1
        self.during()
        if not self.quorum:
            raise UnavailableError("no quorum")
        await super().linearize()


class FakePeers:
    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def on_call(self, method: str, handler: Handler) -> None:
        self.handlers[method] = handler


async def leader() -> tuple[CountingReplica, FakePeers]:
    replica, peers = CountingReplica(), FakePeers()
    for number in range(NODES):
        node = objects.with_metadata(
            new_node(f"n{number}"), labels={NODE_ID_LABEL: f"id{number}"}, annotations={singletons.FENCE_AFTER: "4"}
        )
        await replica.propose([creation(kinds.NODE, node)])
    heartbeats = Heartbeats(VirtualClock())
    Reporting(replica, peers, heartbeats, "n0")
    heartbeats.begin(lambda _name: None)
    return replica, peers


async def beats(peers: FakePeers) -> list[bool]:
    """Return who was granted a lease, of all nodes that beat at once."""
    payloads = [msgspec.msgpack.encode((f"n{number}", True, "", 0.0, True)) for number in range(NODES)]
    answers = [peers.handlers[HEARTBEAT](f"id{number}", payload) for number, payload in enumerate(payloads)]
    return [msgspec.msgpack.decode(answer)[0] for answer in await asyncio.gather(*answers)]


async def test_nodes_that_beat_together_share_a_round_of_the_quorum() -> None:
    replica, peers = await leader()
    assert await beats(peers) == [True] * NODES
    assert replica.rounds == 1


async def test_who_asks_after_the_round_began_waits_for_the_next() -> None:
    replica, peers = await leader()
    await beats(peers)
    await beats(peers)
    assert replica.rounds == 2


async def test_without_a_quorum_nobody_gets_a_lease() -> None:
    replica, peers = await leader()
    replica.quorum = False
    assert await beats(peers) == [False] * NODES


async def test_a_leader_that_fell_and_rose_during_the_round_grants_nothing() -> None:
    replica, peers = await leader()

    def falls_and_rises() -> None:
        replica.lead(False)
        replica.lead(True)

    replica.during = falls_and_rises
    assert await beats(peers) == [False] * NODES
