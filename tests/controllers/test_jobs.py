"""Jobs from end to end: the real reconcilers on the real store, with hollow agents, in virtual time."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from swarmlet.controllers.jobs.job import Jobs
from swarmlet.model import batch, kinds, objects, singletons
from swarmlet.model.meta import ObjectMeta
from tests.controllers.batch_world import BatchWorld, new_job, restarted


@pytest.fixture
async def world():
    async with BatchWorld() as world:
        yield world


async def test_a_job_runs_its_pod_and_is_complete(world: BatchWorld) -> None:
    await world.make(new_job())
    (pod,) = world.running()
    assert pod.metadata.name.startswith("sum-")
    assert world.job().status.active == 1
    await world.finish(pod.metadata.name)
    status = world.job().status
    assert (status.active, status.succeeded, status.failed, status.terminating) == (0, 1, 0, 0)
    assert status.start_time <= status.completion_time
    wanted = ("True", "CompletionsReached", "Reached expected number of succeeded pods")
    assert world.told("Complete") == world.told("SuccessCriteriaMet") == wanted
    assert world.events("Completed")[0].message == "Job completed"


async def test_as_many_run_at_once_as_parallelism_says_until_completions_are_reached(world: BatchWorld) -> None:
    await world.make(new_job(completions=5, parallelism=2))
    counts = []
    while world.running():
        counts.append(len(world.running()))
        await world.finish_all()
    assert counts == [2, 2, 1]
    assert world.job().status.succeeded == 5
    assert world.told("Complete")[0] == "True"


async def test_without_completions_the_first_success_ends_the_making_of_pods(world: BatchWorld) -> None:
    await world.make(new_job(parallelism=3))
    first, *others = world.running()
    await world.finish(first.metadata.name)
    assert len(world.running()) == 2
    assert world.told("Complete") is None
    for pod in others:
        await world.finish(pod.metadata.name)
    assert world.job().status.succeeded == 3
    assert world.told("Complete")[0] == "True"


async def test_a_finished_pod_is_held_by_nothing(world: BatchWorld) -> None:
    await world.make(new_job())
    assert world.running()[0].metadata.finalizers == (batch.TRACKING_FINALIZER,)
    await world.finish_all()
    assert world.pods()[0].metadata.finalizers == ()


async def test_failed_pods_are_tried_again_after_ten_seconds_doubling_to_six_minutes(world: BatchWorld) -> None:
    await world.make(new_job(backoff_limit=20))
    waits = []
    for _ in range(8):
        await world.finish_all(1, seconds=0)
        waited = 0
        while not world.running():
            await world.pass_time(1)
            waited += 1
        waits.append(waited)
    assert [round(wait, -1) for wait in waits] == [10, 20, 40, 80, 160, 320, 360, 360]


async def test_a_success_ends_the_back_off(world: BatchWorld) -> None:
    await world.make(new_job(completions=3, parallelism=1, backoff_limit=20))
    for _ in range(3):
        await world.finish_all(1, seconds=60)
    await world.finish_all(0, seconds=1.5)
    assert len(world.running()) == 1
    await world.finish_all(1, seconds=12)
    assert len(world.running()) == 1


async def test_more_failures_than_the_limit_end_the_job(world: BatchWorld) -> None:
    await world.make(new_job(backoff_limit=1))
    await world.finish_all(1, seconds=15)
    assert world.told("Failed") is None
    await world.finish_all(1, seconds=5)
    wanted = ("True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    assert world.told("Failed") == world.told("FailureTarget") == wanted
    assert world.job().status.failed == 2
    assert world.job().status.completion_time is None
    await world.pass_time(400)
    assert world.running() == []
    assert len(world.events("BackoffLimitExceeded")) == 1


async def test_a_failing_job_removes_the_pods_that_still_run_and_waits_for_them(world: BatchWorld) -> None:
    await world.make(new_job(parallelism=3, completions=3, backoff_limit=0))
    await world.finish(world.running()[0].metadata.name, 1, seconds=0.05)
    assert world.told("FailureTarget")[0] == "True"
    assert world.told("Failed") is None
    assert world.job().status.terminating == 2
    await world.pass_time(2)
    assert world.told("Failed")[0] == "True"
    status = world.job().status
    assert (status.active, status.failed, status.terminating) == (0, 3, 0)


async def test_restarts_in_place_count_against_the_limit(world: BatchWorld) -> None:
    await world.make(new_job(restart_policy="OnFailure", backoff_limit=3))
    (pod,) = world.running()
    await world.change(kinds.POD, pod.metadata.name, lambda it: restarted(it, 2))
    await world.pass_time(1)
    assert world.told("FailureTarget") is None
    await world.change(kinds.POD, pod.metadata.name, lambda it: restarted(it, 3))
    await world.pass_time(3)
    assert world.told("Failed")[1] == "BackoffLimitExceeded"
    assert world.running() == []


async def test_a_job_that_is_active_for_too_long_fails(world: BatchWorld) -> None:
    await world.make(new_job(active_deadline_seconds=30))
    await world.pass_time(20)
    assert world.told("Failed") is None
    await world.pass_time(12)
    assert world.told("Failed") == ("True", "DeadlineExceeded", "Job was active longer than specified deadline")
    assert world.running() == []


async def test_a_finished_job_is_deleted_with_its_pods_when_its_time_is_over(world: BatchWorld) -> None:
    await world.make(new_job(ttl_seconds_after_finished=60))
    await world.finish_all()
    await world.pass_time(50)
    assert [job.metadata.name for job in world.jobs()] == ["sum"]
    await world.pass_time(15)
    assert world.jobs() == []
    assert world.pods() == []


async def test_a_job_that_a_user_holds_after_its_time_is_not_looked_at_again_and_again(
    world: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = Jobs.reconcile

    def counted(*words: Any) -> Any:
        nonlocal looks
        looks += 1
        assert looks < 100, "the leader does nothing else"
        return look(*words)

    monkeypatch.setattr(Jobs, "reconcile", counted)
    await world.make(objects.with_metadata(new_job(ttl_seconds_after_finished=5), finalizers=("example.com/held",)))
    await world.finish_all()
    await world.pass_time(60)
    assert objects.is_terminating(world.job())


async def test_a_suspended_job_has_no_pods_and_none_of_them_failed(world: BatchWorld) -> None:
    await world.make(new_job(parallelism=2, completions=2, backoff_limit=0))
    await world.respec_job("sum", suspend=True)
    await world.pass_time(3)
    assert world.pods() == []
    assert world.told("Suspended") == ("True", "JobSuspended", "Job suspended")
    assert world.job().status.failed == 0
    began = world.job().status.start_time
    await world.respec_job("sum", suspend=False)
    await world.pass_time(3)
    assert len(world.running()) == 2
    assert world.told("Suspended") == ("False", "JobResumed", "Job resumed")
    assert world.job().status.start_time > began


async def test_a_job_made_suspended_has_not_started(world: BatchWorld) -> None:
    await world.make(new_job(suspend=True, active_deadline_seconds=5))
    await world.pass_time(20)
    assert world.pods() == []
    assert world.job().status.start_time is None
    await world.respec_job("sum", suspend=False)
    await world.pass_time(2)
    assert len(world.running()) == 1


async def test_parallelism_may_change_while_it_runs(world: BatchWorld) -> None:
    await world.make(new_job(completions=6, parallelism=4))
    await world.respec_job("sum", parallelism=1)
    await world.pass_time(2)
    assert len(world.running()) == 1
    await world.respec_job("sum", parallelism=3)
    await world.pass_time(2)
    assert len(world.running()) == 3
    assert world.job().status.failed == 0


async def test_a_pod_that_is_deleted_counts_as_failed_and_is_replaced(world: BatchWorld) -> None:
    await world.make(new_job())
    (pod,) = world.running()
    await world.mark_deleted(kinds.POD, pod.metadata.name)
    await world.pass_time(2)
    assert world.job().status.failed == 1
    (other,) = world.running()
    assert other.metadata.name != pod.metadata.name


async def test_a_pod_that_ended_is_counted_though_it_is_deleted_at_once(world: BatchWorld) -> None:
    await world.make(new_job(completions=2, parallelism=2))
    world.replica.lead(False)
    await world.pass_time(0.1)
    name = world.running()[0].metadata.name
    await world.finish(name, seconds=0)
    await world.mark_deleted(kinds.POD, name)
    await world.pass_time(1)
    world.replica.lead(True)
    await world.pass_time(1)
    assert world.job().status.succeeded == 1
    assert len(world.pods()) == 1


async def test_the_replacement_waits_for_the_end_where_it_shall(world: BatchWorld) -> None:
    await world.make(new_job(pod_replacement_policy="Failed", backoff_limit=3))
    (pod,) = world.running()
    world.agents[pod.spec.node_name].alive = False
    await world.mark_deleted(kinds.POD, pod.metadata.name)
    await world.pass_time(2)
    status = world.job().status
    assert (status.failed, status.terminating, status.active) == (0, 1, 0)
    await world.agents[pod.spec.node_name].wake()
    await world.pass_time(15)
    assert world.job().status.failed == 1
    assert len(world.running()) == 1


async def test_a_deleted_job_lets_its_pods_go(world: BatchWorld) -> None:
    await world.make(new_job(parallelism=2, completions=2))
    await world.finish(world.running()[0].metadata.name)
    await world.delete(kinds.JOB, "sum")
    await world.pass_time(3)
    assert world.pods() == []


async def test_a_job_deleted_in_the_foreground_goes_after_its_pods(world: BatchWorld) -> None:
    await world.make(new_job(parallelism=2, completions=2))
    await world.mark_deleted(kinds.JOB, "sum", "foregroundDeletion")
    await world.pass_time(3)
    assert world.pods() == []
    assert world.jobs() == []


async def test_pods_of_an_orphaning_delete_stay_and_are_held_by_nothing(world: BatchWorld) -> None:
    await world.make(new_job(parallelism=2, completions=2))
    await world.mark_deleted(kinds.JOB, "sum", "orphan")
    await world.pass_time(3)
    assert world.jobs() == []
    assert [pod.metadata.finalizers for pod in world.running()] == [(), ()]


async def test_a_job_of_another_controller_is_left_alone(world: BatchWorld) -> None:
    await world.make(new_job(managed_by="example.com/other"))
    assert world.pods() == []


async def test_a_job_selects_its_own_pods_by_its_uid(world: BatchWorld) -> None:
    await world.make(new_job())
    await world.make(new_job("other"))
    job = world.job()
    assert job.spec.selector.match_labels == {batch.CONTROLLER_UID: job.metadata.uid}
    (pod,) = world.pods(**{batch.JOB_NAME: "sum"})
    assert objects.controller_of(pod).uid == job.metadata.uid
    assert pod.metadata.labels.items() >= {"job-name": "sum", "controller-uid": job.metadata.uid}.items()


async def test_a_manual_selector_takes_in_pods_of_nobody(world: BatchWorld) -> None:
    await world.make(new_job())
    (pod,) = world.running()
    await world.mark_deleted(kinds.JOB, "sum", "orphan")
    await world.pass_time(2)
    job = new_job("again", manual_selector=True, selector=batch.LabelSelector(match_labels={"app": "work"}))
    await world.make(job)
    assert [each.metadata.name for each in world.running()] == [pod.metadata.name]
    await world.finish_all()
    assert world.told("Complete", "again")[0] == "True"


async def test_a_change_of_leader_at_any_time_counts_each_pod_once(world: BatchWorld) -> None:
    await world.make(new_job(completions=12, parallelism=4))
    while not world.told("Complete"):
        for pod in world.running():
            await world.finish(pod.metadata.name, seconds=0.0005)
            world.replica.lead(False)
            await world.pass_time(0.0005)
            world.replica.lead(True)
        await world.pass_time(0.5)
    assert world.job().status.succeeded == 12
    assert len(world.pods()) == 12


async def test_nothing_is_written_while_nothing_changes(world: BatchWorld) -> None:
    await world.make(new_job(completions=4, parallelism=2, backoff_limit=3))
    await world.finish_all(1, seconds=30)
    before = len(world.replica.commands)
    await world.pass_time(300)
    assert world.commands_since(before) == []
    view, now = world.replica.view, world.clock.now()
    for reconciler in world.controllers.reconcilers():
        for key in list(reconciler.all_keys(view)):
            assert reconciler.reconcile(view, key, now).operations == (), f"{reconciler.name} {key}"


async def test_a_pod_whose_node_is_removed_counts_as_failed_and_is_replaced(world: BatchWorld) -> None:
    await world.make(new_job(pod_replacement_policy="Failed"))
    (pod,) = world.running()
    world.agents[pod.spec.node_name].alive = False
    await world.delete(kinds.NODE, pod.spec.node_name)
    await world.pass_time(5)
    assert world.job().status.failed == 1
    (other,) = world.running()
    assert other.spec.node_name != pod.spec.node_name
    assert [each.metadata.name for each in world.pods()] == [other.metadata.name]


async def test_the_pod_of_a_lost_node_is_replaced_and_its_return_makes_no_second_count(world: BatchWorld) -> None:
    await world.make(new_job())
    (pod,) = world.running()
    world.agents[pod.spec.node_name].alive = False
    await world.pass_time(20)
    (other,) = world.running()
    assert other.spec.node_name != pod.spec.node_name
    assert world.job().status.failed == 1
    await world.agents[pod.spec.node_name].wake()
    await world.pass_time(10)
    assert world.job().status.failed == 1
    assert [each.metadata.name for each in world.pods()] == [other.metadata.name]


async def test_a_strict_singleton_ends_before_the_next_is_made(world: BatchWorld) -> None:
    job = new_job()
    metadata = ObjectMeta(annotations={singletons.STRICT_SINGLETON: "true"})
    template = msgspec.structs.replace(job.spec.template, metadata=metadata)
    await world.make(msgspec.structs.replace(job, spec=msgspec.structs.replace(job.spec, template=template)))
    (pod,) = world.running()
    world.agents[pod.spec.node_name].alive = False
    await world.pass_time(60)
    assert [each.metadata.name for each in world.pods()] == [pod.metadata.name]
    assert world.job().status.failed == 0
    await world.agents[pod.spec.node_name].wake()
    await world.pass_time(5)
    assert world.job().status.failed == 1
    (other,) = world.running()
    assert other.metadata.name != pod.metadata.name


async def test_a_pod_that_changes_while_it_is_counted_is_counted_once(world: BatchWorld) -> None:
    await world.make(new_job(completions=2, parallelism=1))
    world.replica.lead(False)
    await world.pass_time(0.1)
    name = world.running()[0].metadata.name
    await world.finish(name, seconds=0)
    key = world.stored(kinds.JOB, "sum").key
    step = Jobs(random.Random(1)).reconcile(world.replica.view, key, world.clock.now())
    await world.change(kinds.POD, name, lambda it: objects.with_metadata(it, annotations={"looked": "at"}))
    await world.replica.propose(step.operations, atomic=step.atomic)
    assert world.job().status.succeeded == 0
    world.replica.lead(True)
    await world.pass_time(2)
    assert world.job().status.succeeded == 1
    assert len(world.running()) == 1
