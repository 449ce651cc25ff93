"""One daemon, whatever it stands on: consensus, controllers and agent, how they are watched and how they end.

`node.py` gives it TLS links, SQLite and a container engine, and puts the API's doors before it; a simulator gives it
a network, a disk and an engine of its own making. What is true of a daemon in one is true of it in the other.

    consensus = await daemon.open_consensus(given)
    self = Daemon(given, consensus, runtime, stopping)
    await self.run(links)                       # until it is told to stop, leaves, or a part of it fails
    if self.left:
        await self.clean_up()
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from dataclasses import dataclass
from typing import Any

import structlog

from swarmlet.addresses import split_address
from swarmlet.agent.machine.own_node import Machine, NodeIdentity
from swarmlet.agent.pressure.usage import UsageSampler
from swarmlet.agent.runner import Agent
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.clock import Clock
from swarmlet.config import Config, Network
from swarmlet.consensus import zones
from swarmlet.consensus.disk import Disk
from swarmlet.consensus.driver import Consensus
from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.nodes.reporting import Reporting
from swarmlet.controllers.work.runner import Controllers
from swarmlet.errors import CutOffError, EngineError, PeerError, RemovedError, SwarmletError
from swarmlet.identity.state import NodeState
from swarmlet.runtime.runtime import Runtime
from swarmlet.store.state import Listener, Store
from swarmlet.transport.peers import Peers

GOODBYE_SECONDS_MAX = 2.0
STOP_SECONDS_MAX = 10.0
CLEAN_UP_SECONDS_MAX = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a daemon is given and does not make itself.

    `state` says who it is and `config` what its user wants; `network` is what this machine can do of that. `machine`
    is what the kernel calls the machine, and `volumes` where the Pods' files lie. `rng` makes uids and names, and
    spreads retries: nothing secret comes from it.
    """

    config: Config
    network: Network
    state: NodeState
    machine: Machine
    volumes: Volumes
    clock: Clock
    rng: random.Random
    peers: Peers
    disk: Disk


async def open_consensus(given: Surroundings) -> Consensus:
    """Recover what the disk holds; raise `ConfigError` where it is another's or in use, `DiskError` where damaged."""
    config, state, store = given.config, given.state, Store(failed=_listener_failed)
    return await Consensus.open(
        node_id=state.node_id,
        cluster_id=state.cluster_id,
        disk=given.disk,
        peers=given.peers,
        store=store,
        clock=given.clock,
        rng=given.rng,
        config=ConsensusConfig(
            **dataclasses.asdict(config.consensus),
            voters_max=config.voters_max,
            standbys_max=config.standbys_max,
            voter_replace_after_seconds=config.voter_replace_after_seconds,
        ),
        seed_addresses={peer.node_id: peer.address for peer in state.peers},
        zones=lambda: zones.zones(store),
    )


class Daemon:
    """The parts of one daemon. `stopping`, once set, ends it; what runs in containers goes on.

    `left` says that it ends because this machine is no member any more, `cut_off` that the cluster was restored or
    recovered without it.
    """

    def __init__(self, given: Surroundings, consensus: Consensus, runtime: Runtime, stopping: asyncio.Event) -> None:
        config, state = given.config, given.state
        heartbeats = Heartbeats(given.clock)
        self.left = False
        self.cut_off: CutOffError | None = None
        self.consensus = consensus
        self.report = Reporting(consensus, given.peers, heartbeats, state.name)
        self.agent = _agent(given, consensus, runtime, self.report)
        self._sampler = UsageSampler(
            node_name=state.name,
            engine=runtime,
            clock=given.clock,
            rng=given.rng,
            period_seconds=config.usage_seconds,
            containers=self.agent.containers,
            deliver=self.report.note_usage,
        )
        self.controllers = Controllers(
            replica=consensus,
            clock=given.clock,
            rng=given.rng,
            heartbeats=heartbeats,
            config=config.node_lifecycle,
            autoscaling=config.autoscaling,
            placement=config.placement,
            rebalance=config.rebalance,
            network=config.network,
            host=state.name,
        )
        consensus.on_role(self.controllers.note_role)
        self._runtime = runtime
        self._volumes = given.volumes
        self._stopping = stopping

    def leave(self) -> None:
        """End because the cluster has let this machine go."""
        self.left = True
        self._stopping.set()

    async def run(self, *foundations: asyncio.Task[None]) -> None:
        """Let all parts run until one of them, or of what they stand on, ends, or the daemon is told to stop.

        It then says goodbye and stops the parts, consensus last; the foundations are the caller's to end. Raises what
        ended a part that should have gone on.
        """
        vital = asyncio.create_task(self.consensus.run(), name="consensus")
        parts = [
            asyncio.create_task(self.controllers.run(), name="controllers"),
            asyncio.create_task(self.agent.run(), name="agent"),
            asyncio.create_task(self._sampler.run(), name="usage"),
        ]
        stop = asyncio.create_task(self._stopping.wait(), name="stopping")
        try:
            done, _ = await asyncio.wait([stop, vital, *parts, *foundations], return_when=asyncio.FIRST_COMPLETED)
            await self._say_goodbye()
            for task in (vital, *parts, *foundations):
                if task in done:
                    self._note_end(task)
        finally:
            await ended(*parts, stop)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await self.consensus.stop()
                    await asyncio.wait([vital])
            await ended(vital)

    async def clean_up(self) -> None:
        """End what this machine still runs and remove its volumes: the cluster has removed it."""
        await self.end_containers()
        await asyncio.to_thread(self._volumes.remove_all)

    async def end_containers(self) -> None:
        """End what this machine still runs: it runs elsewhere now."""
        try:
            async with asyncio.timeout(CLEAN_UP_SECONDS_MAX):
                for container in await self._runtime.list():
                    await self._runtime.stop(container.id, grace_seconds=0)
                    await self._runtime.remove(container.id)
                self._runtime.watchdog().retire()
        except (TimeoutError, EngineError) as error:
            log.warning("containers_left_behind", error=str(error) or "timed out")  # told, not a reason to stay

    async def _say_goodbye(self) -> None:
        if self.left:
            return
        try:
            async with asyncio.timeout(GOODBYE_SECONDS_MAX):
                await self.agent.say_goodbye()
        except (TimeoutError, PeerError) as error:
            log.info("goodbye_not_heard", error=str(error) or "timed out")

    def _note_end(self, task: asyncio.Task[None]) -> None:
        """Take note that this machine was removed, or raise what ended a part that should have gone on."""
        error = task.exception()
        if isinstance(error, CutOffError):
            self.cut_off = error
        elif isinstance(error, RemovedError):
            log.warning("node_removed", reason=str(error))
            self.left = True
        elif error is not None:
            raise error


def _agent(given: Surroundings, consensus: Consensus, runtime: Runtime, report: Reporting) -> Agent:
    host, port = split_address(given.state.advertise)
    return Agent(
        node=NodeIdentity(name=given.state.name, node_id=given.state.node_id, address=host, port=port),
        machine=given.machine,
        replica=consensus,
        runtime=runtime,
        clock=given.clock,
        rng=given.rng,
        volumes=given.volumes,
        config=dataclasses.replace(given.config, network=given.network),
        send_heartbeat=report.send,
    )


def _listener_failed(listener: Listener, error: Exception) -> None:
    """Log what one object brought out: every daemon applies the same, so all of them would end together."""
    log.error("listener_failed", listener=getattr(listener, "__qualname__", repr(listener)), exc_info=error)


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they are done; what they raise now is only noted."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, SwarmletError):
            log.error("task_failed_while_stopping", error=repr(result))
