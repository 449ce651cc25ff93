"""The real links and the simulator's, held to one contract."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from swarmlet.identity.authority import Authority
from swarmlet.transport.peers import Peers
from tests.contract.peers_contract import PeersContract
from tests.simulation.kernel import Kernel, LocalClock
from tests.simulation.network import Network
from tests.simulation.peers import SimulatedPeers
from tests.simulation.process import Process
from tests.transport.daemons import CLUSTER, Daemon


class TlsWorld:
    """Two daemons on loopback."""

    def __init__(self, folder: Path) -> None:
        ca = Authority.create(CLUSTER, datetime.now(UTC))
        self.a, self.b = Daemon(folder, 1, ca), Daemon(folder, 2, ca)

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        asyncio.run(test)

    async def start(self) -> None:
        for node in (self.a, self.b):
            await node.start()
        for node, other in ((self.a, self.b), (self.b, self.a)):
            node.peers.set_addresses({other.node_id: other.address})
        await self.a.until(self.b.node_id, up=True)
        await self.b.until(self.a.node_id, up=True)

    async def stop(self, node: Daemon) -> None:
        await node.stop()

    async def start_again(self, node: Daemon, prepare: Callable[[Peers], None]) -> None:
        node.peers = node.new_peers()
        prepare(node.peers)
        node.peers.set_addresses({self.a.node_id: self.a.address})
        await node.start()

    async def end(self) -> None:
        for node in (self.a, self.b):
            await node.stop()


class SimulatedNode:
    """One endpoint, with the events that it has told."""

    def __init__(self, network: Network, process: Process, number: int) -> None:
        self.node_id = f"n{number}"
        self.address = f"m{number}:7600"
        self.events: list[tuple[str, bool]] = []
        self._changed = asyncio.Event()
        self._network = network
        self._process = process
        self.peers = self.new_peers()

    def new_peers(self) -> SimulatedPeers:
        peers = SimulatedPeers(self._network, self._process, node_id=self.node_id, address=self.address)
        peers.on_link(self._note)
        return peers

    def _note(self, node: str, up: bool) -> None:
        self.events.append((node, up))
        self._changed.set()

    async def until(self, node: str, up: bool) -> None:
        while next((event_up for name, event_up in reversed(self.events) if name == node), None) is not up:
            self._changed.clear()
            await self._changed.wait()


class SimulatedWorld:
    """Two endpoints in one process, so that one test can speak for both."""

    def __init__(self) -> None:
        self.kernel = Kernel("contract")
        self.network = Network(self.kernel)
        self.process = Process(self.kernel, "both", LocalClock(self.kernel))
        self.a, self.b = (SimulatedNode(self.network, self.process, number) for number in (1, 2))

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        task = self.process.spawn(test)
        assert self.kernel.run(until=100, done=task.done), "it never ends"
        task.result()

    async def start(self) -> None:
        for node, other in ((self.a, self.b), (self.b, self.a)):
            node.peers.set_addresses({other.node_id: other.address})
            node.peers.listen()
        await self.a.until(self.b.node_id, up=True)
        await self.b.until(self.a.node_id, up=True)

    async def stop(self, node: SimulatedNode) -> None:
        self.network.gone(node.peers, silently=False)

    async def start_again(self, node: SimulatedNode, prepare: Callable[[Peers], None]) -> None:
        node.peers = node.new_peers()
        prepare(node.peers)
        node.peers.set_addresses({self.a.node_id: self.a.address})
        node.peers.listen()

    async def end(self) -> None:
        """Nothing is left open."""


@pytest.mark.slow
class TestTls(PeersContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> TlsWorld:
        return TlsWorld(tmp_path)


class TestSimulated(PeersContract):
    @pytest.fixture
    def world(self) -> SimulatedWorld:
        return SimulatedWorld()
