"""Machines of one cluster in one process: real consensus, store and SQLite; a network that can be cut."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from swarmlet.consensus.bootstrap import bootstrap
from swarmlet.consensus.driver import Consensus
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.errors import OutcomeUnknownError, SwarmletError, UnavailableError
from swarmlet.store.commands import Key, Put
from swarmlet.store.state import Store
from swarmlet.transport.peers import CallHandler, MessageHandler
from tests.virtual_time import AtOnce, VirtualClock

CLUSTER = "c1"
LATENCY_SECONDS = 0.001


class Network:
    """Delivers in order after a latency, where the two machines are up and not parted."""

    def __init__(self) -> None:
        self.peers: dict[str, FakePeers] = {}
        self.parted: set[frozenset[str]] = set()
        self.lose: Callable[[str, str, str, bytes], bool] = lambda sender, to, what, payload: False

        self.edit: Callable[[str, str, bytes], bytes] = lambda sender, to, payload: payload
        """What becomes of the payload of a message on its way."""

    def reaches(self, sender: str, to: str) -> bool:
        return to in self.peers and sender in self.peers and frozenset((sender, to)) not in self.parted

    def part(self, group: set[str], *, tell: bool = False) -> None:
        """Cut a group off; `tell`: the links close, as when a process dies, and not as when a cable is pulled."""
        for one in group:
            for other in self.peers.keys() - group:
                self.parted.add(frozenset((one, other)))
                if tell:
                    self.peers[other].link_down(one)
                    self.peers[one].link_down(other)

    def heal(self) -> None:
        self.parted.clear()

    def remove(self, node: str) -> None:
        """The process of `node` is gone: everybody's link to it closes."""
        gone = self.peers.pop(node, None)
        if gone:
            for peers in self.peers.values():
                peers.link_down(node)
            gone.break_calls(lambda _to: True)


