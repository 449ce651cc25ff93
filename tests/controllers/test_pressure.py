"""A node under pressure, with real agents and controllers: its Pods run elsewhere, whatever becomes of the leader."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from swarmlet.model import kinds
from swarmlet.model.core import Node
from swarmlet.store.commands import Key
from tests.controllers.machines import IMAGE
from tests.controllers.test_fencing import Scene, playing
from tests.controllers.world import new_deployment, new_template
from tests.fakes.gauges import GI

PODS = 6


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Six Pods on three machines, which measure what they have left."""
    async with playing(tmp_path, deploys=False, measured=True) as scene:
        scene.create(kinds.DEPLOYMENT, new_deployment("web", PODS, template=new_template("web", IMAGE)))
        await scene.until(lambda: total(scene) == PODS)
        yield scene


def running(scene: Scene) -> Counter[str]:
    return Counter(machine.name for machine in scene.board.machines for _ in machine.engine.running())


def total(scene: Scene) -> int:
    return sum(running(scene).values())


def squeeze(scene: Scene, name: str) -> None:
    """Let a machine be short of memory for as long as anything runs on it."""
    machine = scene.board[name]
    machine.gauges.leave("memory.available", lambda: 0 if machine.engine.running() else 4 * GI)


def taints_of(scene: Scene, name: str) -> set[str]:
    node: Node = scene.board.truth.get(Key("nodes", "", name)).object
    return {each.key.rpartition("/")[2] for each in node.spec.taints}


def evicted(scene: Scene) -> Counter[str]:
    return Counter(pod.spec.node_name for pod in scene.pods() if pod.status.reason == "Evicted")


async def test_the_pods_of_a_machine_short_of_memory_run_elsewhere(scene: Scene) -> None:
    squeeze(scene, "n1")
    await scene.until(lambda: not running(scene)["n1"] and total(scene) == PODS, 60)
    assert taints_of(scene, "n1") == {"memory-pressure"}
    await scene.pause(20)
    assert running(scene)["n1"] == 0, "nobody who asks for nothing comes back so soon"
    assert set(evicted(scene)) == {"n1"}
    await scene.until(lambda: not taints_of(scene, "n1"), 60)


async def test_a_change_of_leader_evicts_nobody_twice(scene: Scene) -> None:
    squeeze(scene, "n1")
    await scene.until(lambda: sum(evicted(scene).values()) == 1, 60)
    scene.board.elect("n2")
    await scene.until(lambda: not running(scene)["n1"] and total(scene) == PODS, 60)
    given_up = evicted(scene)
    await scene.pause(60)
    assert evicted(scene) == given_up
    assert total(scene) == PODS


async def test_a_leader_that_is_short_itself_says_so_too(scene: Scene) -> None:
    name = scene.board.leader.removesuffix("-id")
    squeeze(scene, name)
    await scene.until(lambda: not running(scene)[name] and total(scene) == PODS, 60)
    assert taints_of(scene, name) == {"memory-pressure"}


async def test_a_singleton_that_is_evicted_never_lives_twice(tmp_path: Path) -> None:
    async with playing(tmp_path, measured=True) as scene:
        first = scene.holder
        squeeze(scene, first)
        await scene.until(lambda: scene.lives_elsewhere(first), 60)
        await scene.until(lambda: len(scene.events("Evicted")) == 1, 5)
        assert [pod.metadata.name for pod in scene.pods()] == ["one-single-0"], "its name was its place"


async def test_a_planned_restart_moves_nobody(scene: Scene) -> None:
    before = {pod.metadata.uid: pod.spec.node_name for pod in scene.pods()}
    machine = scene.board["n2"] if scene.board.leader != "n2-id" else scene.board["n3"]
    await machine.agent.say_goodbye()
    await machine.crash()
    await scene.pause(40)
    machine.start()
    await scene.pause(40)
    assert {pod.metadata.uid: pod.spec.node_name for pod in scene.pods()} == before
    assert total(scene) == PODS
