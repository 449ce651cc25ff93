"""What goes wrong, when, and for how long: a plan is a list of faults, each one line of text that can be read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from tests.simulation.files import Moment
from tests.simulation.kernel import Kernel
from tests.simulation.machine import Machine
from tests.simulation.network import Network, Storm


class Scene(Protocol):
    """What faults strike. A machine that dies is started again by the scene after `down_seconds`."""

    kernel: Kernel
    network: Network
    machines: dict[str, Machine]

    def restart(self, machine: str, down_seconds: float) -> None: ...

    def request(self, what: str, machine: str) -> None:
        """Do what an operator does: see `Request`."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that happens `at` a time in seconds. Every field of a fault is a number or a word without spaces."""

    kind: ClassVar[str] = ""
    at: float

    def strike(self, scene: Scene) -> None: ...

    def __str__(self) -> str:
        fields = (field.name for field in dataclasses.fields(self) if field.name != "at")
        return " ".join((f"{self.at:.3f}", self.kind, *(f"{name}={getattr(self, name)}" for name in fields)))


@dataclass(frozen=True, kw_only=True)
class OnMachine(Fault):
    machine: str

    def on(self, scene: Scene) -> Machine:
        return scene.machines[self.machine]


@dataclass(frozen=True, kw_only=True)
class Kill(OnMachine):
    """SIGKILL, and a restart."""

    kind = "kill"
    down_seconds: float

    def strike(self, scene: Scene) -> None:
        if self.on(scene).life:
            self.on(scene).kill()
            scene.restart(self.machine, self.down_seconds)


@dataclass(frozen=True, kw_only=True)
class PowerCut(OnMachine):
    """The machine is off at once, unsynced writes are lost by chance, links hang; and a restart."""

    kind = "power-cut"
    down_seconds: float

    def strike(self, scene: Scene) -> None:
        self.on(scene).cut_power()
        scene.restart(self.machine, self.down_seconds)


@dataclass(frozen=True, kw_only=True)
class Blackout(Fault):
    """All machines lose power at once."""

    kind = "blackout"
    down_seconds: float

    def strike(self, scene: Scene) -> None:
        for name, machine in scene.machines.items():
            machine.cut_power()
            scene.restart(name, self.down_seconds)


@dataclass(frozen=True, kw_only=True)
class DiskCrash(OnMachine):
    """A crash before, in the middle of, or after a disk call, counted from now."""

    kind = "disk-crash"
    calls: int
    moment: str
    power: int
    down_seconds: float

    def strike(self, scene: Scene) -> None:
        self.on(scene).crash_in(
            self.calls,
            Moment(self.moment),
            power=bool(self.power),
            then=lambda: scene.restart(self.machine, self.down_seconds),
        )


@dataclass(frozen=True, kw_only=True)
class Pause(OnMachine):
    """Nothing of the machine runs; then everything is late."""

    kind = "pause"
    seconds: float

    def strike(self, scene: Scene) -> None:
        self.on(scene).pause(self.seconds)


@dataclass(frozen=True, kw_only=True)
class DiskFull(OnMachine):
    kind = "disk-full"
    seconds: float

    def strike(self, scene: Scene) -> None:
        platter = self.on(scene).platter
        platter.is_full = True
        scene.kernel.after(self.seconds, lambda: setattr(platter, "is_full", False))


@dataclass(frozen=True, kw_only=True)
class WriteError(OnMachine):
    """The next write fails."""

    kind = "write-error"

    def strike(self, scene: Scene) -> None:
        self.on(scene).platter.failing_writes = 1


@dataclass(frozen=True, kw_only=True)
class SyncError(OnMachine):
    """The next fsync fails, and what it was to sync stays in doubt."""

    kind = "sync-error"

    def strike(self, scene: Scene) -> None:
        self.on(scene).platter.failing_syncs = 1


@dataclass(frozen=True, kw_only=True)
class SlowDisk(OnMachine):
    """Every fsync takes longer for a while."""

    kind = "slow-disk"
    seconds: float
    sync_seconds: float

    def strike(self, scene: Scene) -> None:
        platter = self.on(scene).platter
        platter.sync_seconds_more = self.sync_seconds
        scene.kernel.after(self.seconds, lambda: setattr(platter, "sync_seconds_more", 0.0))


