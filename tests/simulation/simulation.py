"""One run: a cluster, its clients and a plan of faults, from a seed; ends well or with the promise that was broken."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from swarmlet.consensus.settings import ConsensusConfig
from swarmlet.errors import DiskError, RemovedError
from swarmlet.raft import membership
from tests.simulation import planning
from tests.simulation.clients import KEYS, Client, Watcher, check_denied, check_revisions
from tests.simulation.desk import Desk
from tests.simulation.faults import Plan
from tests.simulation.invariants import Truth
from tests.simulation.kernel import Kernel
from tests.simulation.limits import tiny_limits
from tests.simulation.linearizability import Operation, Result, first_anomaly
from tests.simulation.logs import logs_to
from tests.simulation.machine import Life, Machine
from tests.simulation.member import Member
from tests.simulation.network import Network
from tests.simulation.operator import Operator
from tests.simulation.violations import Violation, require

SNAPSHOT_ENTRIES, TAIL_ENTRIES = (4, 12, 30, 100), (0, 3, 10)
VOTERS, STANDBYS, REPLACE_SECONDS = (3, 3, 5), (0, 1, 2), (2.0, 4.0, 10.0)
"""Tiny: what a real cluster does once an hour is done every second."""
RECOVERY_SECONDS_MAX = 90.0
"""After the last fault, until the cluster must be whole again."""
RESTART_SECONDS = 1.0
"""A daemon that ended by itself is started again, as systemd does."""
STARTED = "a daemon ends only for a reason"
LIVE = "the cluster recovers once the faults stop"
LINEAR = "clients see one history"


@dataclass
class Report:
    """What became of a run."""

    seed: int
    plan: Plan
    violation: Violation | None
    trace: list[str]
    figures: dict[str, int] = field(default_factory=dict)


class Simulation:
    """Implements `faults.Scene`."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.seed = seed
        self.plan = plan or planning.draw(seed)
        self.kernel = Kernel(seed)
        self.network = Network(self.kernel)
        self.truth = Truth()
        self.config = _config(self.kernel.chance("config"))
        self.members: dict[str, Member] = {}
        self.machines = {
            name: Machine(
                self.kernel,
                self.network,
                name,
                self._program,
                stepped=self._stepped,
                exited=self._exited,
            )
            for name in planning.machine_names(self.plan.machines)
        }
        self.history: list[Operation] = []
        self.desk = Desk(self.kernel, self.members)
        self.operator = Operator(self.desk, self.machines, self.members)
        names = list(self.machines)
        self.clients = [
            Client(f"c{number}", self.desk, names, self.history, self.truth) for number in range(self.plan.clients)
        ]
        self.watchers = [Watcher(f"w{number}", self.desk, names, self.truth) for number in range(2)]
        self._healing = False

    def run(self) -> Report:
        """Let it all happen; free what it held."""
        violation: Violation | None = None
        with logs_to(self.kernel), tiny_limits():
            try:
                self._live()
                self._recover()
                self._judge()
            except Violation as found:
                violation = found
                self.kernel.record("VIOLATION", str(found))
            self.kernel.record("end", f"events={self.kernel.events} digest={self.kernel.digest}")
        with logs_to(None):
            for machine in self.machines.values():
                machine.dispose()
        return Report(self.seed, self.plan, violation, self.kernel.trace, self._figures())

    # What happens.

    def _live(self) -> None:
        self.desk.process.spawn(self.operator.begin())
        for worker in (*self.clients, *self.watchers):
            self.desk.process.spawn(worker.run())
        for fault in self.plan.faults:
            self.kernel.at(fault.at, lambda fault=fault: self._strike(fault))  # type: ignore[misc]
        self.kernel.run(until=self.plan.seconds)

    def _strike(self, fault: Any) -> None:
        self.kernel.record("fault", str(fault))
        fault.strike(self)

    def _recover(self) -> None:
        """End all faults, start what is down, and wait until everybody holds the same."""
        self.kernel.record("heal", "everything")
        self._healing = True
        self.network.heal()
        for name, machine in self.machines.items():
            machine.platter.heal()
            machine.clock.set_rate(1.0)
            self.restart(name, 0.0)
        whole = self.kernel.run(until=self.kernel.now + RECOVERY_SECONDS_MAX, done=self._is_whole)
        require(whole, LIVE, self._state())

    def _is_whole(self) -> bool:
        members = [self.members.get(name) for name in self.machines]
        consensuses = [member.consensus for member in members if member and member.consensus]
        alive = [member for member in members if member and member.life.process.alive]
        if len(consensuses) < len(self.machines) or len(alive) < len(self.machines) or not self.operator.is_idle:
            return False
        nodes = {identity.node_id for identity in self.operator.identities.values()}
        core = consensuses[0]._engine.core
        everybody = membership.everybody(core.membership)
        led = any(consensus.is_leader for consensus in consensuses)
        return everybody == nodes and led and len({consensus.applied for consensus in consensuses}) == 1

    def _judge(self) -> None:
        """What can be said only at the end."""
        states = {
            name: b"".join(member.store.capture().encode_chunks()) for name, member in sorted(self.members.items())
        }
        require(len(set(states.values())) == 1, "replicas agree in the end", ", ".join(states))
        for name, member in sorted(self.members.items()):
            self.truth.restored(name, member.store)
            member.store.validate()
        check_revisions(self.history, self.truth)
        check_denied(self.clients, self.truth)
        for key in KEYS:
            anomaly = first_anomaly([operation for operation in self.history if operation.key == key])
            require(not anomaly, LINEAR, f"key {key}:\n" + "\n".join(map(str, anomaly[-12:])))

    def _state(self) -> str:
        statuses = (
            f"{name}: {member.consensus.status() if member.consensus else 'not open'}"
            for name, member in sorted(self.members.items())
        )
        return f"after {RECOVERY_SECONDS_MAX:g} s without faults: " + "; ".join(statuses)

    # `faults.Scene`.

    def restart(self, machine: str, down_seconds: float) -> None:
        self.kernel.after(down_seconds, lambda: self._start(machine))

    def request(self, what: str, machine: str) -> None:
        if not self._healing:
            self.desk.process.spawn(self.operator.request(what, machine))

    def _start(self, name: str) -> None:
        if name not in self.operator.out and self.machines[name].lives:
            self.machines[name].start()

    # The daemons.

    async def _program(self, life: Life) -> None:
        name = life.machine.name
        member = Member(life, self.operator.identities[name], self.truth, self.config)
        self.members[name] = member
        await member.run()

    def _stepped(self, life: Life) -> None:
        self.members[life.machine.name].look()
        for error in self.desk.process.loop.failures:
            raise error

    def _exited(self, life: Life, error: BaseException | None) -> None:
        name = life.machine.name
        self.kernel.record(name, f"ends: {error!r}")
        if isinstance(error, Violation):
            raise error
        if isinstance(error, RemovedError):
            if name not in self.operator.out:
                self.operator.out.add(name)
                self.desk.process.spawn(self.operator.rejoin(name))
            return
        by_disk = isinstance(error, DiskError) and life.files.errors
        require(error is None or by_disk, STARTED, f"{name}: {error!r}")
        self.restart(name, RESTART_SECONDS)

    def _figures(self) -> dict[str, int]:
        done = [operation for operation in self.history if operation.result is Result.DONE]
        return {
            "events": self.kernel.events,
            "frames": self.network.frames,
            "operations": len(self.history),
            "done": len(done),
            "unknown": sum(operation.result is Result.UNKNOWN for operation in self.history),
            "watched": sum(watcher.changes for watcher in self.watchers),
            "expirations": sum(watcher.expirations for watcher in self.watchers),
            "entries": len(self.truth.committed),
            "restores": self.truth.restores,
            "terms": len(self.truth.leaders),
            "lives": sum(len(machine.lives) for machine in self.machines.values()),
            "disk_calls": sum(machine.platter.calls for machine in self.machines.values()),
        }


def _config(rng: random.Random) -> ConsensusConfig:
    return ConsensusConfig(
        snapshot_entries=rng.choice(SNAPSHOT_ENTRIES),
        tail_entries=rng.choice(TAIL_ENTRIES),
        promote_lag_entries=5,
        voters_max=rng.choice(VOTERS),
        standbys_max=rng.choice(STANDBYS),
        voter_replace_after_seconds=rng.choice(REPLACE_SECONDS),
    )
