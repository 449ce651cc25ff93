"""A run of a whole cluster: it begins, grows, serves its users and suffers a plan's faults; then it must settle."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from asyncio import events
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from pathlib import Path
from typing import Any, cast

import structlog

from swarmlet.errors import SwarmletError
from swarmlet.model import kinds
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Delete, Verdict
from tests.simulation import cluster_invariants, moves_invariants
from tests.simulation.cluster_invariants import Singletons
from tests.simulation.daemons import Host, node_key, registered
from tests.simulation.engines import MachineEngine
from tests.simulation.faults import Fault, Plan
from tests.simulation.kernel import Kernel
from tests.simulation.machine import Life, Machine, bury
from tests.simulation.network import Network
from tests.simulation.planning import machine_names
from tests.simulation.simulation import Report
from tests.simulation.violations import Violation, require
from tests.simulation.workload import Desk, User

FORMING_SECONDS_MAX = 60.0
SETTLING_SECONDS_MAX = 600.0
RESTING_SECONDS, QUIET_SECONDS = 10.0, 50.0
"""Once settled a cluster may write for so long, and then not at all for so long."""
QUIET_EVENTS_MAX = 300.0
"""Of one machine in a second in which it writes nothing: ticks, heartbeats and turns; about 110 are usual."""
LOOK_SECONDS = 1.0
RETRY_SECONDS = 1.0
RESTART_SECONDS = 1.0
"""After which systemd starts a daemon again that ended by itself."""

ALIVE = "no daemon ends by itself"
SILENT = "no error is logged and no task fails"
FORMED = "machines that join become members and ready"
ONCE = "a strict singleton never lives twice"
REPLACED = "a Pod that is moved goes once another serves in its place"
SETTLED = "a cluster that is left alone becomes what it is asked to be"
DONE = "done"
TRIES_MAX = 600
Work = Callable[[Desk], Coroutine[Any, Any, None]]
ERROR_LEVELS = ("error", "critical", "exception")
IDLE = "a quiet cluster does next to nothing"
QUIET = "a quiet cluster writes nothing"


def simulate(seed: int, plan: Plan) -> Report:
    """Run a plan, and say what became of it."""
    with tempfile.TemporaryDirectory(prefix="swarmlet-daemons-") as folder:
        world = DaemonWorld(seed, plan, Path(folder))
        violation: Violation | None = None
        try:
            world.run()
        except Violation as found:
            violation = found
            world.kernel.record("VIOLATION", str(found))
        world.dispose()
    world.kernel.record("end", f"events={world.kernel.events} digest={world.kernel.digest}")
    return Report(seed, plan, violation, world.kernel.trace, world.figures())


class DaemonWorld:
    """One run. It is a `faults.Scene`; `run` raises `Violation` where a promise is broken."""

    def __init__(self, seed: object, plan: Plan, folder: Path) -> None:
        self.kernel = Kernel(f"daemons {seed}")
        self.network = Network(self.kernel)
        self.plan = plan
        self.hosts = {
            name: Host(self.kernel, self.network, name, folder, self) for name in machine_names(plan.machines)
        }
        self.machines: dict[str, Machine] = {name: host.machine for name, host in self.hosts.items()}
        self.users: list[User] = []
        self._singletons = Singletons({name: host.engine for name, host in self.hosts.items()})
        self._rng = self.kernel.chance("world")
        self._calm = False
        self._errands = 0
        self._broken: Violation | None = None
        for host in self.hosts.values():
            host.engine.tell_start = lambda _container: self._check_singletons()

    # The run.

    def run(self) -> None:
        """Live through the plan, and come to rest."""
        self.live()
        self.rest()

    def live(self) -> None:
        """Form the cluster, serve its users under the plan's faults, and settle."""
        with _logs_to(self._hear):
            self._form()
            self._suffer()
            self._settle()

    def figures(self) -> dict[str, int]:
        """Return what has happened, in numbers."""
        return {
            "events": self.kernel.events,
            "virtual_seconds": int(self.kernel.now),
            "requests": sum(user.asked for user in self.users),
            "granted": sum(user.granted for user in self.users),
            "lives": sum(len(machine.lives) for machine in self.machines.values()),
            "containers": sum(host.engine.starts for host in self.hosts.values()),
        }

    def dispose(self) -> None:
        """Free what the run held."""
        with _logs_to(lambda _level, _event: None):
            for host in self.hosts.values():
                host.machine.dispose()
                bury(host.engine.process)

    def _form(self) -> None:
        first, *others = self.hosts.values()
        first.found()
        for host in others:
            self._join(host)
        formed = self._until(lambda: all(host.serves for host in self.hosts.values()), FORMING_SECONDS_MAX)
        require(formed, FORMED, ", ".join(host.name for host in self.hosts.values() if not host.serves))

    def _suffer(self) -> None:
        begin = self.kernel.now
        self.users = [User(f"u{number}", self.kernel, self._desks) for number in range(1, self.plan.clients + 1)]
        for fault in self.plan.faults:
            self.kernel.at(begin + fault.at, lambda fault=fault: self._strike(fault))  # type: ignore[misc]
        self._run(begin + self.plan.seconds)

    def _settle(self) -> None:
        self._calm = True
        for user in self.users:
            user.stop()
        self.network.heal()
        self.kernel.record("world", "is left alone")
        for host in self.hosts.values():
            host.engine.start()
            host.engine.call_seconds = 0.0
            host.engine.registry_down = False
            host.machine.platter.heal()
            self._return(host)
        wrong: list[str] = []

        def done() -> bool:
            wrong[:] = self._wrong()
            return not wrong

        settled = self._until(done, SETTLING_SECONDS_MAX)
        require(settled, SETTLED, "; ".join(wrong[:8]))
        self.kernel.record("world", "has settled")

    def rest(self) -> None:
        """See that nothing happens any more."""
        with _logs_to(self._hear):
            self._run(self.kernel.now + RESTING_SECONDS)
            before, events_before = self._marks(), self.kernel.events
            self._run(self.kernel.now + QUIET_SECONDS)
        require(before == self._marks(), QUIET, f"{before} -> {self._marks()}")
        rate = (self.kernel.events - events_before) / QUIET_SECONDS / len(self.hosts)
        require(rate < QUIET_EVENTS_MAX, IDLE, f"{rate:.0f} events a machine and second")
        wrong = self._wrong()
        require(not wrong, SETTLED, "; ".join(wrong[:8]))

    def _marks(self) -> list[tuple[str, int, int]]:
        """Return how far each machine's log and engine have come."""
        return [(host.name, host.replica.status().applied, host.engine.starts) for host in self.hosts.values()]

    def _wrong(self) -> list[str]:
        absent = [f"{name} does not serve" for name, host in self.hosts.items() if not host.serves]
        if any(user.is_busy for user in self.users):
            return ["a user still waits"]
        if self._errands:
            return ["the operator is not done"]
        return absent or [
            *cluster_invariants.settled(list(self.hosts.values()), self.users),
            *self._moves(),
        ]

    def _moves(self) -> Iterator[str]:
        """Yield what moves, or is to, as the leader sees it."""
        for host in self.hosts.values():
            if host.replica.is_leader:
                yield from moves_invariants.unfinished(host.store, host.machine.clock.now())

    def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until `done`, looking now and then; return whether it came to that."""
        deadline = self.kernel.now + seconds
        while not done():
            if self.kernel.now >= deadline:
                return False
            self._run(self.kernel.now + LOOK_SECONDS)
        return True

    def _run(self, until: float) -> None:
        if self.kernel.run(until=until, done=lambda: self._broken is not None) and self._broken:
            raise self._broken

    def _note(self, promise: str, details: str) -> None:
        """A promise is broken; what breaks it may be in the midst of something, so the run ends a little later."""
        self._broken = self._broken or Violation(promise, details)

    # What the machines tell: `daemons.Audience`.

    def opened(self, host: Host) -> None:
        """A daemon was put together: follow its store."""

        def learn(changes: Any) -> None:
            for change in changes:
                if change.key.resource == kinds.POD.resource:
                    for broken in moves_invariants.went_too_early(host.store, change):
                        self._note(REPLACED, broken)
            pods = [each.new for each in changes] if changes else host.store.list(kinds.POD.resource)
            for stored in pods:
                if stored is not None and stored.key.resource == kinds.POD.resource:
                    self._singletons.learn(cast("Pod", stored.object))

        host.store.subscribe(learn)
        learn(())

    def stepped(self, life: Life) -> None:
        for error in (*life.process.loop.failures, *life.files.bugs):
            self._note(SILENT, f"{life.process.name}: {error!r}")

    def exited(self, host: Host, life: Life, error: BaseException | None) -> None:
        if error is not None:
            self._note(ALIVE, f"{life.process.name} ended of {error!r}")
        elif host.node_id:
            self.kernel.after(RESTART_SECONDS, host.machine.start)
        else:
            self.kernel.record(host.name, "has left")
            self.kernel.after(RESTART_SECONDS, lambda: self._join(host))

    def _check_singletons(self) -> None:
        for broken in self._singletons.broken():
            self._note(ONCE, broken)

    # What faults ask for: `faults.Scene`.

    def restart(self, machine: str, down_seconds: float) -> None:
        self.kernel.after(down_seconds, lambda: self._return(self.hosts[machine]))

    def request(self, what: str, machine: str) -> None:
        host = self.hosts[machine]
        if what == "stop":
            host.stop()
        elif what == "transfer":
            self._see_through(
                f"transfer to {machine}", lambda desk: desk.replica.transfer_leadership(host.node_id), tries=1
            )
        elif what in ("remove", "wipe") and self._can_spare(host, wiped=what == "wipe"):
            if what == "wipe":
                host.machine.cut_power()
                host.engine.wipe()
            self._dismiss(host, wipe=what == "wipe")

    def engine(self, machine: str) -> MachineEngine:
        return self.hosts[machine].engine

    def _strike(self, fault: Fault) -> None:
        if not self._calm:
            self.kernel.record("world", str(fault))
            fault.strike(self)

    def _return(self, host: Host) -> None:
        if host.node_id and host.is_admitted:
            host.machine.start()

    # What an operator does.

    def _join(self, host: Host) -> None:
        """Have the cluster admit a machine, and start its daemon."""
        members = [each.member for each in self.hosts.values() if each.node_id]
        host.machine.platter.folders.clear()
        identity = host.enrol(members)

        async def admit(desk: Desk) -> None:
            await desk.replica.linearize()
            if desk.replica.view.get(node_key(host.name)) is None:
                (outcome,) = await desk.replica.propose([registered(identity, _life(self.hosts[desk.name]))])
                assert outcome.verdict in (Verdict.DONE, Verdict.ALREADY_EXISTS), outcome
            if not any(member.node_id == identity.node_id for member in desk.replica.status().members):
                await desk.replica.add_member(identity.node_id, host.machine.address)

        self._see_through(f"admit {host.name}", admit, then=host.admit)

    def _dismiss(self, host: Host, *, wipe: bool) -> None:
        """Have the cluster remove a machine; one that lost its disk then joins anew."""
        node_id = host.node_id

        async def remove(desk: Desk) -> None:
            await desk.replica.linearize()
            if any(member.node_id == node_id for member in desk.replica.status().members):
                await desk.replica.remove_member(node_id)
            await desk.replica.propose([Delete(node_key(host.name))])

        def again() -> None:
            if wipe:
                host.forget()
                self._join(host)

        if wipe:
            host.node_id = ""
        self._see_through(f"remove {host.name}", remove, then=again)

    def _see_through(
        self, what: str, work: Work, *, then: Callable[[], None] = lambda: None, tries: int = TRIES_MAX
    ) -> None:
        """Try something at one daemon after another until it is done."""
        self._errands += 1
        if desks := self._desks():
            desk = self._rng.choice(desks)
            answer: list[str] = []
            desk.process.spawn(_answered(work(desk), answer))
        else:
            desk, answer = None, ["nobody serves"]

        def look() -> None:
            if not answer and desk and desk.process.alive:
                self.kernel.after(RETRY_SECONDS, look)
                return
            how = answer[0] if answer else "the daemon is gone"
            self.kernel.record("world", f"{what}: {how}")
            self._errands -= 1
            if how == DONE:
                then()
            elif tries > 1:
                self._see_through(what, work, then=then, tries=tries - 1)

        self.kernel.after(RETRY_SECONDS, look)

    def _can_spare(self, host: Host, *, wiped: bool) -> bool:
        """Whether a machine may go: one that is lost must not be missed for a quorum by any of the others."""
        members = [each for each in self.hosts.values() if each.node_id]
        return bool(host.node_id) and len(members) > 1 and (not wiped or len(members) == len(self.hosts) > 2)

    def _desks(self) -> list[Desk]:
        return [_desk(host) for host in self.hosts.values() if host.serves]

    # What is logged.

    def _hear(self, level: str, event: MutableMapping[str, Any]) -> None:
        """Take a line that a daemon logs: it is a line of the trace, and an error where none may be."""
        who = self._who_runs()
        words = [f"{name}={value}" for name, value in event.items() if name not in ("event", "exc_info")]
        line = " ".join((str(event["event"]), *words))
        self.kernel.record(who, line)
        if level in ERROR_LEVELS:
            self._note(SILENT, f"{who}: {line} {sys.exc_info()[1]!r}")

    def _who_runs(self) -> str:
        loop = events._get_running_loop()
        lives = [host.machine.life for host in self.hosts.values() if host.machine.life]
        return next((life.machine.name for life in lives if life.process.loop is loop), "?")


async def _answered(work: Coroutine[Any, Any, None], answer: list[str]) -> None:
    try:
        await work
    except SwarmletError as error:
        answer.append(f"{type(error).__name__} {error}")
    else:
        answer.append(DONE)


@contextlib.contextmanager
def _logs_to(hear: Callable[[str, MutableMapping[str, Any]], None]) -> Iterator[None]:
    """Give every line that is logged to `hear`, and to nobody else."""

    def take(_logger: Any, level: str, event: MutableMapping[str, Any]) -> Any:
        hear(level, event)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[take], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def _life(host: Host) -> Life:
    assert host.incarnation
    return host.incarnation.life


def _desk(host: Host) -> Desk:
    assert host.incarnation
    daemon = host.incarnation.daemon
    return Desk(host.name, host.incarnation.process, daemon.consensus, daemon.report, host.machine.clock)
