"""Deployments from end to end: the real reconcilers on the real store, with hollow agents, in virtual time."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.controllers.deployments import revisions, rollout
from swarmlet.model import kinds, objects
from swarmlet.model.apps import DeploymentStrategy
from tests.controllers.world import BAD_IMAGE, World, new_deployment


@pytest.fixture
async def world():
    async with World() as world:
        yield world


async def deploy(world: World, replicas: int = 6, **spec: object) -> None:
    await world.create(kinds.DEPLOYMENT, new_deployment(replicas=replicas, **spec))
    await world.pass_time(5)


def sizes(world: World) -> dict[str, int]:
    return {each.spec.template.spec.containers[0].image: rollout.size(each) for each in world.replica_sets()}


async def test_a_deployment_gets_its_pods_spread_over_the_nodes(world: World) -> None:
    await deploy(world)
    assert world.spread() == {"n1": 2, "n2": 2, "n3": 2}


async def test_the_status_counts_what_runs(world: World) -> None:
    await deploy(world)
    status = world.deployment("web").status
    assert (status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas) == (6, 6, 6, 6)
    assert status.unavailable_replicas == 0
    assert status.observed_generation == 1


async def test_conditions_speak_kubernetes_words(world: World) -> None:
    await deploy(world)
    available, progressing = world.condition("web", "Available"), world.condition("web", "Progressing")
    (replica_set,) = world.replica_sets()
    assert (available.status, available.reason) == ("True", "MinimumReplicasAvailable")
    assert available.message == "Deployment has minimum availability."
    assert (progressing.status, progressing.reason) == ("True", "NewReplicaSetAvailable")
    assert progressing.message == f'ReplicaSet "{replica_set.metadata.name}" has successfully progressed.'


async def test_a_replica_set_bears_hash_revision_and_owner(world: World) -> None:
    await deploy(world)
    (replica_set,) = world.replica_sets()
    hash_ = replica_set.metadata.labels[revisions.TEMPLATE_HASH]
    assert replica_set.metadata.name == f"web-{hash_}"
    assert replica_set.spec.selector.match_labels == {"app": "web", revisions.TEMPLATE_HASH: hash_}
    assert revisions.revision_of(replica_set) == revisions.revision_of(world.deployment("web")) == 1
    assert objects.controller_of(replica_set).uid == world.deployment("web").metadata.uid
    assert all(pod.metadata.labels[revisions.TEMPLATE_HASH] == hash_ for pod in world.pods())


async def test_scaling_is_told_in_events(world: World) -> None:
    await deploy(world)
    (replica_set,) = world.replica_sets()
    await world.respec("web", replicas=2)
    await world.pass_time(5)
    messages = [event.message for event in world.events("ScalingReplicaSet")]
    name = replica_set.metadata.name
    assert sorted(messages) == [
        f"Scaled down replica set {name} from 6 to 2",
        f"Scaled up replica set {name} from 0 to 6",
    ]


@pytest.mark.parametrize("replicas", [0, 2, 9])
async def test_scaling_reaches_the_number_asked_for(world: World, replicas: int) -> None:
    await deploy(world)
    await world.respec("web", replicas=replicas)
    await world.pass_time(5)
    assert len(world.pods()) == replicas == world.deployment("web").status.replicas


async def test_a_new_image_replaces_all_pods_and_keeps_the_old_replica_set(world: World) -> None:
    await deploy(world)
    await world.set_image("web", "web:2")
    await world.pass_time(20)
    assert world.images() == {"web:2": 6}
    assert sizes(world) == {"web:1": 0, "web:2": 6}
    assert revisions.revision_of(world.deployment("web")) == 2


async def test_a_rollout_stays_within_its_bounds(world: World) -> None:
    await deploy(world, 6, surge=2, unavailable=1)
    most, fewest = 0, 6

    def watch(_changes: object) -> None:
        nonlocal most, fewest
        most = max(most, sum(sizes(world).values()))
        fewest = min(fewest, len(world.serving()))

    world.replica.view.subscribe(watch)
    await world.set_image("web", "web:2")
    await world.pass_time(20)
    assert world.images() == {"web:2": 6}
    assert most == 8
    assert fewest == 5


async def test_a_bad_rollout_stops_at_its_bounds_and_misses_its_deadline(world: World) -> None:
    await deploy(world, 4, surge=1, unavailable=1, progress_deadline_seconds=30)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(60)
    assert len(world.serving()) == 3
    progressing = world.condition("web", "Progressing")
    assert (progressing.status, progressing.reason) == ("False", "ProgressDeadlineExceeded")
    assert progressing.message.endswith("has timed out progressing.")


async def test_undo_brings_the_former_replica_set_back_as_a_new_revision(world: World) -> None:
    await deploy(world)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(10)
    await world.set_image("web", "web:1")
    await world.pass_time(20)
    assert len(world.serving()) == 6
    assert sizes(world) == {"web:1": 6, BAD_IMAGE: 0}
    by_image = {each.spec.template.spec.containers[0].image: each for each in world.replica_sets()}
    assert revisions.revision_of(by_image["web:1"]) == 3 == revisions.revision_of(world.deployment("web"))
    assert by_image["web:1"].metadata.annotations[revisions.REVISION_HISTORY] == "1"


async def test_annotations_follow_into_the_replica_set_save_those_that_are_its_own(world: World) -> None:
    deployment = new_deployment()
    notes = {"kubernetes.io/change-cause": "first", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    await world.create(kinds.DEPLOYMENT, objects.with_metadata(deployment, annotations=notes))
    await world.pass_time(2)
    (replica_set,) = world.replica_sets()
    assert replica_set.metadata.annotations["kubernetes.io/change-cause"] == "first"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in replica_set.metadata.annotations


async def test_a_paused_deployment_scales_but_does_not_roll(world: World) -> None:
    await deploy(world, 4, paused=False)
    await world.respec("web", paused=True)
    await world.set_image("web", "web:2")
    await world.respec("web", replicas=5)
    await world.pass_time(10)
    assert world.images() == {"web:1": 5}
    assert world.condition("web", "Progressing").reason == "DeploymentPaused"
    await world.respec("web", paused=False)
    await world.pass_time(20)
    assert world.images() == {"web:2": 5}


async def test_recreate_never_runs_old_and_new_together(world: World) -> None:
    await deploy(world, 4, strategy=DeploymentStrategy(type="Recreate"))
    mixed = []
    world.replica.view.subscribe(
        lambda _: mixed.append(len({pod.spec.containers[0].image for pod in world.pods()}) > 1)
    )
    await world.set_image("web", "web:2")
    await world.pass_time(20)
    assert world.images() == {"web:2": 4}
    assert not any(mixed)


async def test_a_recreated_deployment_of_none_waits_for_its_old_pods_without_a_stumble(world: World) -> None:
    await deploy(world, 2, strategy=DeploymentStrategy(type="Recreate"))
    for agent in world.agents.values():
        agent.alive = False  # so that the Pods take their time to end
    await world.respec("web", replicas=0)
    await world.pass_time(1)
    await world.set_image("web", "web:2")
    await world.pass_time(1)
    assert len(world.pods()) == 2
    deployment = world.deployment("web")
    assert deployment.status.observed_generation == deployment.metadata.generation
    for agent in world.agents.values():
        await agent.wake()
    await world.respec("web", replicas=2)
    await world.pass_time(20)
    assert world.images() == {"web:2": 2}


async def test_a_recreated_deployment_is_not_available_meanwhile(world: World) -> None:
    await deploy(world, 4, strategy=DeploymentStrategy(type="Recreate"))
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(5)
    assert world.condition("web", "Available").status == "False"


async def test_scaling_in_the_middle_of_a_rollout_is_shared_out(world: World) -> None:
    await deploy(world, 10, surge=3, unavailable=2)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(10)
    assert sizes(world) == {"web:1": 8, BAD_IMAGE: 5}
    await world.respec("web", replicas=15)
    await world.pass_time(10)
    assert sizes(world) == {"web:1": 11, BAD_IMAGE: 7}  # Kubernetes' own example of proportional scaling


async def test_history_is_kept_to_its_limit(world: World) -> None:
    await deploy(world, 2, revision_history_limit=2)
    for number in range(2, 6):
        await world.set_image("web", f"web:{number}")
        await world.pass_time(10)
    assert sizes(world) == {"web:3": 0, "web:4": 0, "web:5": 2}


async def test_pods_that_must_be_ready_a_while_hold_the_rollout_back(world: World) -> None:
    await deploy(world, 2, min_ready_seconds=10)
    assert world.deployment("web").status.available_replicas == 0
    await world.pass_time(10)
    assert world.deployment("web").status.available_replicas == 2


async def test_a_killed_pod_is_replaced(world: World) -> None:
    await deploy(world, 3)
    victim = world.pods()[0].metadata.name
    await world.delete(kinds.POD, victim)
    await world.pass_time(3)
    assert len(world.serving()) == 3
    assert victim not in {pod.metadata.name for pod in world.pods()}


async def test_a_replica_set_of_nobody_is_adopted(world: World) -> None:
    await deploy(world, 2)
    await world.change(
        kinds.REPLICA_SET,
        world.replica_sets()[0].metadata.name,
        lambda it: objects.with_metadata(it, owner_references=()),
    )
    await world.pass_time(2)
    (replica_set,) = world.replica_sets()
    assert objects.controller_of(replica_set).name == "web"


async def test_a_pod_that_leaves_the_selector_is_let_go_and_replaced(world: World) -> None:
    await deploy(world, 2)
    name = world.pods()[0].metadata.name
    await world.change(kinds.POD, name, lambda it: objects.with_metadata(it, labels={"app": "debug"}))
    await world.pass_time(3)
    assert objects.controller_of(world.stored(kinds.POD, name).object) is None
    assert len(world.pods(app="web")) == 2


async def test_a_matching_pod_of_nobody_is_adopted_rather_than_made(world: World) -> None:
    await deploy(world, 2)
    name = world.pods()[0].metadata.name
    labels = world.pods()[0].metadata.labels
    await world.change(kinds.POD, name, lambda it: objects.with_metadata(it, labels={"app": "debug"}))
    await world.pass_time(3)
    await world.change(kinds.POD, name, lambda it: objects.with_metadata(it, labels=labels))
    await world.pass_time(3)
    assert len(world.pods(app="web")) == 2


async def test_the_least_useful_pods_go_first(world: World) -> None:
    await deploy(world, 6)
    stuck = world.pods()[3].metadata.name
    await world.change(
        kinds.POD,
        stuck,
        lambda it: msgspec.structs.replace(
            it, status=msgspec.structs.replace(it.status, conditions=(), phase="Failing")
        ),
    )
    await world.respec("web", replicas=5)
    await world.pass_time(3)
    assert stuck not in {pod.metadata.name for pod in world.pods()}


async def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    await deploy(world, 6)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(20)
    before = len(world.replica.commands)
    await world.pass_time(300)
    assert world.commands_since(before) == []


async def test_every_reconciler_finds_nothing_to_do_when_called_again(world: World) -> None:
    await deploy(world, 6)
    await world.set_image("web", BAD_IMAGE)
    await world.pass_time(20)
    view, now = world.replica.view, world.clock.now()
    for reconciler in world.controllers.reconcilers():
        for key in list(reconciler.all_keys(view)):
            assert reconciler.reconcile(view, key, now).operations == (), f"{reconciler.name} {key}"