class FakePeers:
    """`Peers` on the network above."""

    def __init__(self, node: str, network: Network) -> None:
        self.node = node
        self.network = network
        self.addresses: dict[str, str] = {}
        self.messages: dict[str, MessageHandler] = {}
        self.calls: dict[str, CallHandler] = {}
        self.listeners: list[Callable[[str, bool], None]] = []
        self.pending: list[tuple[str, asyncio.Future[bytes]]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        network.peers[node] = self

    def set_addresses(self, addresses: Mapping[str, str]) -> None:
        new = addresses.keys() - self.addresses.keys() - {self.node}
        self.addresses = dict(addresses)
        for node in sorted(new):
            if self.network.reaches(self.node, node):
                asyncio.get_running_loop().call_soon(self.link_up, node)

    def met(self, node: str) -> None:
        """A machine has started: who knows its address opens a link."""
        if node in self.addresses:
            self.link_up(node)

    def on_message(self, channel: str, handler: MessageHandler) -> None:
        self.messages[channel] = handler

    def on_call(self, method: str, handler: CallHandler) -> None:
        self.calls[method] = handler

    def on_link(self, listener: Callable[[str, bool], None]) -> None:
        self.listeners.append(listener)

    def link_up(self, node: str) -> None:
        for listener in self.listeners:
            listener(node, True)

    def link_down(self, node: str) -> None:
        self.break_calls(lambda to: to == node)
        for listener in self.listeners:
            listener(node, False)

    def break_calls(self, concerns: Callable[[str], bool]) -> None:
        for to, reply in self.pending:
            if concerns(to) and not reply.done():
                reply.set_exception(OutcomeUnknownError("the link broke"))

    def send(self, to: str, channel: str, payload: bytes) -> None:
        if to in self.addresses and not self.network.lose(self.node, to, channel, payload):
            asyncio.get_running_loop().call_later(LATENCY_SECONDS, self._deliver, to, channel, payload)

    def _deliver(self, to: str, channel: str, payload: bytes) -> None:
        if self.network.reaches(self.node, to):
            self.network.peers[to].messages[channel](self.node, self.network.edit(self.node, to, payload))

    async def call(self, to: str, method: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        if to not in self.addresses or not self.network.reaches(self.node, to):
            raise UnavailableError(f"no link to {to}")
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.pending.append((to, reply))
        task = asyncio.create_task(self._serve(to, method, payload, reply))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await reply
        except TimeoutError as error:
            raise OutcomeUnknownError("no answer in time") from error
        finally:
            self.pending.remove((to, reply))

    async def _serve(self, to: str, method: str, payload: bytes, reply: asyncio.Future[bytes]) -> None:
        await asyncio.sleep(LATENCY_SECONDS)
        if self.network.lose(self.node, to, method, payload) or not self.network.reaches(self.node, to):
            return
        try:
            answer = await self.network.peers[to].calls[method](self.node, payload)
        except SwarmletError as error:
            await asyncio.sleep(LATENCY_SECONDS)
            if not reply.done():
                reply.set_exception(error)
                reply.exception()
            return
        await asyncio.sleep(LATENCY_SECONDS)
        lost = self.network.lose(to, self.node, method, answer) or not self.network.reaches(to, self.node)
        if not lost and not reply.done():
            reply.set_result(answer)


class Machine:
    """One daemon: what is on its disk outlives `crash`, what is in its memory does not."""

    def __init__(
        self,
        node: str,
        folder: Path,
        network: Network,
        config: ConsensusConfig,
        zones: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.node = node
        self.zones = zones
        self.network = network
        self.config = config
        self.folder = folder / node
        self.leads: list[bool] = []
        self.starts = 0
        self.running: asyncio.Task[None] | None = None

    def disk(self) -> SqliteDisk:
        return SqliteDisk(self.folder, new_thread=lambda _name: AtOnce())

    async def start(self) -> None:
        self.starts += 1
        self.store = Store()
        self._disk = self.disk()
        self.peers = FakePeers(self.node, self.network)
        self.consensus = await Consensus.open(
            node_id=self.node,
            cluster_id=CLUSTER,
            disk=self._disk,
            peers=self.peers,
            store=self.store,
            clock=VirtualClock(),
            rng=random.Random(f"{self.node} {self.starts}"),
            config=self.config,
            seed_addresses={"n1": "n1:7600"},
            zones=lambda: self.zones,
        )
        self.consensus.on_leadership(self.leads.append)
        self.running = asyncio.create_task(self.consensus.run())
        for peers in tuple(self.network.peers.values()):
            if peers is not self.peers:
                peers.met(self.node)

    async def crash(self) -> None:
        """Die as by SIGKILL."""
        assert self.running
        self.network.remove(self.node)
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running
        self._disk.close()
        self.running = None

    async def stop(self) -> None:
        assert self.running
        await self.consensus.stop()
        await self.running
        self.network.remove(self.node)
        self._disk.close()
        self.running = None

    async def put(self, name: str, value: str = "", *, seconds: float = 5.0) -> None:
        await self.consensus.propose([config_map(name, value)], timeout_seconds=seconds)

    def get(self, name: str) -> bytes | None:
        stored = self.store.get(key(name))
        return stored.json if stored else None

    @property
    def role(self) -> str:
        members = {member.node_id: member.role for member in self.consensus.status().members}
        return members.get(self.node, "none")


class Cluster:
    """A cluster that begins with one voter, n1, and grows by `join`."""

    def __init__(
        self, folder: Path, config: ConsensusConfig | None = None, zones: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.zones = zones
        self.network = Network()
        self.folder = folder
        self.config = config or ConsensusConfig()
        self.machines: dict[str, Machine] = {}

    def __getitem__(self, node: str) -> Machine:
        return self.machines[node]

    async def start(self, size: int) -> None:
        first = self._machine("n1")
        disk = first.disk()
        await bootstrap(
            disk=disk,
            cluster_id=CLUSTER,
            node_id="n1",
            address="n1:7600",
            operations=[config_map("first")],
            rng=random.Random(0),
        )
        disk.close()
        await first.start()
        await self.leader()
        for number in range(2, size + 1):
            await self.join(f"n{number}")

    def _machine(self, node: str) -> Machine:
        machine = self.machines[node] = Machine(node, self.folder, self.network, self.config, self.zones)
        return machine

    async def join(self, node: str, *, until: str = "voter") -> Machine:
        """Add a machine and start it; return once it has the role, or one of several: "voter|standby"."""
        machine = self._machine(node)
        await (await self.leader()).consensus.add_member(node, f"{node}:7600")
        await machine.start()
        await eventually(lambda: machine.role in until.split("|"))
        return machine

    async def leader(self, among: set[str] | None = None) -> Machine:
        """Return the machine that leads and may act, as soon as there is one."""

        def leaders() -> list[Machine]:
            alive = [machine for machine in self.machines.values() if machine.running]
            return [m for m in alive if m.consensus.is_leader and (among is None or m.node in among)]

        await eventually(lambda: bool(leaders()))
        return leaders()[-1]

    async def followers(self) -> list[Machine]:
        leader = await self.leader()
        return [machine for machine in self.machines.values() if machine.running and machine is not leader]

    async def converged(self) -> None:
        """Wait until all that run hold the same."""
        running = [machine for machine in self.machines.values() if machine.running]
        await eventually(lambda: len({machine.consensus.applied for machine in running}) == 1)

    async def end(self) -> None:
        for machine in self.machines.values():
            if machine.running:
                await machine.crash()


async def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let virtual time pass until `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  virtual time: a look costs nothing
            await asyncio.sleep(0.01)


def key(name: str) -> Key:
    return Key("configmaps", "default", name)


def config_map(name: str, value: str = "") -> Put:
    body = (
        f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"default"}},'
        f'"data":{{"value":"{value}"}}}}'
    )
    return Put(key(name), body.encode())


@asynccontextmanager
async def cluster_of(
    size: int, folder: Path, config: ConsensusConfig | None = None, zones: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Cluster]:
    cluster = Cluster(folder, config, zones)
    try:
        await cluster.start(size)
        yield cluster
    finally:
        await cluster.end()
