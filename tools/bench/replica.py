"""One process of the consensus benchmark: a daemon's consensus, store, log and TLS links, and nothing else of it.

    python -m tools.bench.replica FOLDER      # FOLDER as `identity.state.NodeFiles` writes it
    python -m tools.bench.replica FOLDER --controllers      # and with what a leader does beside it

Beside what every daemon answers on its links, this one answers the calls below.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from aiohttp import web

from swarmlet.addresses import split_address
from swarmlet.clock import SystemClock
from swarmlet.config import NodeLifecycle
from swarmlet.consensus.driver import Consensus
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.nodes.reporting import Reporting
from swarmlet.controllers.work.runner import Controllers
from swarmlet.identity import tls
from swarmlet.identity.state import NodeFiles
from swarmlet.store.commands import Key, Put
from swarmlet.store.state import Store
from swarmlet.telemetry import logs
from swarmlet.transport import upgrade
from swarmlet.transport.tls_peers import TlsPeers
from tools.bench import objects, rate
from tools.bench.lag import LagMeter

CONSENSUS_FOLDER = "raft"
CONTROLLERS = "--controllers"
WRITE_SECONDS_MAX = 20.0
VOTER_REPLACE_SECONDS = 3600.0
"""A replica that is stopped to fall behind is to stay a voter."""
STATUS = "bench.status"
"""Call: nothing -> `Report`."""
FORGET_PAUSES = "bench.forget_pauses"
"""Call: nothing -> nothing; `Report.pause_ms` begins anew."""
WRITE = "bench.write"
"""Call: a `Put` -> nothing, once it is applied here: what a daemon's API does, wherever the leader is."""
BURST = "bench.burst"
"""Call: a `Burst` -> a `Rate`: load from within the process, on the protocol that a daemon's API uses."""
READ = "bench.read"
"""Call: a `Key` -> the object's JSON, read linearizably."""


class Burst(msgspec.Struct, frozen=True):
    """So many callers at once: of `linearize` and then the local state, or of `propose` with so large values."""

    callers: int
    seconds: float
    value_bytes: int = 0


class Report(msgspec.Struct, frozen=True):
    """What a replica says of itself. Counters are since its start."""

    leader: str
    term: int
    applied: int
    revision: int
    voters: int
    pause_ms: float
    """The longest time for which the event loop did not get to what was due."""
    own_ms: float
    """The most processor time that its own thread took between two looks at what is due."""
    snapshots_taken: int
    snapshots_sent: int
    snapshots_installed: int


class Replica:
    """The process' consensus and its links."""

    def __init__(self, folder: Path, *, leads: bool) -> None:
        self._leads = leads
        self._files = NodeFiles(folder)
        self._state = self._files.load()
        self._rng = random.Random(os.urandom(16))  # noqa: S311  jitter and names: nothing secret comes from it
        self._store = Store()
        self._disk = SqliteDisk(folder / CONSENSUS_FOLDER)
        self._lag = LagMeter()
        self._peers = TlsPeers(
            node_id=self._state.node_id,
            cluster_id=self._state.cluster_id,
            client_context=tls.peer_context(self._files),
            identify=tls.peer_identity,
            rng=self._rng,
        )

    async def run(self) -> None:
        """Take part until SIGTERM."""
        consensus = self._consensus = await Consensus.open(
            node_id=self._state.node_id,
            cluster_id=self._state.cluster_id,
            disk=self._disk,
            peers=self._peers,
            store=self._store,
            clock=SystemClock(),
            rng=self._rng,
            config=ConsensusConfig(voter_replace_after_seconds=VOTER_REPLACE_SECONDS),
            seed_addresses={peer.node_id: peer.address for peer in self._state.peers},
        )
        self._peers.on_call(STATUS, self._report)
        self._peers.on_call(FORGET_PAUSES, self._forget_pauses)
        self._peers.on_call(WRITE, self._write)
        self._peers.on_call(BURST, self._burst)
        self._peers.on_call(READ, self._read)
        controllers = asyncio.create_task(self._controllers(consensus).run()) if self._leads else None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(consensus.stop()))
        links = asyncio.create_task(self._peers.run())
        lag = None if self._leads else asyncio.create_task(self._lag.run())
        async with self._listening():
            await consensus.run()
        for task in filter(None, (links, lag, controllers)):
            task.cancel()
        self._disk.close()

    def _controllers(self, consensus: Consensus) -> Controllers:
        """Return what a leader does beside consensus, hearing the nodes' heartbeats and granting them leases."""
        heartbeats = Heartbeats(SystemClock())
        Reporting(consensus, self._peers, heartbeats, self._state.name)
        return Controllers(
            replica=consensus, clock=SystemClock(), rng=self._rng, heartbeats=heartbeats, config=NodeLifecycle()
        )

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get(upgrade.PATH, self._peers.handle_upgrade)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        host, port = split_address(self._state.advertise)
        await web.TCPSite(runner, host, port, ssl_context=tls.server_context(self._files)).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _report(self, _sender: str, _payload: bytes) -> bytes:
        status, counters = self._consensus.status(), self._consensus.counters
        report = Report(
            leader=status.leader,
            term=status.term,
            applied=status.applied,
            revision=self._store.revision,
            voters=sum(member.role in ("leader", "voter") for member in status.members),
            pause_ms=self._lag.pause_ms,
            own_ms=self._lag.own_ms,
            snapshots_taken=counters.snapshots_taken,
            snapshots_sent=counters.snapshots_sent,
            snapshots_installed=counters.snapshots_installed,
        )
        return msgspec.msgpack.encode(report)

    async def _forget_pauses(self, _sender: str, _payload: bytes) -> bytes:
        self._lag.reset()
        return b""

    async def _write(self, _sender: str, payload: bytes) -> bytes:
        await self._consensus.propose([msgspec.msgpack.decode(payload, type=Put)], timeout_seconds=WRITE_SECONDS_MAX)
        return b""

    async def _burst(self, _sender: str, payload: bytes) -> bytes:
        burst = msgspec.msgpack.decode(payload, type=Burst)
        names = itertools.count()

        async def write(_number: int) -> None:
            name = f"burst-{self._state.node_id[-1]}-{self._rng.randrange(1 << 30)}-{next(names)}"
            await self._consensus.propose([objects.config_map(name, "x" * burst.value_bytes)])

        async def read(_number: int) -> None:
            await self._consensus.linearize()
            self._store.get(objects.key("bench-1"))

        work = write if burst.value_bytes else read
        return msgspec.msgpack.encode(await rate.measure(work, clients=burst.callers, seconds=burst.seconds))

    async def _read(self, _sender: str, payload: bytes) -> bytes:
        await self._consensus.linearize()
        stored = self._store.get(msgspec.msgpack.decode(payload, type=Key))
        return stored.json if stored else b""


def main() -> None:
    logs.configure(level="info", format="json")
    asyncio.run(Replica(Path(sys.argv[1]), leads=CONTROLLERS in sys.argv).run())


if __name__ == "__main__":
    main()
