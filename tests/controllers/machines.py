"""Machines with real agents, controllers and heartbeats on virtual time; only consensus is a table of who reaches whom.

Each machine has its own clock, which may go wrong, its own engine, and its own copy of the store, which may lag. A
daemon may be paused: then none of its calls goes on until it is resumed, and those under way end as if nothing had
been. A leader that is cut off believes for a while that it leads, and proposals that it made may be committed later.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from swarmlet.agent.machine.own_node import Machine as MachineIds
from swarmlet.agent.machine.own_node import NodeIdentity
from swarmlet.agent.runner import Agent
from swarmlet.agent.volumes.pod_volumes import Volumes
from swarmlet.config import Config, Network
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.nodes.reporting import Reporting
from swarmlet.controllers.work.runner import Controllers
from swarmlet.errors import OutcomeUnknownError, UnavailableError
from swarmlet.runtime.runtime import Container, ContainerSpec
from swarmlet.store.commands import NOBODY, Command, Operation, Origin, Outcome
from swarmlet.store.replica import ReplicaStatus
from swarmlet.store.state import Store
from tests.fakes.gauges import ScriptedGauges
from tests.fakes.runtime import Engine, FakeRuntime
from tests.virtual_time import EPOCH

STEP_SECONDS = 0.05
ELECTION_SECONDS = 1.5
STEP_DOWN_SECONDS = 2.0
MESSAGE_SECONDS = 0.002
IMAGE = "web:1"
STATEFUL_SET = "set"
"""The name of one whose Pods are each a singleton of their own."""


class SkewedClock:
    """A machine's clock: it goes `rate` times as fast as time does, and stands on any hour."""

    def __init__(self, rate: float, offset: float, gate: Callable[[], Awaitable[None]] | None = None) -> None:
        self.rate = rate
        self._offset = offset
        self._gate = gate

    def monotonic(self) -> float:
        return self._offset + asyncio.get_event_loop().time() * self.rate

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.rate)
        if self._gate is not None:
            await self._gate()


class Member:
    """One machine's replica: `swarmlet.store.replica.Replica` as far as the daemon's parts use it."""

    def __init__(self, machine: Machine) -> None:
        self.view = Store()
        self.applied = 0
        self.term = 0
        self.leader = ""
        self.is_leader = False
        self._machine = machine
        self._listeners: list[Callable[[bool], None]] = []

    def apply(self, count: int) -> None:
        for command in self._machine.board.log[self.applied : count]:
            self.view.apply(command)
        self.applied = max(self.applied, count)

    def follow(self, leader: str, term: int) -> None:
        self.leader, self.term = leader, term
        leads = leader == self._machine.node_id
        if leads != self.is_leader:
            self.is_leader = leads
            for listener in self._listeners:
                listener(leads)

    async def propose(
        self,
        operations: Sequence[Operation],
        *,
        atomic: bool = True,
        timeout_seconds: float = 5.0,
        origin: Origin = NOBODY,
    ) -> tuple[Outcome, ...]:
        board, machine = self._machine.board, self._machine
        command = Command(board.rng.randbytes(16), tuple(operations), atomic, origin)
        deadline = board.time() + timeout_seconds
        await asyncio.sleep(board.rng.uniform(MESSAGE_SECONDS, board.propose_seconds_max))
        while not board.may_commit(machine):  # what was handed over may be committed late, or never
            await asyncio.sleep(STEP_SECONDS)
            if board.time() > deadline:
                raise OutcomeUnknownError("nobody knows")
        outcomes = board.commit(command)
        self.apply(len(board.log))
        await machine.gate()
        return outcomes

    async def linearize(self, *, timeout_seconds: float = 5.0) -> None:
        board, machine = self._machine.board, self._machine
        deadline = board.time() + timeout_seconds
        asked = False
        while True:
            await asyncio.sleep(MESSAGE_SECONDS)
            await machine.gate()
            deposed = self.is_leader and board.leader != machine.node_id  # it asks nobody but its own quorum
            if asked and board.may_commit(machine) and not deposed:
                break
            asked = True
            if board.time() > deadline:
                raise UnavailableError("no quorum")
        self.apply(len(board.log))

    def status(self) -> ReplicaStatus:
        return ReplicaStatus(
            self._machine.node_id, self.leader, self.term, self.applied, self.applied, bool(self.leader)
        )

    def on_leadership(self, listener: Callable[[bool], None]) -> None:
        self._listeners.append(listener)


