"""Whole daemons on simulated machines: consensus, store, controllers, scheduler, and agent on the machine's engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from swarmlet import config
from swarmlet.agent.images import reports as image_reports
from swarmlet.agent.machine.own_node import Machine as MachineIds
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.cli import founding
from swarmlet.config import Config, Consensus
from swarmlet.consensus.bootstrap import bootstrap
from swarmlet.consensus.sqlite_disk import SqliteDisk
from swarmlet.daemon import Daemon, Surroundings, ended, open_consensus
from swarmlet.identity import registration
from swarmlet.identity.authority import NodeIdentity
from swarmlet.identity.state import Member, NodeState
from swarmlet.model import kinds, names, objects
from swarmlet.store.commands import Key, Put
from swarmlet.store.replica import Replica
from swarmlet.store.state import Store
from tests.simulation import moves_invariants
from tests.simulation.engines import MachineEngine, MachineRuntime
from tests.simulation.kernel import Kernel
from tests.simulation.machine import Life, Machine
from tests.simulation.network import Network
from tests.simulation.process import Process
from tests.simulation.workload import IMAGES

CLUSTER_ID = "c1"
DISK = Path("/data")
CONSENSUS = Consensus(snapshot_entries=150, tail_entries=20)
NO_NETWORK = config.Network(mode="none", dns=False, services="off", policies=False)
"""The kernel's part of it is not simulated."""
CLOCK_SKEW_SECONDS_MAX = 1.0

image_reports.LOOK_SECONDS = 4.0  # what a fault does to images is told before the cluster must be quiet


class Audience(Protocol):
    """Who is told what becomes of the daemons."""

    def opened(self, host: Host) -> None:
        """A daemon is put together and about to run."""

    def stepped(self, life: Life) -> None:
        """A turn of its event loop is over."""

    def exited(self, host: Host, life: Life, error: BaseException | None) -> None:
        """It ended by itself."""


@dataclass(slots=True)
class Incarnation:
    """One life of a daemon, from the moment its parts are put together."""

    life: Life
    daemon: Daemon
    stopping: asyncio.Event

    @property
    def process(self) -> Process:
        return self.life.process


class PoweredMachine(Machine):
    """A machine whose containers end when its power does."""

    engine: MachineEngine

    def _die(self, how: str, *, power: bool) -> None:
        super()._die(how, power=power)
        if power:
            self.engine.kill_all()
            self.engine.lose_memory()