@dataclass(frozen=True, kw_only=True)
class ClockRate(OnMachine):
    """The machine's clock runs fast or slow from now on."""

    kind = "clock-rate"
    rate: float

    def strike(self, scene: Scene) -> None:
        machine = self.on(scene)
        machine.clock.set_rate(self.rate)
        if machine.life:
            machine.life.process.schedule()


@dataclass(frozen=True, kw_only=True)
class ClockJump(OnMachine):
    """The machine's wall clock is set."""

    kind = "clock-jump"
    seconds: float

    def strike(self, scene: Scene) -> None:
        self.on(scene).clock.jump(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Cut(Fault):
    """Some machines, joined by "+", are cut off from the others. `way`: "both", or only "out" of them or "in"."""

    kind = "cut"
    machines: str
    way: str
    seconds: float

    def strike(self, scene: Scene) -> None:
        group = self.machines.split("+")
        rest = [name for name in scene.machines if name not in group]
        pairs = [(one, other) for one in group for other in rest if self.way in {"both", "out"}]
        pairs += [(other, one) for one in group for other in rest if self.way in {"both", "in"}]
        for sender, to in pairs:
            scene.network.cut(sender, to)

        def mend() -> None:
            for sender, to in pairs:
                if not scene.network.passes(sender, to):
                    scene.network.mend(sender, to)

        scene.kernel.after(self.seconds, mend)


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """The links between two machines break."""

    kind = "reset"
    one: str
    other: str

    def strike(self, scene: Scene) -> None:
        scene.network.reset(self.one, self.other)


@dataclass(frozen=True, kw_only=True)
class SlowLink(Fault):
    kind = "slow-link"
    one: str
    other: str
    seconds: float
    latency_seconds: float

    def strike(self, scene: Scene) -> None:
        scene.network.slow(self.one, self.other, self.latency_seconds)
        scene.kernel.after(self.seconds, lambda: scene.network.slow(self.one, self.other, 0.0))


@dataclass(frozen=True, kw_only=True)
class Tempest(Fault):
    """Single messages are lost, doubled and reordered for a while."""

    kind = "storm"
    seconds: float
    loss: float
    double: float
    delay_seconds: float

    def strike(self, scene: Scene) -> None:
        scene.network.storm = Storm(self.loss, self.double, self.delay_seconds)
        scene.kernel.after(self.seconds, lambda: setattr(scene.network, "storm", Storm()))


@dataclass(frozen=True, kw_only=True)
class Request(OnMachine):
    """An operator's wish: "stop" cleanly and start again, "transfer" the lead to it, "remove" it from the cluster and
    let it join anew, "wipe" its disk (under a live cluster), after which it is removed and joins anew."""

    kind = "request"
    what: str

    def strike(self, scene: Scene) -> None:
        scene.request(self.what, self.machine)


KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        Kill,
        PowerCut,
        Blackout,
        DiskCrash,
        Pause,
        DiskFull,
        WriteError,
        SyncError,
        SlowDisk,
        ClockRate,
        ClockJump,
        Cut,
        Reset,
        SlowLink,
        Tempest,
        Request,
    )
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a run depends on beside its seed: how much takes part, how long it goes on, and what goes wrong."""

    machines: int
    clients: int
    seconds: float
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        head = f"plan machines={self.machines} clients={self.clients} seconds={self.seconds:.3f}"
        return "\n".join((head, *map(str, self.faults)))


def parse(text: str) -> Plan:
    """Read a plan back; raise `ValueError`, naming the line, where it is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    head = _fields(lines[0].removeprefix("plan "), lines[0])
    faults = tuple(_parse_fault(line) for line in lines[1:])
    return Plan(
        machines=int(head["machines"]), clients=int(head["clients"]), seconds=float(head["seconds"]), faults=faults
    )


def _parse_fault(line: str) -> Fault:
    at, _, rest = line.partition(" ")
    kind, _, fields = rest.partition(" ")
    if kind not in KINDS:
        raise ValueError(f"{line!r}: no such fault; there are {', '.join(KINDS)}")
    values = _fields(fields, line)
    types: dict[str, Callable[[str], Any]] = {"float": float, "int": int, "str": str}
    known = {field.name: types[str(field.type)] for field in dataclasses.fields(KINDS[kind])}
    try:
        return KINDS[kind](**{"at": float(at)} | {name: known[name](value) for name, value in values.items()})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{line!r}: {error}") from error


def _fields(text: str, line: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in text.split()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError(f"{line!r}: name=value was expected")
    return {name: value for name, _, value in pairs}


def ordered(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: (fault.at, str(fault))))