class Links:
    """A machine's way to the others: `swarmlet.transport.peers.Peers` as far as heartbeats use it."""

    def __init__(self, machine: Machine) -> None:
        self.handlers: dict[str, Callable[[str, bytes], Awaitable[bytes]]] = {}
        self._machine = machine

    def on_call(self, method: str, handler: Callable[[str, bytes], Awaitable[bytes]]) -> None:
        self.handlers[method] = handler

    async def call(self, node_id: str, method: str, payload: bytes, *, timeout_seconds: float) -> bytes:
        machine = self._machine
        other = machine.board.by_id(node_id)
        try:
            async with asyncio.timeout(timeout_seconds / machine.clock.rate):
                await machine.until_reaching(other)
                await asyncio.sleep(MESSAGE_SECONDS)
                await other.gate()
                answer = await other.links.handlers[method](machine.node_id, payload)
                await other.until_reaching(machine)
        except TimeoutError:
            await machine.gate()
            raise UnavailableError("no answer") from None
        await machine.gate()
        return answer


class PausedRuntime(FakeRuntime):
    """The engine works on while the daemon is paused: what was asked of it is done, and heard of later."""

    def __init__(self, engine: Engine, machine: Machine) -> None:
        super().__init__(engine, node_id=machine.node_id)
        self._machine = machine

    async def list(self) -> Sequence[Container]:
        await self._machine.gate()
        return await super().list()

    async def stop(self, container_id: str, *, grace_seconds: float) -> Container:
        await self._machine.gate()
        return await super().stop(container_id, grace_seconds=grace_seconds)

    async def _start(self, spec: ContainerSpec) -> Container:
        started = await super()._start(spec)
        await self._machine.gate()
        return started


class Machine:
    """One machine, and the daemon on it while that lives."""

    def __init__(self, board: Board, name: str, folder: Path, rate: float) -> None:
        self.board = board
        self.name = name
        self.node_id = f"{name}-id"
        self.gauges = ScriptedGauges()
        self.group = 0
        self.alive = False
        offset = board.rng.uniform(0, 1000)
        self.clock = SkewedClock(rate, offset, self.gate)
        self.engine = Engine(cast("Any", SkewedClock(rate, offset)), images=[IMAGE])
        self.member = Member(self)
        self.links = Links(self)
        self._volumes = Volumes(disk=folder / name, memory=folder / f"{name}-memory")
        self._running = asyncio.Event()
        self._running.set()
        self._daemon: asyncio.Task[None] | None = None
        self.heard_quorum = 0.0

    async def gate(self) -> None:
        """Wait while the daemon is paused."""
        await self._running.wait()

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    def reaches(self, other: Machine) -> bool:
        return self is other or (self.group == other.group and other.alive and self.alive)

    async def until_reaching(self, other: Machine) -> None:
        while not self.reaches(other):  # noqa: ASYNC110  the table of who reaches whom tells nobody of its changes
            await asyncio.sleep(STEP_SECONDS)

    # What befalls it.

    def start(self) -> None:
        assert not self.alive
        old = self.member
        self.member = Member(self)
        self.member.apply(old.applied)
        self.links = Links(self)
        self.alive = True
        heartbeats = Heartbeats(cast("Any", self.clock))
        replica = cast("Any", self.member)
        report = Reporting(replica, cast("Any", self.links), heartbeats, self.name)
        rng = random.Random(self.board.rng.random())
        controllers = Controllers(
            replica=replica, clock=cast("Any", self.clock), rng=rng, heartbeats=heartbeats,
            config=self.board.config.node_lifecycle, host=self.name,
        )  # fmt: skip
        self.agent = Agent(
            node=NodeIdentity(name=self.name, node_id=self.node_id, address="10.0.0.1", port=7600),
            machine=self.board.ids_of(self), replica=replica, runtime=PausedRuntime(self.engine, self),
            clock=cast("Any", self.clock), rng=rng, volumes=self._volumes, config=self.board.config,
            send_heartbeat=report.send,
        )  # fmt: skip
        self._daemon = asyncio.get_running_loop().create_task(self._run(controllers))

    async def _run(self, controllers: Controllers) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.agent.run())
            tasks.create_task(controllers.run())

    async def crash(self) -> None:
        """The daemon is killed; its containers go on."""
        self.alive = False
        self.resume()
        if self._daemon is not None:
            self._daemon.cancel()
            with suppress(asyncio.CancelledError):
                await self._daemon
            self._daemon = None

    async def lose_power(self) -> None:
        await self.crash()
        for container in self.engine.running():
            self.engine.kill(container.id)
        self.engine.lose_memory()

    def pause(self) -> None:
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def check(self) -> None:
        """Raise what ended the daemon though nobody killed it."""
        if self.alive and self._daemon is not None and self._daemon.done():
            self._daemon.result()
            raise AssertionError(f"{self.name}: the daemon ended")


