"""Rehearsals of each kind of workload, beside what the same change comes to in the world that was forked."""

from __future__ import annotations

import msgspec

from swarmlet.controllers.rehearsal.notes import UNKNOWABLE
from swarmlet.controllers.work.drafts import creation, terminating, update
from swarmlet.model import defaults, kinds, names, objects
from swarmlet.model.autoscaling import CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec
from swarmlet.model.core import Namespace, NamespaceSpec
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.plans import READY, START, STOP, Rehearsed
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from tests.controllers.batch_world import new_job
from tests.controllers.test_daemonsets import new_daemon_set
from tests.controllers.test_rehearsal import count, new_web, rehearse
from tests.controllers.test_statefulsets import new_stateful_set
from tests.controllers.test_volumes import cluster, new_claim
from tests.controllers.test_volumes import new_pod as new_pod_with_claim
from tests.controllers.world import World, new_template


def made(world: World, kind: kinds.Kind, value, **metadata):
    stamped = objects.with_metadata(
        value,
        uid=names.new_uid(world.rng),
        generation=1,
        creation_timestamp=world.clock.now().replace(microsecond=0),
        **metadata,
    )
    return creation(kind, stamped)


def respecified(world: World, kind: kinds.Kind, name: str, **spec):
    stored = world.stored(kind, name)
    value = msgspec.structs.replace(stored.object, spec=msgspec.structs.replace(stored.object.spec, **spec))
    return update(stored, objects.with_metadata(value, generation=value.metadata.generation + 1))


def told(outcome: Rehearsed) -> list[tuple[str, str]]:
    return [(step.does, pods.name) for step in outcome.steps for pods in step.pods]


def nodes_told(outcome: Rehearsed) -> dict[str, str]:
    return {pods.name: pods.node for step in outcome.steps if step.does == START for pods in step.pods}


def nodes(world: World) -> dict[str, str]:
    return {pod.metadata.name: pod.spec.node_name for pod in world.pods()}


async def test_a_stateful_set_grows_one_by_one_under_the_names_and_on_the_nodes_that_were_told():
    async with World() as world:
        asked = made(world, kinds.STATEFUL_SET, new_stateful_set())
        outcome = rehearse(world, asked)
        assert told(outcome) == [(does, f"db-{n}") for n in range(3) for does in (START, READY)]
        await world.replica.propose([asked])
        await world.pass_time(10)
        assert nodes(world) == nodes_told(outcome)


async def test_a_stateful_set_is_updated_from_the_last_to_the_first():
    async with World() as world:
        await world.replica.propose([made(world, kinds.STATEFUL_SET, new_stateful_set())])
        await world.pass_time(10)
        asked = respecified(world, kinds.STATEFUL_SET, "db", template=new_template("db", "db:2"))
        outcome = rehearse(world, asked)
        assert told(outcome) == [(does, f"db-{n}") for n in (2, 1, 0) for does in (STOP, START, READY)]
        await world.replica.propose([asked])
        await world.pass_time(30)
        assert nodes(world) == nodes_told(outcome)


async def test_a_daemon_set_comes_to_every_node_and_is_updated_one_by_one():
    async with World() as world:
        asked = made(world, kinds.DAEMON_SET, new_daemon_set())
        outcome = rehearse(world, asked)
        assert count(outcome, START) == {"n1": 1, "n2": 1, "n3": 1}
        await world.replica.propose([asked])
        await world.pass_time(10)
        asked = respecified(world, kinds.DAEMON_SET, "log", template=new_template("log", "log:2"))
        outcome = rehearse(world, asked)
        assert [step.does for step in outcome.steps] == [STOP, START, READY] * 3


async def test_a_pod_goes_where_its_new_volume_will_lie():
    async with cluster() as world:
        claim = made(world, kinds.PERSISTENT_VOLUME_CLAIM, new_claim())
        pod = made(world, kinds.POD, new_pod_with_claim("db"))
        outcome = rehearse(world, claim, pod)
        assert told(outcome) == [(START, "db"), (READY, "db")]
        assert not any(step.unplanned for step in outcome.steps)
        await world.replica.propose([claim, pod])
        await world.pass_time(5)
        assert nodes(world) == nodes_told(outcome)
        again = made(world, kinds.POD, new_pod_with_claim("other"))
        assert nodes_told(rehearse(world, again)) == {"other": nodes(world)["db"]}


async def test_of_a_job_it_is_said_that_its_end_is_not_known():
    async with World() as world:
        job = objects.with_metadata(new_job("once", parallelism=1, completions=3), uid="once")
        outcome = rehearse(world, creation(kinds.JOB, defaults.fill(job)))
        assert sum(count(outcome, START).values()) == 1
        assert outcome.notes == ("jobs.batch/once: its Pods run until they end; what follows then is not rehearsed",)


async def test_that_somebody_else_scales_is_said():
    async with World() as world:
        target = CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name="web")
        spec = HorizontalPodAutoscalerSpec(scale_target_ref=target, max_replicas=5)
        scaler = HorizontalPodAutoscaler(metadata=ObjectMeta(name="by-use", namespace="default"), spec=spec)
        outcome = rehearse(world, new_web(world, 2), made(world, kinds.HORIZONTAL_POD_AUTOSCALER, scaler))
        assert outcome.notes == (
            "deployments.apps/web: the autoscaler by-use changes its number of Pods by use",
            f"horizontalpodautoscalers.autoscaling/by-use: {UNKNOWABLE[kinds.HORIZONTAL_POD_AUTOSCALER.resource]}",
        )


async def test_a_namespace_that_goes_takes_its_pods_along():
    async with World() as world:
        namespace = Namespace(metadata=ObjectMeta(name="default"), spec=NamespaceSpec(finalizers=("kubernetes",)))
        if world.replica.view.get(Key("namespaces", "", "default")) is None:
            await world.create(kinds.NAMESPACE, namespace)
        await world.replica.propose([new_web(world, 3)])
        await world.pass_time(10)
        stored = world.replica.view.get(Key("namespaces", "", "default"))
        marked = terminating(stored.object, world.clock.now())
        marked = msgspec.structs.replace(marked, status=msgspec.structs.replace(marked.status, phase="Terminating"))
        outcome = rehearse(world, update(stored, marked))
        assert sum(count(outcome, STOP).values()) == 3
        assert not any(step.unplanned for step in outcome.steps)
        assert outcome.notes == ()


async def test_pods_that_make_room_are_told_as_none_of_the_plan():
    async with World(nodes=1) as world:
        low = new_template("web")
        [container] = low.spec.containers
        asking = msgspec.structs.replace(
            container, resources=msgspec.structs.replace(container.resources, requests={"cpu": "3"})
        )
        low = msgspec.structs.replace(low, spec=msgspec.structs.replace(low.spec, containers=(asking,), priority=0))
        await world.replica.propose([new_web(world, 2, template=low)])
        await world.pass_time(10)
        high = msgspec.structs.replace(low.spec, priority=1000)
        pod = Pod(metadata=ObjectMeta(name="urgent", namespace="default"), spec=high)
        outcome = rehearse(world, made(world, kinds.POD, pod))
        order = [(step.does, step.owner, step.unplanned) for step in outcome.steps]
        assert order[:2] == [(STOP, "deployments.apps/web", True), (START, "", False)]
        assert nodes_told(outcome)["urgent"] == "n1"
