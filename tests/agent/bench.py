"""A Pod's machine on a bench: instructions lie about until the test says how they went."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from swarmlet.agent.life import adoption, stimuli
from swarmlet.agent.life.pod_machine import PodMachine, Settings
from swarmlet.agent.life.probing import Kind
from swarmlet.agent.life.stimuli import Instruction, Stimulus
from swarmlet.agent.pod_worker import failure
from swarmlet.model import objects
from swarmlet.model.container import Container
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_volumes import EmptyDirVolumeSource, Volume
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import State
from tests.virtual_time import EPOCH

SETTINGS = Settings(host_ip="10.0.0.1", id_scheme="fake")


def new_pod(*names: str | Container, inits: tuple[str | Container, ...] = (), volume: bool = False, **spec: Any) -> Pod:
    volumes = (Volume(name="v", empty_dir=EmptyDirVolumeSource()),) if volume else ()
    return Pod(
        metadata=ObjectMeta(name="web", namespace="default", uid="uid-web", generation=1),
        spec=PodSpec(
            containers=tuple(map(_container, names or ("main",))),
            init_containers=tuple(map(_container, inits)),
            volumes=volumes,
            **({"restart_policy": "Always"} | spec),
        ),
    )


def _container(each: str | Container) -> Container:
    return Container(name=each, image="web:1") if isinstance(each, str) else each


class Bench:
    """Performs instructions when told to, on a clock that stands until it is moved."""

    def __init__(self, pod: Pod, containers: list[runtime.Container] | None = None) -> None:
        self.now = EPOCH
        self.pod = pod
        self.there: dict[str, runtime.Container] = {each.id: each for each in containers or []}
        self.todo: list[Instruction] = []
        self.told: list[stimuli.Tell] = []
        self.wake_at: datetime | None = None
        self.finished = False
        self.status = pod.status
        self.serial = 0
        self.phases: list[str] = []
        self.machine = PodMachine(pod, SETTINGS, list(self.there.values()))
        self.feed(stimuli.PodChanged(pod))

    # Driving

    def feed(self, stimulus: Stimulus) -> None:
        for instruction in self.machine.handle(stimulus, self.now):
            match instruction:
                case stimuli.Tell():
                    self.told.append(instruction)
                case stimuli.Wake(at):
                    assert at > self.now
                    self.wake_at = at
                case stimuli.Finish():
                    assert not self.finished
                    self.finished = True
                case _:
                    self.todo.append(instruction)
        self.machine.validate()
        self.status = self.machine.status(self.status, self.now)
        if not self.phases or self.phases[-1] != self.status.phase:
            self.phases.append(self.status.phase)

    def do_all(self) -> None:
        """Let everything succeed until nothing is left to do."""
        while self.todo:
            self.succeed()

    def succeed(self, index: int = 0) -> None:
        self.feed(self._outcome(self.todo.pop(index)))

    def fail(self, message: str = "it broke", index: int = 0) -> None:
        stimulus = failure(self.todo.pop(index), runtime.StartError(message))
        assert stimulus is not None
        self.feed(stimulus)

    def exit(self, name: str = "main", code: int = 1, **changes: Any) -> None:
        """A running container ends by itself."""
        container = self.running(name)
        ended = dataclasses.replace(
            container, state=State.EXITED, exit_code=code, finished_at=self.now, address="", **changes
        )
        self.there[container.id] = ended
        self.feed(stimuli.Observed(ended))

    def probe(self, kind: Kind, name: str = "main", *, passed: bool = True) -> None:
        """So many results of a probe came in that it counts; nothing happens where nobody probes."""
        for target in self.machine.probe_targets():
            if target.kind is kind and target.container.name == name:
                self.feed(stimuli.Probed(name, target.container_id, kind, passed))

    def probed(self) -> set[tuple[str, str]]:
        """Return who is probed, and how."""
        return {(each.container.name, each.kind.value) for each in self.machine.probe_targets()}

    def vanish(self, name: str = "main") -> None:
        """A container is removed by another hand."""
        container = self.running(name)
        del self.there[container.id]
        self.feed(stimuli.Observed(dataclasses.replace(container, state=State.REMOVED)))

    def wait(self, seconds: float) -> None:
        """Let time pass, with the wakes that are asked for in it."""
        end = self.now + timedelta(seconds=seconds)
        while self.wake_at is not None and self.wake_at <= end:
            self.now, self.wake_at = self.wake_at, None
            self.feed(stimuli.Woken())
        self.now = end
        self.feed(stimuli.Woken())

    def delete(self, grace_seconds: int = 30) -> None:
        self.pod = objects.with_metadata(
            self.pod, deletion_timestamp=self.now, deletion_grace_period_seconds=grace_seconds
        )
        self.feed(stimuli.PodChanged(self.pod))

    def restart_daemon(self) -> Bench:
        """A new machine, which knows what is in the store and in the runtime."""
        fresh = Bench.__new__(Bench)
        fresh.__dict__.update(self.__dict__)
        fresh.todo, fresh.wake_at, fresh.finished = [], None, False
        fresh.pod = msgspec.structs.replace(self.pod, status=self.status)
        fresh.machine = PodMachine(fresh.pod, SETTINGS, list(self.there.values()))
        fresh.feed(stimuli.PodChanged(fresh.pod))
        return fresh

    def _outcome(self, instruction: Instruction) -> Stimulus:  # noqa: PLR0911  an arm each
        match instruction:
            case stimuli.MakeVolumes():
                return stimuli.VolumesReady()
            case stimuli.RemoveVolumes():
                return stimuli.VolumesRemoved()
            case stimuli.StartSandbox(attempt):
                return stimuli.SandboxStarted(self._start(runtime.SANDBOX, attempt, ""))
            case stimuli.FetchImage(container):
                return stimuli.ImageReady(container.name, "sha256:1", "already present")
            case stimuli.StartContainer(container, attempt):
                return stimuli.Started(
                    container.name, self._start(container.name, attempt, adoption.spec_hash(container))
                )
            case stimuli.RunPostStart(container_id, container):
                return stimuli.HookEnded(container.name, container_id, "")
            case stimuli.StopContainer(container_id):
                return stimuli.Observed(self._stop(container_id, instruction.container.name))
            case stimuli.RemoveContainer(container_id):
                self.there.pop(container_id, None)
                return stimuli.Removed(container_id)
        raise AssertionError(instruction)

    def _start(self, name: str, attempt: int, spec_hash: str) -> runtime.Container:
        self.serial += 1
        container = runtime.Container(
            id=f"c{self.serial}",
            pod=runtime.PodIdentity("uid-web", "default", "web"),
            name=name,
            attempt=attempt,
            spec_hash=spec_hash,
            state=State.RUNNING,
            address=f"10.1.0.{self.serial % 250}",
            started_at=self.now,
        )
        self.there[container.id] = container
        return container

    def _stop(self, container_id: str, name: str) -> runtime.Container:
        found = self.there.get(container_id)
        if found is None:
            return runtime.Container(
                id=container_id, pod=runtime.PodIdentity("uid-web", "default", "web"), name=name, attempt=0,
                spec_hash="", state=State.REMOVED,
            )  # fmt: skip
        if found.state is State.RUNNING:
            found = dataclasses.replace(found, state=State.EXITED, exit_code=143, finished_at=self.now, address="")
            self.there[container_id] = found
        return found

    # Looking

    def running(self, name: str = "main") -> runtime.Container:
        return next(each for each in self.there.values() if each.name == name and each.state is State.RUNNING)

    def is_running(self, name: str) -> bool:
        return any(each.name == name and each.state is State.RUNNING for each in self.there.values())

    def container(self, index: int = 0) -> Any:
        return self.status.container_statuses[index]

    def reason(self, index: int = 0) -> str:
        """The word that `kubectl get pods` shows."""
        state = self.container(index).state
        return (state.waiting or state.terminated).reason if state.waiting or state.terminated else "Running"

    def condition(self, type_: str) -> str:
        return next(each.status for each in self.status.conditions if each.type == type_)

    def instructions(self, kind: type) -> list[Any]:
        return [each for each in self.todo if isinstance(each, kind)]

    def reasons_told(self) -> list[str]:
        return [each.reason for each in self.told]


def shake(bench: Bench, rng: random.Random, steps: int) -> Bench:
    """Let anything happen in any order."""
    for _ in range(steps):
        if rng.random() < 0.05:
            bench = bench.restart_daemon()
        rng.choice(_happenings(bench, rng))()
    return bench


def _happenings(bench: Bench, rng: random.Random) -> list[Callable[[], None]]:
    found: list[Callable[[], None]] = [
        lambda: bench.wait(rng.choice([0.5, 5, 60, 700])),
        lambda: bench.feed(stimuli.SourceChanged()),
    ]
    if bench.todo:
        index = rng.randrange(len(bench.todo))
        found += [lambda: bench.succeed(index)] * 4 + [lambda: bench.fail(index=index)]
    names = [each.name for each in bench.there.values() if each.state is State.RUNNING]
    if names:
        name = rng.choice(names)
        found += [lambda: bench.exit(name, rng.choice([0, 1, 137])), lambda: bench.vanish(name)]
    targets = bench.machine.probe_targets()
    if targets:
        target, passed = rng.choice(targets), rng.random() < 0.7
        found += [lambda: bench.probe(target.kind, target.container.name, passed=passed)] * 2
    return found
