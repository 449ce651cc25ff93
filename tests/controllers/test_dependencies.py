"""Pods that wait for others: the annotation swarmlet.io/depends-on, on the real reconcilers, in virtual time."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.controllers.work.drafts import creation
from swarmlet.model import conditions, dependencies, kinds, objects
from swarmlet.model.batch import COMPLETE, FAILED, Job, JobSpec, JobStatus
from swarmlet.model.container import Container
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.plans import START
from swarmlet.model.pod import Pod, PodSpec, PodTemplateSpec
from tests.controllers.test_rehearsal import rehearse
from tests.controllers.world import World, new_deployment, new_template

WAITS_FOR_DB = "deployment/db=ready"


def waiting_template(name: str, depends_on: str, image: str = "web:1") -> PodTemplateSpec:
    template = new_template(name, image)
    annotations = {dependencies.DEPENDS_ON: depends_on}
    return msgspec.structs.replace(
        template, metadata=msgspec.structs.replace(template.metadata, annotations=annotations)
    )


def waiting_deployment(depends_on: str, *, replicas: int = 2):
    return new_deployment("web", replicas, template=waiting_template("web", depends_on))


def told(pod: Pod) -> Condition:
    condition = conditions.get(pod.status.conditions, dependencies.DEPENDENCIES_MET)
    assert condition is not None
    return condition


async def set_ready(world: World, name: str, *, ready: bool) -> None:
    for pod in world.pods(app=name):
        condition = Condition(type="Ready", status=str(ready))

        def change(it: Pod, condition: Condition = condition) -> Pod:
            put = conditions.put(it.status.conditions, condition, world.clock.now())
            return msgspec.structs.replace(it, status=msgspec.structs.replace(it.status, conditions=put))

        await world.change(kinds.POD, pod.metadata.name, change)


async def end_job(world: World, name: str, type_: str, **status: int) -> None:
    ended = Condition(type=type_, status="True", reason="BackoffLimitExceeded", message="too often")

    def change(job: Job) -> Job:
        return msgspec.structs.replace(job, status=JobStatus(conditions=(ended,), **status))

    await world.change(kinds.JOB, name, change)


async def test_a_pod_waits_until_what_it_depends_on_is_there_and_ready() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, waiting_deployment(WAITS_FOR_DB))
        await world.pass_time(5)
        assert [pod.spec.node_name for pod in world.pods(app="web")] == ["", ""]
        assert {told(pod).message for pod in world.pods(app="web")} == {"waits for deployment/db to exist"}
        await world.create(kinds.DEPLOYMENT, new_deployment("db", 1, "bad"))
        await world.pass_time(5)
        first = world.pods(app="web")[0]
        assert (told(first).reason, told(first).message) == ("Waiting", "waits for deployment/db to be ready (0/1)")
        assert {each.message for each in world.events("WaitingForDependencies")} == {"Waits for deployment/db to exist"}
        await world.set_image("db", "db:1")
        await world.pass_time(5)
        assert all(pod.spec.node_name for pod in world.pods(app="web"))
        assert told(world.pods(app="web")[0]).status == "True"
        assert len(world.events("DependenciesMet")) == 2
        assert len(world.serving()) == 3


async def test_all_replicas_of_the_present_version_are_waited_for() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment("db", 3, "db:1"))
        await world.pass_time(5)
        await world.set_image("db", "bad")
        await world.create(kinds.DEPLOYMENT, waiting_deployment(WAITS_FOR_DB))
        await world.pass_time(5)
        assert not any(pod.spec.node_name for pod in world.pods(app="web"))


async def test_what_has_run_is_replaced_and_scaled_whatever_became_of_what_it_waited_for() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment("db", 1, "db:1"))
        await world.create(kinds.DEPLOYMENT, waiting_deployment(WAITS_FOR_DB))
        await world.pass_time(10)
        await set_ready(world, "db", ready=False)
        await world.delete(kinds.POD, world.pods(app="web")[0].metadata.name)
        await world.respec("web", replicas=4)
        await world.pass_time(5)
        assert [bool(pod.spec.node_name) for pod in world.pods(app="web")] == [True] * 4
        await world.respec("web", replicas=0)
        await world.pass_time(5)
        await world.respec("web", replicas=1)
        await world.pass_time(5)
        assert [bool(pod.spec.node_name) for pod in world.pods(app="web")] == [True]
        assert told(world.pods(app="web")[0]).reason == "StartedBefore"


async def test_once_one_pod_of_a_version_was_let_go_its_others_are_though_none_was_ever_ready() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment("db", 1, "db:1"))
        template = waiting_template("web", WAITS_FOR_DB, "bad")
        await world.create(kinds.DEPLOYMENT, new_deployment("web", 2, template=template))
        await world.pass_time(5)
        await set_ready(world, "db", ready=False)
        await world.delete(kinds.POD, world.pods(app="web")[0].metadata.name)
        await world.pass_time(5)
        assert [bool(pod.spec.node_name) for pod in world.pods(app="web")] == [True] * 2


async def test_a_pod_of_its_own_is_waited_for() -> None:
    async with World() as world:
        bare = new_template("one", "bad")
        await world.create(kinds.POD, Pod(metadata=ObjectMeta(name="one", namespace="default"), spec=bare.spec))
        await world.create(kinds.DEPLOYMENT, waiting_deployment("pod/one"))
        await world.pass_time(5)
        assert told(world.pods(app="web")[0]).message == "waits for pod/one to be ready (0/1)"
        ready = Condition(type="Ready", status="True")

        def change(it: Pod) -> Pod:
            return msgspec.structs.replace(it, status=msgspec.structs.replace(it.status, conditions=(ready,)))

        await world.change(kinds.POD, "one", change)
        await world.pass_time(5)
        assert all(pod.spec.node_name for pod in world.pods(app="web"))


async def test_a_new_version_waits_anew() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment("db", 1, "db:1"))
        await world.create(kinds.DEPLOYMENT, waiting_deployment(WAITS_FOR_DB))
        await world.pass_time(10)
        await set_ready(world, "db", ready=False)
        await world.respec("web", template=waiting_template("web", WAITS_FOR_DB, "web:2"))
        await world.pass_time(5)
        assert [pod.spec.node_name for pod in world.pods(app="web") if pod.spec.containers[0].image == "web:2"] == [""]


async def test_started_needs_no_readiness() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, new_deployment("db", 1, "db:1"))
        await world.pass_time(5)
        await set_ready(world, "db", ready=False)
        await world.create(kinds.DEPLOYMENT, waiting_deployment("db=started"))
        await world.pass_time(5)
        assert all(pod.spec.node_name for pod in world.pods(app="web"))


def new_job(name: str) -> Job:
    template = PodTemplateSpec(spec=PodSpec(containers=(Container(name="main"),), restart_policy="Never"))
    return Job(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=JobSpec(template=template, suspend=True, parallelism=1, completions=1, backoff_limit=0),
    )


async def test_a_job_is_waited_for_until_it_completes() -> None:
    async with World() as world:
        await world.create(kinds.JOB, new_job("migrate"))
        await world.create(kinds.DEPLOYMENT, waiting_deployment("job/migrate"))
        await world.pass_time(5)
        assert told(world.pods(app="web")[0]).message == "waits for job/migrate to complete (0/1)"
        await end_job(world, "migrate", COMPLETE, succeeded=1)
        await world.pass_time(5)
        assert all(pod.spec.node_name for pod in world.pods(app="web"))


async def test_a_job_that_failed_is_told_and_its_successor_waited_for() -> None:
    async with World() as world:
        await world.create(kinds.JOB, new_job("migrate"))
        await world.create(kinds.DEPLOYMENT, waiting_deployment("job/migrate", replicas=1))
        await world.pass_time(2)
        await end_job(world, "migrate", FAILED, failed=1)
        await world.pass_time(5)
        (pod,) = world.pods(app="web")
        assert told(pod).reason == "DependencyFailed"
        assert told(pod).message == "job/migrate failed: BackoffLimitExceeded: too often"
        assert [each.type for each in world.events("DependencyFailed")] == ["Warning"]
        await world.delete(kinds.JOB, "migrate")
        await world.create(kinds.JOB, new_job("migrate"))
        await end_job(world, "migrate", COMPLETE, succeeded=1)
        await world.pass_time(5)
        assert world.pods(app="web")[0].spec.node_name


@pytest.mark.parametrize("end", [None, FAILED])
async def test_what_is_optional_may_be_missing_or_fail(end: str | None) -> None:
    async with World() as world:
        if end:
            await world.create(kinds.JOB, new_job("seed"))
            await end_job(world, "seed", end, failed=1)
        await world.create(kinds.DEPLOYMENT, waiting_deployment("job/seed=complete?"))
        await world.pass_time(5)
        assert all(pod.spec.node_name for pod in world.pods(app="web"))


async def test_a_new_leader_goes_on() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, waiting_deployment(WAITS_FOR_DB))
        await world.pass_time(5)
        world.replica.lead(False)
        await world.pass_time(1)
        world.replica.lead(True)
        await world.create(kinds.DEPLOYMENT, new_deployment("db", 1, "db:1"))
        await world.pass_time(10)
        assert all(pod.spec.node_name for pod in world.pods(app="web"))


async def test_those_that_wait_write_nothing_while_nothing_happens() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, waiting_deployment(WAITS_FOR_DB, replicas=5))
        await world.pass_time(10)
        before = len(world.replica.commands)
        await world.pass_time(60)
        assert world.commands_since(before) == []


async def test_a_plan_tells_the_order_and_what_is_waited_for() -> None:
    async with World() as world:

        def new(deployment):
            return creation(
                kinds.DEPLOYMENT, objects.with_metadata(deployment, uid=deployment.metadata.name, generation=1)
            )

        template = waiting_template("web", WAITS_FOR_DB)
        web = new_deployment("web", 1, template=template)
        outcome = rehearse(world, new(web), new(new_deployment("db", 1, "db:1")))
        assert [step.owner.rpartition("/")[2] for step in outcome.steps if step.does == START] == ["db", "web"]
        alone = rehearse(world, new(web))
        assert [each.reason for each in alone.waiting] == ["waits for deployment/db to exist"]


async def test_a_plan_lets_go_those_that_have_waited_for_what_it_makes() -> None:
    async with World() as world:
        await world.create(kinds.DEPLOYMENT, waiting_deployment(WAITS_FOR_DB))
        await world.pass_time(5)
        db = objects.with_metadata(new_deployment("db", 1, "db:1"), uid="db", generation=1)
        outcome = rehearse(world, creation(kinds.DEPLOYMENT, db))
        assert [step.owner.rpartition("/")[2] for step in outcome.steps if step.does == START] == ["db", "web"]
        assert outcome.waiting == ()


async def test_a_pod_without_the_annotation_that_bears_the_gate_is_let_go() -> None:
    async with World() as world:
        gates = (dependencies.PodSchedulingGate(name=dependencies.GATE),)
        spec = msgspec.structs.replace(new_template("lone").spec, scheduling_gates=gates)
        await world.create(kinds.POD, Pod(metadata=ObjectMeta(name="lone", namespace="default"), spec=spec))
        await world.pass_time(5)
        assert world.stored(kinds.POD, "lone").object.spec.node_name
