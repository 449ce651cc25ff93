"""A Deployment that asks for it goes back by itself when its rollout misses the deadline."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.controllers.deployments import auto_rollback, revisions
from swarmlet.model import conditions, kinds, objects
from swarmlet.store.commands import Key
from tests.controllers.world import BAD_IMAGE, World, new_deployment, new_template


@pytest.fixture
async def world():
    async with World() as world:
        yield world


async def deploy(world: World, *, asked: bool = True) -> None:
    deployment = new_deployment(replicas=4, progress_deadline_seconds=30)
    notes = {auto_rollback.AUTO_ROLLBACK: "true"} if asked else {}
    await world.create(kinds.DEPLOYMENT, objects.with_metadata(deployment, annotations=notes))
    await world.pass_time(10)


def image(world: World) -> str:
    return world.deployment("web").spec.template.spec.containers[0].image


async def test_a_late_rollout_is_undone_and_told(world: World) -> None:
    await deploy(world)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(60)
    assert image(world) == "web:1"
    assert world.images() == {"web:1": 4}
    assert len(world.serving()) == 4
    (event,) = world.events("DeploymentRollback")
    assert event.type == "Warning"
    assert event.message.startswith("Rolled back to revision 1: revision 2 was not available within 30 s")
    assert event.message.endswith("(1 of 4 replicas updated, 1 unavailable)")
    deployment = world.deployment("web")
    assert deployment.metadata.generation == 3 == deployment.status.observed_generation
    assert revisions.revision_of(deployment) == 3
    assert world.condition("web", "Progressing").reason == "NewReplicaSetAvailable"


async def test_the_missed_deadline_is_told_before_it_is_undone(world: World) -> None:
    await deploy(world)
    seen: list[tuple[str, str]] = []

    def watch(changes) -> None:
        for change in changes:
            if change.key.resource == kinds.DEPLOYMENT.resource and change.new is not None:
                value = change.new.object
                reasons = {each.type: each.reason for each in value.status.conditions}
                seen.append((reasons.get("Progressing", ""), value.spec.template.spec.containers[0].image))

    world.replica.view.subscribe(watch)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(60)
    assert ("ProgressDeadlineExceeded", BAD_IMAGE) in seen


async def test_without_the_annotation_it_stays_as_it_is(world: World) -> None:
    await deploy(world, asked=False)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(120)
    assert image(world) == BAD_IMAGE
    assert not world.events("DeploymentRollback")


async def test_only_what_was_once_rolled_out_whole_is_a_way_back(world: World) -> None:
    await deploy(world)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(5)
    await world.respec("web", template=new_template("web", BAD_IMAGE, termination_grace_period_seconds=5))
    await world.pass_time(120)
    assert image(world) == "web:1"
    assert len(world.events("DeploymentRollback")) == 1


async def test_a_first_rollout_that_fails_has_no_way_back(world: World) -> None:
    deployment = new_deployment(replicas=2, image=BAD_IMAGE, progress_deadline_seconds=30)
    notes = {auto_rollback.AUTO_ROLLBACK: "true"}
    await world.create(kinds.DEPLOYMENT, objects.with_metadata(deployment, annotations=notes))
    await world.pass_time(120)
    assert image(world) == BAD_IMAGE


async def test_a_paused_deployment_is_left_alone(world: World) -> None:
    await deploy(world)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(5)
    await world.respec("web", paused=True)
    await world.pass_time(120)
    assert image(world) == BAD_IMAGE
    await world.respec("web", paused=False)
    await world.pass_time(120)
    assert image(world) == "web:1"


async def test_what_worked_once_is_not_left_again(world: World) -> None:
    """Else two revisions that both worked once, and do no more, would take turns."""
    await deploy(world)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(20)
    late = world.deployment("web")
    condition = conditions.get(late.status.conditions, "Progressing")
    said = msgspec.structs.replace(condition, status="False", reason="ProgressDeadlineExceeded")
    late = msgspec.structs.replace(late, status=msgspec.structs.replace(late.status, conditions=(said,)))
    by_revision = {revisions.revision_of(each): each for each in world.replica_sets()}
    assert auto_rollback.is_due(late, by_revision[2])
    assert not auto_rollback.is_due(late, auto_rollback.completed(by_revision[2]))


async def test_the_history_tells_who_undid_it_and_why(world: World) -> None:
    await deploy(world)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(60)
    newest = next(world.replica.view.history.of(Key(kinds.DEPLOYMENT.resource, "default", "web")))
    assert newest.origin.who == "system:controller:deployment"
    assert newest.origin.note.startswith("Rolled back to revision 1: revision 2 was not available")
    assert newest.origin.at is not None
