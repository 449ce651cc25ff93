"""Never two live of one ordinal: StatefulSets on machines that are cut off, die, and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from swarmlet.api.targets import Target
from swarmlet.api.writing import deletion
from swarmlet.controllers.sets.statefulset_pods import new_pod
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.model import kinds, objects
from swarmlet.model.apps_sets import StatefulSet
from swarmlet.model.meta import DeleteOptions
from swarmlet.store.commands import Command, Delete, Key, Verdict
from tests.controllers.machines import IMAGE, STATEFUL_SET
from tests.controllers.test_fencing import FENCE_AFTER, Scene, heal, playing, resume, start_some
from tests.controllers.test_statefulsets import new_stateful_set
from tests.virtual_time import EPOCH

SET = Key("statefulsets.apps", "default", STATEFUL_SET)
NAMES = {f"{STATEFUL_SET}-0", f"{STATEFUL_SET}-1"}


def deploy(scene: Scene, **spec: object) -> None:
    scene.create(kinds.STATEFUL_SET, new_stateful_set(STATEFUL_SET, **({"replicas": 2, "image": IMAGE} | spec)))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(tmp_path, deploys=False) as scene:
        deploy(scene)
        await scene.until(lambda: live(scene).keys() == NAMES)
        yield scene


def live(scene: Scene) -> dict[str, str]:
    """Return the machine on which each Pod lives."""
    return {container.pod.name: machine for machine, container in scene.board.live()}


def respec(scene: Scene, **changes: object) -> None:
    def changed(value: StatefulSet) -> StatefulSet:
        changed = msgspec.structs.replace(value, spec=msgspec.structs.replace(value.spec, **changes))
        return objects.with_metadata(changed, generation=value.metadata.generation + 1)

    scene.change(SET, changed)


def delete(scene: Scene, name: str, *, grace_seconds: int) -> None:
    """Delete a Pod as the API does."""
    stored = scene.board.truth.get(Key("pods", "default", name))
    target = Target(kinds.POD, "default", name)
    plan = deletion.plan(target, stored, DeleteOptions(grace_period_seconds=grace_seconds), EPOCH)
    scene.write(update(stored, plan.value) if isinstance(plan, deletion.Marked) else Delete(stored.key))


def cut_off(scene: Scene, name: str) -> str:
    """Cut the machine of a Pod off, and return its name."""
    machine = live(scene)[name]
    scene.board.elect(next(each.name for each in scene.board.machines if each.name != machine))
    scene.board[machine].group = 1
    return machine


async def lives_elsewhere(scene: Scene, name: str, than: str) -> float:
    return await scene.until(lambda: live(scene).get(name, than) != than)


async def test_a_pod_of_a_node_that_is_cut_off_ends_before_another_of_its_name_begins(scene: Scene) -> None:
    machine = cut_off(scene, "set-1")
    began = scene.board.time()
    await scene.until(lambda: "set-1" not in live(scene))
    assert scene.board.time() - began <= FENCE_AFTER + 1.1  # it had asked for its lease just before
    await lives_elsewhere(scene, "set-1", machine)
    heal(scene.board)
    await scene.pause(30)
    assert live(scene).keys() == NAMES
    assert len(scene.pods()) == 2


async def test_a_forced_delete_begins_no_second_one(scene: Scene) -> None:
    machine = cut_off(scene, "set-0")
    await scene.pause(1)
    delete(scene, "set-0", grace_seconds=0)
    await scene.pause(3)
    assert live(scene)["set-0"] == machine, "the machine cannot have heard of it yet"
    await lives_elsewhere(scene, "set-0", machine)


async def test_a_daemon_that_was_killed_does_not_keep_it(scene: Scene) -> None:
    machine = live(scene)["set-0"]
    await scene.board[machine].crash()
    await lives_elsewhere(scene, "set-0", machine)
    scene.board[machine].start()
    await scene.pause(30)
    assert live(scene).keys() == NAMES


async def test_one_that_was_orphaned_stays_single(scene: Scene) -> None:
    """Deleted with `--cascade=orphan`, and made anew while the Pod's machine is cut off."""
    machine = cut_off(scene, "set-1")
    await scene.pause(0.5)
    for stored in scene.board.truth.list("pods"):
        scene.write(update(stored, objects.with_metadata(stored.object, owner_references=())))
    scene.write(Delete(SET))
    delete(scene, "set-1", grace_seconds=0)
    deploy(scene)
    await scene.pause(3)
    assert live(scene)["set-1"] == machine
    await lives_elsewhere(scene, "set-1", machine)
    assert live(scene).keys() == NAMES


async def test_a_set_made_anew_waits_for_what_the_first_has_left(scene: Scene) -> None:
    machine = cut_off(scene, "set-0")
    await scene.pause(0.5)
    scene.write(Delete(SET))
    await scene.pause(1)
    deploy(scene)
    await lives_elsewhere(scene, "set-0", machine)
    await scene.until(lambda: live(scene).keys() == NAMES)


async def test_a_scale_down_and_up_again_waits_for_the_one_before(scene: Scene) -> None:
    machine = cut_off(scene, "set-1")
    await scene.pause(0.5)
    for replicas in (1, 2):
        respec(scene, replicas=replicas)
        await scene.pause(1)
    await lives_elsewhere(scene, "set-1", machine)


async def test_a_late_write_of_a_former_leader_makes_no_second_one(scene: Scene) -> None:
    stateful_set = scene.board.truth.get(SET).object
    late = new_pod(stateful_set, 0, stateful_set.spec.template, "set-x", now=EPOCH, rng=scene.board.rng)
    (outcome,) = scene.board.commit(Command(b"late" * 4, (creation(kinds.POD, late),)))
    assert outcome.verdict is Verdict.ALREADY_EXISTS


async def test_its_owner_says_for_what_it_waits(scene: Scene) -> None:
    machine = cut_off(scene, "set-1")
    await lives_elsewhere(scene, "set-1", machine)
    about = {each.involved_object.kind for each in scene.events("WaitsForFencing")}
    assert about == {"Pod", "StatefulSet"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_never_two_live_of_one_ordinal_whatever_happens(tmp_path: Path, seed: int) -> None:
    async with playing(tmp_path, deploys=False, seed=seed, rates=(0.92, 1.08, 1.0)) as scene:
        deploy(scene, pod_management_policy="Parallel" if seed % 2 else "OrderedReady")
        scene.board.propose_seconds_max = 0.5
        for _ in range(40):
            await befall(scene)
            await scene.pause(scene.board.rng.choice((0.1, 1, 3, 8, 15)))
            assert not scene.board.broken, scene.board.broken
        heal(scene.board)
        resume(scene.board)
        start_some(scene.board, share=1)
        respec(scene, replicas=2)
        await scene.until(lambda: live(scene).keys() == NAMES and len(scene.pods()) == 2)


async def befall(scene: Scene) -> None:
    """Let something happen to one of the machines, or to the StatefulSet."""
    board, rng = scene.board, scene.board.rng
    machine = rng.choice(board.machines)
    match rng.randrange(9):
        case 0 | 1:
            machine.group = 1 - machine.group
        case 2:
            machine.pause()
        case 3:
            resume(board)
        case 4 if machine.alive:
            await (machine.lose_power() if rng.random() < 0.3 else machine.crash())
        case 5:
            board.elect(machine.name)
        case 6 if scene.pods():
            delete(scene, rng.choice(scene.pods()).metadata.name, grace_seconds=rng.choice((0, 1)))
        case 7:
            respec(scene, replicas=rng.randrange(3))
        case _:
            heal(board)
    start_some(board, share=0.4)
