"""The composition root: a daemon, and what it stands on here. The only file that knows everybody.

What a daemon is stands in `daemon.py`. This adds its files and keys, the TLS links and doors, the container engine,
the signals and the service manager, and ends them in the order that the rooms need.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import os
import random
import signal
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from swarmlet.addresses import split_address
from swarmlet.agent.machine import own_node
from swarmlet.agent.volumes.pod_tokens import PodTokens
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.api import app, doors, serving
from swarmlet.api.access import origins
from swarmlet.api.access.account_tokens import tokens_of
from swarmlet.api.access.authorization import Authorizer
from swarmlet.api.operations import cluster, reports
from swarmlet.api.operations.backup import BackupApi
from swarmlet.api.operations.membership import Membership
from swarmlet.api.operations.rebalance import RebalanceApi
from swarmlet.api.past.desired_history import HistoryApi
from swarmlet.api.plans.planning import Planner
from swarmlet.api.plans.requests import PlanApi
from swarmlet.clock import SystemClock
from swarmlet.config import AUTO, Config, Network
from swarmlet.consensus.metrics import ConsensusMetrics
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.controllers.rehearsal.rehearser import Rehearser
from swarmlet.daemon import Daemon, Surroundings, ended, open_consensus
from swarmlet.errors import CutOffError
from swarmlet.identity import tls
from swarmlet.identity.renewal import CertificateKeeper
from swarmlet.identity.state import NodeFiles
from swarmlet.identity.users import Authenticator
from swarmlet.network import choice as network_choice
from swarmlet.network import nftables
from swarmlet.network.fabric.keeper import FabricKeeper
from swarmlet.network.machine_network import MachineNetwork
from swarmlet.runtime import choice
from swarmlet.runtime.runtime import Runtime
from swarmlet.store.replica import Replica
from swarmlet.telemetry import logs, metrics
from swarmlet.telemetry.supervision import Supervisor
from swarmlet.transport import upgrade
from swarmlet.transport.tls_peers import TlsPeers

GARBAGE_THRESHOLDS = (20_000, 10, 10)
"""Of the collector of cycles. With Python's own 700 it walks through the stored objects, which have none, so often that
it takes a fifth of a daemon's processor time while Pods start."""

log = structlog.get_logger(__name__)


async def run(config: Config) -> None:
    """Be this machine's daemon until SIGTERM or SIGINT, or until it leaves the cluster.

    Raises a `SwarmletError` with one clear line where it cannot start or go on; what runs in containers goes on.
    """
    logs.configure(level=config.log.level, format=config.log.format)
    gc.freeze()  # what was imported stays
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    supervisor = Supervisor.from_environment(os.environ)
    disk = SqliteDisk(config.consensus_dir, claimed=True)
    node = _Node(config, NodeFiles(config.data_dir), disk)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, node.stopping.set)
    try:
        await node.serve(supervisor)
    finally:
        disk.close()


