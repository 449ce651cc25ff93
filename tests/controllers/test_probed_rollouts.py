"""Rollouts that wait for probes: three machines with real agents and controllers on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from swarmlet.controllers.deployments.auto_rollback import AUTO_ROLLBACK
from swarmlet.model import conditions, kinds, objects, pods
from swarmlet.model.apps import Deployment
from swarmlet.model.container import Container
from swarmlet.model.pod import PodSpec, PodTemplateSpec
from swarmlet.model.probes import ExecAction, Probe
from tests.controllers.machines import IMAGE
from tests.controllers.test_fencing import Scene, playing
from tests.controllers.world import new_deployment, new_template

REPLICAS = 3
LONG_SECONDS = 60
WELL, UNWELL = 0, 1


class Rollout:
    """A Deployment of three, whose versions are ready as `says` has it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.fewest = REPLICAS

    def says(self, version: str, code: int) -> None:
        for machine in self.scene.board.machines:
            machine.engine.commands[version] = code

    def start(self, version: str, **spec: object) -> None:
        deployment = new_deployment("one", REPLICAS, **({"template": template(version)} | spec))
        self.scene.create(kinds.DEPLOYMENT, objects.with_metadata(deployment, annotations={AUTO_ROLLBACK: "true"}))

    def go_to(self, version: str) -> None:
        self.scene.respec(template=template(version))

    def ready(self, version: str = "") -> list[str]:
        """Return the names of the Pods that are ready, of one version or of all."""
        found = [pod for pod in self.scene.pods() if pods.is_active(pod) and pods.is_ready(pod)]
        return sorted(pod.metadata.name for pod in found if version in ("", version_of(pod.spec)))

    def ready_since(self) -> dict[str, datetime | None]:
        """Return since when each Pod is ready that is."""
        found = {pod.metadata.name: conditions.get(pod.status.conditions, "Ready") for pod in self.scene.pods()}
        return {name: each.last_transition_time for name, each in found.items() if each and each.status == "True"}

    def is_done(self, version: str) -> bool:
        return len(self.ready(version)) == REPLICAS == len(self.scene.pods())

    async def watch(self, seconds: float) -> None:
        """Let time pass and remember how few Pods were ready."""
        end = self.scene.board.time() + seconds
        while self.scene.board.time() < end:
            self.fewest = min(self.fewest, len(self.ready()))
            await self.scene.pause(0.2)

    def restarts(self) -> int:
        return sum(each.restart_count for pod in self.scene.pods() for each in pod.status.container_statuses)

    def status(self) -> Deployment:
        (stored,) = self.scene.board.truth.list("deployments.apps")
        return stored.object


def template(version: str) -> PodTemplateSpec:
    probe = Probe(
        exec=ExecAction(command=("check", version)), timeout_seconds=1, period_seconds=2, success_threshold=1,
        failure_threshold=3,
    )  # fmt: skip
    made = new_template("one", IMAGE)
    container = Container(name="main", image=IMAGE, args=(version,), command=("sh", "-c", "sleep 1e9"))
    container = msgspec.structs.replace(container, readiness_probe=probe)
    return msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, containers=(container,)))


def version_of(spec: PodSpec) -> str:
    return spec.containers[0].args[0]


@pytest.fixture
async def rollout(tmp_path: Path) -> AsyncIterator[Rollout]:
    async with playing(tmp_path, deploys=False) as scene:
        made = Rollout(scene)
        made.says("v1", WELL)
        made.says("v2", UNWELL)
        yield made


async def test_a_rollout_waits_until_the_new_ones_are_ready(rollout: Rollout) -> None:
    rollout.start("v1")
    await rollout.scene.until(lambda: rollout.is_done("v1"))
    rollout.go_to("v2")
    await rollout.watch(LONG_SECONDS)
    assert (len(rollout.ready("v1")), len(rollout.scene.pods())) == (REPLICAS, REPLICAS + 1)
    rollout.says("v2", WELL)
    await rollout.scene.until(lambda: rollout.is_done("v2"))
    assert rollout.fewest == REPLICAS


@pytest.mark.parametrize("leader_too", [False, True])
async def test_daemons_that_die_amid_a_probed_rollout_change_nothing(rollout: Rollout, leader_too: bool) -> None:
    rollout.start("v1")
    await rollout.scene.until(lambda: rollout.is_done("v1"))
    rollout.go_to("v2")
    await rollout.watch(10)
    before, board = rollout.ready_since(), rollout.scene.board
    leader = board.by_id(board.leader)
    for machine in board.machines if leader_too else [each for each in board.machines if each is not leader]:
        await machine.crash()
        machine.start()
    await rollout.watch(LONG_SECONDS)
    assert rollout.ready_since() == before
    assert (rollout.fewest, rollout.restarts()) == (REPLICAS, 0)
    rollout.says("v2", WELL)
    await rollout.scene.until(lambda: rollout.is_done("v2"))


async def test_a_version_that_never_gets_ready_is_rolled_back_by_itself(rollout: Rollout) -> None:
    rollout.start("v1", progress_deadline_seconds=30)
    await rollout.scene.until(lambda: rollout.is_done("v1"))
    await rollout.watch(5)
    rollout.go_to("v2")
    await rollout.scene.until(lambda: version_of(rollout.status().spec.template.spec) == "v1")
    await rollout.scene.until(lambda: rollout.is_done("v1"))
    assert rollout.fewest == REPLICAS
