"""How each kind of fault strikes real daemons, and how everything is made whole again."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

from tools.chaos import damage
from tools.chaos.plan import LEADER, Fault, Kind
from tools.lab import disk
from tools.lab.cluster import Cluster, Daemon, eventually
from tools.lab.processes import LabError

FAKETIME = Path("/usr/lib")
RETURN_SECONDS_MAX = 90
START_SECONDS_MAX = 30
QUIET_SECONDS = 3.0
"""After which a leader that hears nobody has stepped down, and nobody's entries are on their way."""


class Faults:
    """Strikes and mends; blocking, so it is called in a thread.

    `down` are the daemons that are ended on purpose, `excused` those that may end by themselves. `complaints` is what
    went wrong that no client sees.
    """

    def __init__(self, cluster: Cluster, rng: random.Random) -> None:
        self.down: set[str] = set()
        self.excused: set[str] = set()
        self.complaints: list[str] = []
        self.refusals = 0
        """Corrupt databases that a daemon refused to start from."""
        self._cluster = cluster
        self._rng = rng
        self._clocks = Clocks(cluster)

    @property
    def has_clocks(self) -> bool:
        return self._clocks.available

    def strike(self, fault: Fault) -> tuple[str, ...]:
        """Let a fault happen; return the names of the machines that it hit."""
        victims = [self._cluster[name] for name in self._named(fault.victims)]
        match fault.kind:
            case Kind.KILL | Kind.KILL_ALL:
                self._kill(victims)
            case Kind.PAUSE:
                self._signal(victims, signal.SIGSTOP)
            case Kind.POWER:
                self._power_off(victims)
            case Kind.PARTITION | Kind.ONE_WAY | Kind.BRIDGE:
                self._part(fault, [victim.name for victim in victims])
            case Kind.LOSSY | Kind.SLOW | Kind.RESET:
                self._spoil(fault, victims)
            case Kind.FULL_DISK:
                self._fill(victims)
            case Kind.CLOCK:
                self._clocks.jump([victim.name for victim in victims], fault.amount)
            case Kind.CORRUPT:
                self._corrupt(victims[0], fault.how)
            case Kind.REJOIN:
                self._leave_and_join(victims[0])
        return tuple(victim.name for victim in victims)

    def mend(self) -> None:
        """Undo all faults, whatever they were, and start what does not run, in any order."""
        for daemon in self._cluster:
            if not daemon.machine.on:
                daemon.machine.power_on(docker=False)
            daemon.machine.line.heal()
            disk.free(daemon.machine.disk)
        self._cluster.lab.heal()
        self._clocks.reset()
        self._signal(list(self._cluster), signal.SIGCONT)
        stopped = [daemon for daemon in self._cluster if not daemon.running]
        self._rng.shuffle(stopped)
        for daemon in stopped:
            daemon.start()
        self.down.clear()

    def _named(self, victims: tuple[str, ...]) -> list[str]:
        if LEADER not in victims:
            return list(victims)
        try:
            return [self._cluster.leader(seconds=2).name]
        except LabError:  # nobody leads now: anybody will do
            return [self._rng.choice(list(self._cluster)).name]

    def _kill(self, victims: list[Daemon]) -> None:
        self.down.update(victim.name for victim in victims)
        for victim in victims:
            if victim.process:
                victim.process.signal(signal.SIGKILL)

    def _signal(self, victims: list[Daemon], number: int) -> None:
        for victim in victims:
            if victim.process:
                victim.process.signal(number)

    def _power_off(self, victims: list[Daemon]) -> None:
        self.down.update(victim.name for victim in victims)
        for victim in victims:
            if victim.machine.on:
                victim.machine.power_off()

    def _part(self, fault: Fault, names: list[str]) -> None:
        lab = self._cluster.lab
        others = [name for name in lab.machines if name not in names]
        if fault.kind is Kind.BRIDGE:
            middle = len(names) // 2
            lab.partition(names[:middle], names[middle + 1 :])
        elif fault.kind is Kind.PARTITION:
            lab.partition(names, others)
        else:
            for other in others:
                lab.cut(*((other, names[0]) if fault.how == "deaf" else (names[0], other)))

    def _spoil(self, fault: Fault, victims: list[Daemon]) -> None:
        for machine in [victim.machine for victim in victims if victim.machine.on]:
            if fault.kind is Kind.LOSSY:
                machine.line.lose(fault.amount)
            elif fault.kind is Kind.SLOW:
                machine.line.slow(fault.amount)
            else:
                machine.line.reset()

    def _fill(self, victims: list[Daemon]) -> None:
        self.excused.update(victim.name for victim in victims)
        for victim in victims:
            disk.fill(victim.machine.disk)

    # What costs a member its data.

    def _corrupt(self, victim: Daemon, how: str) -> None:
        """Damage a stopped member's data: it starts with all that it had, or refuses in one clear line."""
        self.excused.add(victim.name)
        self.down.add(victim.name)
        # Cut off first, so that nothing is under way: what its database holds when it is killed, it has promised.
        self._cluster.lab.isolate(victim.name)
        time.sleep(QUIET_SECONDS)
        victim.kill()
        self._cluster.lab.heal()
        before = damage.last_entry(victim.data_dir)
        damage.inflict(victim.data_dir, how, self._rng)
        forgotten = before - damage.last_entry(victim.data_dir)
        log_size = victim.log.stat().st_size
        victim.start()
        if self._came_up(victim):
            if forgotten > 0:
                self.complaints.append(
                    f"{victim.name}: starts although it has lost {forgotten} durable entries ({how})"
                )
            self.down.discard(victim.name)
            return
        self.refusals += 1
        words = victim.log.read_bytes()[log_size:].decode(errors="replace").strip()
        if "Traceback" in words or "damaged" not in words:
            self.complaints.append(
                f"{victim.name}: a damaged database ({how}) is not refused in one clear line: {words[-600:]}"
            )
        self._replace(victim)

    def _came_up(self, daemon: Daemon) -> bool:
        """Wait until a daemon serves or has ended; return whether it serves."""
        eventually(
            lambda: not daemon.running or daemon.status().get("node_id"),
            START_SECONDS_MAX,
            f"{daemon.name} starts or refuses",
        )
        return daemon.running

    def _leave_and_join(self, victim: Daemon) -> None:
        """Leave; again where it is refused, for the others may be about to come back from a fault of before."""
        self.down.add(victim.name)
        end = time.monotonic() + RETURN_SECONDS_MAX
        while "has left" not in (printed := victim.swarmlet("leave", check=False)):
            if time.monotonic() > end:
                self.complaints.append(f"{victim.name}: cannot leave: {printed.strip()[-300:]}")
                self.down.discard(victim.name)
                return
        eventually(lambda: not victim.running, START_SECONDS_MAX, f"{victim.name}: the daemon ends after it has left")
        self._join(victim)

    def _replace(self, victim: Daemon) -> None:
        """Do as an operator would: remove the dead member, wipe its folder, join the machine under a new node id."""
        eventually(lambda: self._removed(victim), RETURN_SECONDS_MAX, f"{victim.name} is removed from the cluster")
        self._join(victim)

    def _removed(self, victim: Daemon) -> bool:
        printed = self._peer_of(victim).swarmlet("node", "rm", victim.name, "--force", check=False)
        return "removed" in printed or "not found" in printed

    def _join(self, victim: Daemon) -> None:
        """Join anew; again where a try came to nothing, for the cluster may be without a leader just then."""
        end = time.monotonic() + RETURN_SECONDS_MAX
        while True:
            shutil.rmtree(victim.data_dir, ignore_errors=True)
            try:
                victim.join(self._peer_of(victim))
                break
            except LabError:
                if time.monotonic() > end:
                    raise
                self._removed(victim)  # it may have been admitted before the answer was lost
        self.down.discard(victim.name)
        eventually(lambda: victim.status().get("healthy"), RETURN_SECONDS_MAX, f"{victim.name} is a member again")

    def _peer_of(self, victim: Daemon) -> Daemon:
        return self._rng.choice([daemon for daemon in self._cluster if daemon.running and daemon is not victim])


class Clocks:
    """The machines' wall clocks, as their daemons see them through libfaketime; monotonic time stays true."""

    def __init__(self, cluster: Cluster) -> None:
        library = next(FAKETIME.glob("*/faketime/libfaketime.so.1"), None)
        self.available = library is not None
        self._files = {daemon.name: daemon.machine.folder / "clock" for daemon in cluster}
        for daemon in cluster if library else ():
            daemon.env |= {
                "LD_PRELOAD": str(library),
                "FAKETIME_TIMESTAMP_FILE": str(self._files[daemon.name]),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
            }
        self.reset()

    def jump(self, names: list[str], seconds: int) -> None:
        """Put the clocks of machines forward, or back."""
        for name in names:
            self._files[name].write_text(f"{seconds:+d}s\n", encoding="ascii")

    def reset(self) -> None:
        """Let all clocks be right again."""
        self.jump(list(self._files), 0)