class Host:
    """One machine that runs a daemon: its engine and its Pods' files, who it is, and the daemon while one lives.

    `node_id` is "" while the machine is no member; it may start once it `is_admitted`. `folder` is where volumes lie: a
    real folder of the test.
    """

    def __init__(self, kernel: Kernel, network: Network, name: str, folder: Path, audience: Audience) -> None:
        self.name = name
        self.machine = PoweredMachine(
            kernel,
            network,
            name,
            self._program,
            stepped=audience.stepped,
            exited=lambda life, error: audience.exited(self, life, error),
        )
        skew = kernel.chance(f"skew of {name}").uniform(-CLOCK_SKEW_SECONDS_MAX, CLOCK_SKEW_SECONDS_MAX)
        self.machine.clock.jump(skew - self.machine.clock.monotonic())
        self.engine = self.machine.engine = MachineEngine(self.machine, registry=IMAGES)
        self.volumes = Volumes(disk=folder / name / "pods", memory=folder / name / "memory")
        self.node_id = ""
        self.is_admitted = False
        self.memberships = 0
        self._audience = audience
        self._state: NodeState | None = None
        self._founds = False
        self._last: Incarnation | None = None

    # Being a member.

    def found(self) -> None:
        """Become the first machine of a cluster, and start."""
        self.enrol(())
        self._founds = True
        self.admit()

    def enrol(self, members: Sequence[Member]) -> NodeIdentity:
        """Take a new identity, with an empty disk."""
        self.memberships += 1
        self.is_admitted = False
        self.node_id = f"{self.name}-id-{self.memberships}"
        self._state = NodeState(
            cluster_id=CLUSTER_ID, node_id=self.node_id, name=self.name, advertise=self.machine.address,
            peers=tuple(members),
        )  # fmt: skip
        return self._state.identity

    def admit(self) -> None:
        """Be a member, and start."""
        self.is_admitted = True
        self.machine.start()

    def forget(self) -> None:
        """Be no member any more, and keep nothing."""
        self.node_id = ""
        self.machine.platter.folders.clear()

    @property
    def member(self) -> Member:
        return Member(node_id=self.node_id, address=self.machine.address)

    # The daemon.

    @property
    def incarnation(self) -> Incarnation | None:
        """The daemon, while it lives."""
        last = self._last
        return last if last is not None and last.life is self.machine.life else None

    @property
    def serves(self) -> bool:
        """Whether a request to the daemon would be taken now."""
        incarnation = self.incarnation
        return incarnation is not None and not incarnation.process.is_paused

    @property
    def replica(self) -> Replica:
        assert self.incarnation
        return self.incarnation.daemon.consensus

    @property
    def store(self) -> Store:
        return cast("Store", self.replica.view)

    def stop(self) -> None:
        """Ask the daemon to end, as systemd does."""
        if self.incarnation:
            self.incarnation.process.post(self.incarnation.stopping.set)

    async def _program(self, life: Life) -> None:
        """What `node.run` is on a real machine."""
        assert self._state
        life.process.loop._default_executor = life.new_thread("work")  # for `asyncio.to_thread`
        if self._founds:
            await self._found(life)
        disk = _disk(life)
        peers = life.peers(self.node_id)
        given = Surroundings(
            config=Config(
                data_dir=DISK,
                node_name=self.name,
                consensus=CONSENSUS,
                rebalance=moves_invariants.QUICK,
                network=NO_NETWORK,
            ),
            network=NO_NETWORK,
            state=self._state,
            machine=MachineIds(machine_id=self.name),
            volumes=self.volumes,
            clock=life.clock,
            rng=life.rng,
            peers=peers,
            disk=disk,
        )
        consensus = await open_consensus(given)
        runtime = MachineRuntime(self.engine, life.process, cluster_id=CLUSTER_ID, node_id=self.node_id)
        stopping = asyncio.Event()
        daemon = Daemon(given, consensus, runtime, stopping)
        self._last = Incarnation(life, daemon, stopping)
        self._audience.opened(self)
        links = asyncio.create_task(peers.run(), name="peers")
        try:
            await daemon.run(links)
        finally:
            await ended(links)
            disk.close()
        if daemon.left:
            await daemon.clean_up()
            self.forget()

    async def _found(self, life: Life) -> None:
        """What `swarmlet init` does."""
        assert self._state
        disk = _disk(life)
        now = life.clock.now()
        namespaces = [founding._namespace(name, names.new_uid(life.rng), now) for name in founding.NAMESPACES]
        operations = [Put(Key("namespaces", "", each.metadata.name), objects.to_json(each)) for each in namespaces]
        await bootstrap(
            disk=disk,
            cluster_id=CLUSTER_ID,
            node_id=self.node_id,
            address=self.machine.address,
            operations=[*operations, registered(self._state.identity, life)],
            rng=life.rng,
        )
        disk.close()
        self._founds = False


def _disk(life: Life) -> SqliteDisk:
    return SqliteDisk(DISK, new_thread=life.new_thread, files=life.files)


def registered(identity: NodeIdentity, life: Life) -> Put:
    """Return what holds a machine's name from its admission on."""
    uid = names.new_uid(life.rng)
    node = registration.new_node(identity, public_key_sha256="", uid=uid, now=life.clock.now())
    return Put(node_key(identity.name), objects.to_json(node), expected_revision=0)


def node_key(name: str) -> Key:
    return Key(kinds.NODE.resource, "", name)
