"""The composition root: one daemon, put together from all rooms. The only file that knows everybody.

What lives as long as the daemon is in `_Node`; `run` starts it, waits for the end, and ends it in the order that the
rooms need: say goodbye, hand the lead over, close the links, close the doors.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import structlog
from aiohttp import web

from swarmlet.agent import own_node
from swarmlet.agent.runner import Agent
from swarmlet.agent.volumes import Volumes
from swarmlet.api import app, cluster, doors, reports, serving
from swarmlet.api.membership import Membership
from swarmlet.clock import Clock, SystemClock
from swarmlet.config import Config, split_address
from swarmlet.consensus.driver import Consensus
from swarmlet.consensus.metrics import ConsensusMetrics
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.controllers.heartbeats import Heartbeats
from swarmlet.controllers.reporting import Reporting
from swarmlet.controllers.runner import Controllers
from swarmlet.errors import EngineError, PeerError, RemovedError, SwarmletError
from swarmlet.identity import tls
from swarmlet.identity.state import NodeFiles
from swarmlet.identity.users import Authenticator
from swarmlet.runtime import choice
from swarmlet.runtime.runtime import Runtime
from swarmlet.store.replica import Replica
from swarmlet.store.state import Store
from swarmlet.telemetry import logs, metrics
from swarmlet.telemetry.supervision import Supervisor
from swarmlet.transport import upgrade
from swarmlet.transport.tls_peers import TlsPeers

GOODBYE_SECONDS_MAX = 2.0
STOP_SECONDS_MAX = 10.0
CLEAN_UP_SECONDS_MAX = 60.0

log = structlog.get_logger(__name__)


async def run(config: Config) -> None:
    """Be this machine's daemon until SIGTERM or SIGINT, or until it leaves the cluster.

    Raises a `SwarmletError` with one clear line where it cannot start or go on; what runs in containers goes on.
    """
    logs.configure(level=config.log.level, format=config.log.format)
    supervisor = Supervisor.from_environment(os.environ)
    async with _Node.opened(config) as node:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, node.stopping.set)
        await node.serve(supervisor)


class _Node:
    """One daemon. `stopping` ends it; `left` says that it ends because this machine is no member any more."""

    def __init__(self, config: Config, *, clock: Clock, files: NodeFiles, disk: SqliteDisk) -> None:
        self.stopping = asyncio.Event()
        self.left = False
        self._config = config
        self._clock = clock
        self._files = files
        self._disk = disk
        self._state = files.load()
        self._rng = random.Random(os.urandom(16))  # noqa: S311  jitter, uids and names: nothing secret comes from it
        self._registry = metrics.new_registry()
        self._peers = TlsPeers(
            node_id=self._state.node_id,
            cluster_id=self._state.cluster_id,
            client_context=tls.peer_context(files),
            identify=tls.peer_identity,
            rng=self._rng,
        )
        self._heartbeats = Heartbeats(clock)

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, config: Config) -> AsyncIterator[_Node]:
        """Open the data folder, and close it whatever happens."""
        files = NodeFiles(config.data_dir)
        files.load()  # one clear line where this machine is no member, before anything is made in the folder
        disk = SqliteDisk(config.consensus_dir)
        try:
            yield cls(config, clock=SystemClock(), files=files, disk=disk)
        finally:
            disk.close()

    async def serve(self, supervisor: Supervisor) -> None:
        """Put the rest together, serve until the end, and clean up."""
        consensus = await self._open_consensus()
        runtime = await choice.choose(
            self._config, cluster_id=self._state.cluster_id, node_id=self._state.node_id, clock=self._clock
        )
        try:
            await self._serve(supervisor, consensus, runtime)
            if self.left:
                await self._forget(runtime)
        finally:
            await runtime.close()

    async def _serve(self, supervisor: Supervisor, consensus: Consensus, runtime: Runtime) -> None:
        report = Reporting(consensus, self._peers, self._heartbeats, self._state.name)
        agent = self._agent(consensus, runtime, report)
        controllers = Controllers(
            replica=consensus,
            clock=self._clock,
            rng=self._rng,
            heartbeats=self._heartbeats,
            config=self._config.node_lifecycle,
            host=self._state.name,
        )
        server = self._server(consensus, agent, report)
        self._registry.register(ConsensusMetrics(consensus))
        links = asyncio.create_task(self._peers.run(), name="peers")
        async with serving.listening(self._config, self._files, server):
            log.info("daemon_started", node=self._state.name, address=self._state.advertise)
            supervisor.ready(f"node {self._state.name}")
            try:
                await self._work(supervisor, consensus, agent, controllers, links)
            finally:
                supervisor.stopping()
                await _ended(links)
        log.info("daemon_stopped", node=self._state.name)

    async def _work(
        self,
        supervisor: Supervisor,
        consensus: Consensus,
        agent: Agent,
        controllers: Controllers,
        links: asyncio.Task[None],
    ) -> None:
        """Let all parts run until one fails or the daemon is to stop; then stop them, consensus last."""
        vital = asyncio.create_task(consensus.run(), name="consensus")
        parts = [_started(controllers.run()), _started(agent.run()), _started(supervisor.run(self._clock))]
        stop = asyncio.create_task(self.stopping.wait(), name="stopping")
        watched = [stop, vital, links, *parts[:2]]
        try:
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            await self._say_goodbye(agent)
            for task in done - {stop}:
                self._note_end(task)
        finally:
            await _ended(*parts, stop)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await consensus.stop()
                    await asyncio.wait([vital])
            await _ended(vital)

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        """Take note that this machine was removed, or raise what ended a part that should have gone on."""
        error = task.exception()
        if isinstance(error, RemovedError):
            log.warning("node_removed", reason=str(error))
            self.left = True
        elif error is not None:
            raise error

    async def _say_goodbye(self, agent: Agent) -> None:
        if self.left:
            return
        try:
            async with asyncio.timeout(GOODBYE_SECONDS_MAX):
                await agent.say_goodbye()
        except (TimeoutError, PeerError) as error:
            log.info("goodbye_not_heard", error=str(error) or "timed out")

    async def _forget(self, runtime: Runtime) -> None:
        """End what this machine still runs, and forget the membership: the cluster has removed it."""
        try:
            async with asyncio.timeout(CLEAN_UP_SECONDS_MAX):
                for container in await runtime.list():
                    await runtime.stop(container.id, grace_seconds=0)
                    await runtime.remove(container.id)
        except (TimeoutError, EngineError) as error:
            log.warning("containers_left_behind", error=str(error) or "timed out")  # told, not a reason to stay
        volumes = Volumes.of_node(self._config.data_dir, self._state.node_id)
        await asyncio.to_thread(volumes.remove_all)
        await asyncio.to_thread(choice.forget, self._config.data_dir)
        self._files.retire()
        log.info("membership_ended", node=self._state.name)

    # Parts.

    async def _open_consensus(self) -> Consensus:
        given = self._config.consensus
        return await Consensus.open(
            node_id=self._state.node_id,
            cluster_id=self._state.cluster_id,
            disk=self._disk,
            peers=self._peers,
            store=Store(),
            clock=self._clock,
            rng=self._rng,
            config=ConsensusConfig(**dataclasses.asdict(given), voters_max=self._config.voters_max),
            seed_addresses={peer.node_id: peer.address for peer in self._state.peers},
        )

    def _agent(self, replica: Replica, runtime: Runtime, report: Reporting) -> Agent:
        host, port = split_address(self._state.advertise)
        return Agent(
            node=own_node.NodeIdentity(name=self._state.name, node_id=self._state.node_id, address=host, port=port),
            replica=replica,
            runtime=runtime,
            clock=self._clock,
            rng=self._rng,
            data_dir=self._config.data_dir,
            config=self._config,
            send_heartbeat=report.send,
        )

    def _server(self, replica: Replica, agent: Agent, report: Reporting) -> app.ApiServer:
        membership = Membership(
            replica=replica,
            clock=self._clock,
            rng=self._rng,
            node=self._state.identity,
            peer_context=lambda: tls.peer_context(self._files),
        )
        cluster_api = cluster.ClusterApi(
            membership=membership,
            replica=replica,
            clock=self._clock,
            authority_pem=self._files.authority_pem(),
            advertise=self._state.advertise,
            left=self._leave,
        )
        return app.ApiServer(
            replica=replica,
            authenticator=Authenticator(
                cluster_id=self._state.cluster_id,
                clock=self._clock,
                find_token=membership.token,
                is_member=membership.is_member,
            ),
            info=reports.ClusterInfo(
                cluster_id=self._state.cluster_id,
                node_id=self._state.node_id,
                node_name=self._state.name,
                started=self._clock.now(),
            ),
            sources=app.Sources(
                pods=agent,
                door=doors.NodeDoors(view=replica.view, peer_context=lambda: tls.peer_context(self._files)),
                leases=report,
            ),
            clock=self._clock,
            rng=self._rng,
            registry=self._registry,
            routes=cluster_api.routes(),
            unguarded_routes=[web.get(upgrade.PATH, self._peers.handle_upgrade)],
        )

    def _leave(self) -> None:
        """End, and forget the membership: called when the cluster has let this machine go."""
        self.left = True
        self.stopping.set()


# Tasks.


def _started(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(coroutine)


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they are done; what they raise now is only noted."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, SwarmletError):
            log.error("task_failed_while_stopping", error=repr(result))
