"""One machine's daemon, as far as consensus goes: the real `Consensus`, `Store` and `SqliteDisk` of one life."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmlet.consensus import wire
from swarmlet.consensus.bootstrap import bootstrap
from swarmlet.consensus.driver import Consensus
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.store.state import Store
from tests.simulation.invariants import Observer, Truth
from tests.simulation.ledger import WatchedDisk
from tests.simulation.machine import Life
from tests.simulation.peers import SimulatedPeers

CLUSTER = "c1"
FOLDER = Path("/data/raft")


@dataclass
class Identity:
    """Who a machine is in the cluster: a wiped or removed one comes back as another."""

    node_id: str
    founds: bool = False
    seeds: dict[str, str] = field(default_factory=dict)


class WatchedPeers:
    """Links on which nothing leaves that rests on what is not durable."""

    def __init__(self, peers: SimulatedPeers, truth: Truth) -> None:
        self._peers = peers
        self._truth = truth

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peers, name)

    def send(self, to: str, channel: str, payload: bytes) -> None:
        if channel == wire.RAFT:
            for message in wire.decode_messages(payload):
                self._truth.ledger.sent(self._peers.node_id, message)
        self._peers.send(to, channel, payload)


class Member:
    """What runs in one life. `consensus` is there once it is open; `stop` ends it as an operator does."""

    def __init__(self, life: Life, identity: Identity, truth: Truth, config: ConsensusConfig) -> None:
        self.life = life
        self.identity = identity
        self.truth = truth
        self.store = Store()
        self.consensus: Consensus | None = None
        self._config = config
        self._observer: Observer | None = None

    async def run(self) -> None:
        if self.identity.founds:
            await self._found()
        disk = self._disk()
        try:
            self.consensus = await self._open(disk)
            self._peers.listen()
            self._observer = Observer(self.truth, self.identity.node_id, self.consensus, self.store)
            await self.consensus.run()
        finally:
            disk.close()

    def look(self) -> None:
        """Check what can be seen of this life now."""
        if self._observer:
            self._observer.look()
        self.raise_failures()

    def raise_failures(self) -> None:
        """Raise what went wrong out of everybody's sight."""
        for error in (*self.life.process.loop.failures, *self.life.files.bugs):
            raise error

    async def _found(self) -> None:
        node, disk = self.identity.node_id, self._disk()
        await bootstrap(
            disk=disk,
            cluster_id=CLUSTER,
            node_id=node,
            address=self.life.machine.address,
            operations=(),
            rng=self.life.rng,
        )
        self.identity.founds = False
        disk.close()

    async def _open(self, disk: Any) -> Consensus:
        self._peers = self.life.peers(self.identity.node_id)
        peers: Any = WatchedPeers(self._peers, self.truth)
        return await Consensus.open(
            node_id=self.identity.node_id,
            cluster_id=CLUSTER,
            disk=disk,
            peers=peers,
            store=self.store,
            clock=self.life.clock,
            rng=self.life.rng,
            config=self._config,
            seed_addresses=self.identity.seeds,
        )

    def _disk(self) -> Any:
        disk = SqliteDisk(FOLDER, new_thread=self.life.new_thread, files=self.life.files)
        return WatchedDisk(disk, self.truth.ledger, self.identity.node_id)