class _Node:
    """What this machine's daemon stands on. `stopping` ends it."""

    def __init__(self, config: Config, files: NodeFiles, disk: SqliteDisk) -> None:
        self.stopping = asyncio.Event()
        self._config = config
        self._files = files
        self._disk = disk
        self._state = (
            files.load()
        )  # one clear line where this machine is no member, before anything is made in the folder
        self._clock = SystemClock()
        self._rng = random.Random(os.urandom(16))  # noqa: S311  jitter, uids and names: nothing secret comes from it
        self._registry = metrics.new_registry()
        self._peer_context = tls.peer_context(files)
        self._peers = TlsPeers(
            node_id=self._state.node_id,
            cluster_id=self._state.cluster_id,
            client_context=self._peer_context,
            identify=tls.peer_identity,
            rng=self._rng,
            incarnation=self._state.incarnation,
        )

    async def serve(self, supervisor: Supervisor) -> None:
        """Put the daemon together, serve until its end, and clean up where it has left the cluster."""
        given = self._given()
        consensus = await open_consensus(given)
        runtime = await choice.choose(
            self._config, cluster_id=self._state.cluster_id, node_id=self._state.node_id, clock=self._clock
        )
        try:
            chosen = self._choose_network(runtime)
            daemon = Daemon(dataclasses.replace(given, network=chosen.network), consensus, runtime, self.stopping)
            async with self._pod_network(daemon, chosen.network, runtime):
                await self._serve(daemon, chosen, supervisor)
                if daemon.cut_off:
                    raise await self._set_aside(daemon, daemon.cut_off)
                if daemon.left:
                    await self._forget(daemon)
        finally:
            await runtime.close()

    async def _serve(self, daemon: Daemon, chosen: network_choice.Choice, supervisor: Supervisor) -> None:
        machine_network = MachineNetwork(
            choice=chosen,
            config=self._config,
            node_name=self._state.name,
            replica=daemon.consensus,
            clock=self._clock,
            addresses=daemon.agent.network.addresses,
            fault=lambda: daemon.agent.network.fault,
        )
        membership, context = self._membership(daemon), tls.server_context(self._files)
        server = self._server(daemon, membership, machine_network)
        for numbers in (ConsensusMetrics(daemon.consensus), *machine_network.metrics()):
            self._registry.register(numbers)
        links = asyncio.create_task(self._peers.run(), name="peers")
        network = machine_network.start()
        certificates = CertificateKeeper(
            files=self._files,
            node=self._state.identity,
            hosts=(split_address(self._state.advertise)[0], *self._config.api_names),
            find_authority=membership.authority,
            contexts=(context, self._peer_context),
            clock=self._clock,
        )
        async with serving.listening(self._config, context, server):
            log.info("daemon_started", node=self._state.name, address=self._state.advertise)
            supervisor.ready(f"node {self._state.name}")
            renewals = asyncio.create_task(certificates.run(), name="certificate")
            watchdog = asyncio.create_task(supervisor.run(self._clock), name="watchdog")
            try:
                await daemon.run(links, renewals, *network)
            finally:
                supervisor.stopping()
                await ended(links, renewals, watchdog, *network)
                if daemon.left or daemon.cut_off:
                    await machine_network.remove()
        log.info("daemon_stopped", node=self._state.name)

    def _choose_network(self, runtime: Runtime) -> network_choice.Choice:
        """Find out what of the network this machine can do, and say so."""
        asked = self._config.network
        chosen = network_choice.choose(
            asked,
            attaches=runtime.networks() is not None,
            may_filter=nftables.is_permitted(),
            address=split_address(self._state.advertise)[0],
        )
        got = chosen.network
        tell = log.info if asked.mode in (AUTO, got.mode) else log.warning
        tell("network_chosen", mode=got.mode, services=got.services, dns=got.dns, policies=got.policies, why=chosen.why)
        return chosen

    @contextlib.asynccontextmanager
    async def _pod_network(self, daemon: Daemon, network: Network, runtime: Runtime) -> AsyncIterator[None]:
        """Keep this machine in the Pod network, where it is to be in one; what is left of one goes where it is not."""
        networks = runtime.networks()
        if networks is None:
            yield
            return
        keeper = FabricKeeper(
            config=network,
            data_dir=self._config.data_dir,
            node_name=self._state.name,
            replica=daemon.consensus,
            networks=networks,
            clock=self._clock,
            opened=daemon.agent.network.open,
            failed=daemon.agent.network.fail,
        )
        if network.mode == network_choice.NO_NETWORK:
            await keeper.clean_up()
            yield
            return
        task = asyncio.create_task(keeper.run(), name="pod-network")
        try:
            yield
        finally:
            await ended(task)
            if daemon.left or daemon.cut_off:
                await keeper.remove()

    async def _forget(self, daemon: Daemon) -> None:
        """End what this machine still runs, and forget the membership: the cluster has removed it."""
        await daemon.clean_up()
        await asyncio.to_thread(choice.forget, self._config.data_dir)
        aside = await asyncio.to_thread(self._files.retire, self._clock.now())
        log.info("membership_ended", node=self._state.name, set_aside=str(aside) if aside else "")

    async def _set_aside(self, daemon: Daemon, reason: CutOffError) -> CutOffError:
        """End what this machine still runs, and put its state where no daemon looks; return what its user must know."""
        await daemon.end_containers()
        self._disk.close()
        await asyncio.to_thread(choice.forget, self._config.data_dir)
        folder = await asyncio.to_thread(self._files.set_aside, self._clock.now())
        log.error("node_cut_off", reason=str(reason), data=str(folder))
        return CutOffError(f"{reason}; its data is set aside in {folder}; to bring it back, `swarmlet join` anew")

    # Parts.

    def _given(self) -> Surroundings:
        return Surroundings(
            config=self._config,
            network=self._config.network,
            state=self._state,
            machine=own_node.read_machine(self._config.data_dir),
            volumes=Volumes.of_node(self._config.data_dir, self._state.node_id, PodTokens(self._clock)),
            clock=self._clock,
            rng=self._rng,
            peers=self._peers,
            disk=self._disk,
        )

    def _membership(self, daemon: Daemon) -> Membership:
        return Membership(
            replica=origins.Signed(daemon.consensus),
            clock=self._clock,
            rng=self._rng,
            node=self._state.identity,
            peer_context=lambda: tls.peer_context(self._files),
            incarnation=self._state.incarnation,
        )

    def _server(self, daemon: Daemon, membership: Membership, network: MachineNetwork) -> app.ApiServer:
        replica = origins.Signed(daemon.consensus)
        cluster_api = cluster.ClusterApi(
            membership=membership,
            replica=replica,
            clock=self._clock,
            authority_pem=self._files.authority_pem(),
            advertise=self._state.advertise,
            left=daemon.leave,
        )
        backup_api = BackupApi(replica=replica, clock=self._clock, node=self._state)
        rebalance_api = RebalanceApi(replica=replica, clock=self._clock, config=self._config)
        rehearser = Rehearser(daemon.controllers.rehearsing, self._clock)
        authorizer = Authorizer(replica.view)
        plan_api = PlanApi(
            replica=replica,
            planner=Planner(replica=replica, clock=self._clock, rehearsal=rehearser),
            clock=self._clock,
            rng=self._rng,
            authorize=authorizer.authorize,
        )
        history_api = HistoryApi(replica=replica, plans=plan_api, authorize=authorizer.authorize)
        routes = [*rebalance_api.routes(), *cluster_api.routes(), *backup_api.routes()]
        routes += [*plan_api.routes(), *history_api.routes()]
        return app.ApiServer(
            replica=replica,
            authenticator=self._authenticator(membership, replica),
            authorizer=authorizer,
            info=reports.ClusterInfo(
                cluster_id=self._state.cluster_id,
                node_id=self._state.node_id,
                node_name=self._state.name,
                started=self._clock.now(),
                fenced=lambda: dataclasses.astuple(daemon.agent.fenced()),
                rebalances=self._config.rebalance.enabled,
                network=network.report,
            ),
            sources=app.Sources(
                pods=daemon.agent.streams,
                door=doors.NodeDoors(view=replica.view, peer_context=lambda: tls.peer_context(self._files)),
                leases=daemon.report,
                usage=daemon.report,
            ),
            clock=self._clock,
            rng=self._rng,
            registry=self._registry,
            routes=routes,
            unguarded_routes=[web.get(upgrade.PATH, self._peers.handle_upgrade)],
        )

    def _authenticator(self, membership: Membership, replica: Replica) -> Authenticator:
        tokens = tokens_of(replica.view, self._clock)
        return Authenticator(
            cluster_id=self._state.cluster_id,
            clock=self._clock,
            find_token=membership.token,
            is_member=membership.is_member,
            account_of=lambda token: tokens.check(token)[0],
        )