class Board:
    """All machines, who reaches whom, what is committed, and who leads."""

    def __init__(
        self, folder: Path, *, seed: int = 1, rates: Sequence[float] = (1.0, 1.0, 1.0), measured: bool = False
    ) -> None:
        self.rng = random.Random(seed)
        self.measured = measured
        self.config = Config(network=Network(mode="none", dns=False))
        self.log: list[Command] = []
        self.truth = Store()
        self.term = 0
        self.leader = ""
        self.propose_seconds_max = 0.01
        self.broken = ""
        self.machines = [Machine(self, f"n{number}", folder, rate) for number, rate in enumerate(rates, 1)]
        self._without_leader_since = 0.0

    def __getitem__(self, name: str) -> Machine:
        return next(each for each in self.machines if each.name == name)

    def by_id(self, node_id: str) -> Machine:
        return self[node_id.removesuffix("-id")]

    def ids_of(self, machine: Machine) -> MachineIds:
        """Return what a daemon reads of its machine; with gauges only where the test looks at pressure."""
        return MachineIds(gauges=machine.gauges) if self.measured else MachineIds()

    def time(self) -> float:
        return asyncio.get_event_loop().time()

    async def run(self) -> None:
        """Elect, replicate and look out for what must never be, until cancelled."""
        while True:
            self._elect()
            self._replicate()
            await asyncio.sleep(STEP_SECONDS)

    # Consensus.

    def has_quorum(self, machine: Machine) -> bool:
        followers = [each for each in self.machines if machine.reaches(each) and not each.paused]
        return len(followers) * 2 > len(self.machines)

    def may_commit(self, machine: Machine) -> bool:
        """Whether a machine reaches the leader, and that a quorum."""
        if not self.leader:
            return False
        leader = self.by_id(self.leader)
        return machine.reaches(leader) and not leader.paused and self.has_quorum(leader)

    def commit(self, command: Command) -> tuple[Outcome, ...]:
        self.log.append(command)
        return self.truth.apply(command)

    def elect(self, name: str = "") -> None:
        """Let a machine that has a quorum lead, this one if named."""
        able = [each for each in self.machines if each.alive and not each.paused and self.has_quorum(each)]
        wanted = [each for each in able if name in ("", each.name)]
        if not wanted:
            return
        chosen = wanted[0] if name else self.rng.choice(wanted)
        self.term += 1
        self.leader = chosen.node_id
        chosen.member.apply(len(self.log))
        chosen.member.follow(chosen.node_id, self.term)

    def _elect(self) -> None:
        now = self.time()
        leader = self.by_id(self.leader) if self.leader else None
        if leader and leader.alive and not leader.paused and self.has_quorum(leader):
            self._without_leader_since = now
        elif now - self._without_leader_since > ELECTION_SECONDS:
            self.elect()

    def _replicate(self) -> None:
        now = self.time()
        leader = self.by_id(self.leader) if self.leader else None
        for each in self.machines:
            if not each.alive or each.paused:
                continue
            each.check()
            if leader and leader.alive and not leader.paused and leader.reaches(each) and self.has_quorum(leader):
                each.heard_quorum = now
                each.member.follow(self.leader, self.term)
                if self.rng.random() < 0.5:  # it lags
                    each.member.apply(len(self.log))
            elif each.member.leader and now - each.heard_quorum > STEP_DOWN_SECONDS:
                each.member.follow("", each.member.term)

    # Looking.

    def live(self) -> list[tuple[str, Container]]:
        """Return the containers of strict singletons that run anywhere, with their machines' names."""
        return [(each.name, found) for each in self.machines for found in each.engine.running() if found.strict]

    def look(self) -> None:
        """Note what must never be: two live Pods of one strict singleton, or of one ordinal of a StatefulSet."""
        places: dict[str, set[str]] = {}
        for name, container in self.live():
            owner = container.pod.name.partition("-")[0]
            place = container.pod.name if owner == STATEFUL_SET else owner
            places.setdefault(place, set()).add(f"{container.pod.uid} on {name}")
        twice = next((found for found in places.values() if len(found) > 1), None)
        if twice and not self.broken:
            self.broken = f"at {self.time():.2f} s two live: {', '.join(sorted(twice))}"
