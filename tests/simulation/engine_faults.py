"""What befalls container engines and their containers; what befalls machines, disks and networks is in `faults`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from tests.simulation import faults
from tests.simulation.engines import MachineEngine
from tests.simulation.faults import OnMachine, Scene


class EngineScene(Scene, Protocol):
    def engine(self, machine: str) -> MachineEngine: ...


@dataclass(frozen=True, kw_only=True)
class OnEngine(OnMachine):
    def engine(self, scene: Scene) -> MachineEngine:
        return cast("EngineScene", scene).engine(self.machine)


@dataclass(frozen=True, kw_only=True)
class EngineStop(OnEngine):
    """The engine's service is down for a while; `containers`: 1 where they end with it, 0 where they run on."""

    kind = "engine-stop"
    seconds: float
    containers: int

    def strike(self, scene: Scene) -> None:
        engine = self.engine(scene)
        engine.stop(with_containers=bool(self.containers))
        scene.kernel.after(self.seconds, engine.start)


@dataclass(frozen=True, kw_only=True)
class EngineSlow(OnEngine):
    """Each call takes the engine so long, for a while."""

    kind = "engine-slow"
    seconds: float
    call_seconds: float

    def strike(self, scene: Scene) -> None:
        engine = self.engine(scene)
        engine.call_seconds = self.call_seconds
        scene.kernel.after(self.seconds, lambda: setattr(engine, "call_seconds", 0.0))


@dataclass(frozen=True, kw_only=True)
class ContainerDies(OnEngine):
    """One of the machine's containers, the one at `share` of them, is killed; `removed`: 1 where it is gone, too."""

    kind = "container-dies"
    share: float
    removed: int

    def strike(self, scene: Scene) -> None:
        self.engine(scene).kill_some(self.share, remove=bool(self.removed))


@dataclass(frozen=True, kw_only=True)
class RegistryDown(OnEngine):
    """The machine's images are gone, and nothing can be pulled for a while."""

    kind = "registry-down"
    seconds: float

    def strike(self, scene: Scene) -> None:
        engine = self.engine(scene)
        engine.images.clear()
        engine.registry_down = True
        scene.kernel.after(self.seconds, lambda: setattr(engine, "registry_down", False))


KINDS = (EngineStop, EngineSlow, ContainerDies, RegistryDown)
faults.KINDS.update({kind.kind: kind for kind in KINDS})
