"""CronJobs from end to end, in virtual time: the clock begins at midnight, UTC."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from swarmlet.controllers.jobs import cronjob
from swarmlet.model import batch, kinds, objects
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.quotas import ResourceQuota, ResourceQuotaSpec
from tests.controllers.batch_world import BatchWorld, new_cron_job, new_job


@pytest.fixture
async def world():
    async with BatchWorld() as world:
        yield world


def due_times(world: BatchWorld) -> list[datetime]:
    """Return when the Jobs that were ever made were due, by the events that tell of them."""
    return sorted(
        datetime.fromtimestamp(int(event.message.rpartition("-")[2]) * 60, tz=world.clock.now().tzinfo)
        for event in world.events("SuccessfulCreate")
        if event.involved_object.kind == "CronJob"
    )


async def until_past_the_minute(world: BatchWorld) -> None:
    await world.pass_time(61 - world.clock.now().second)


async def test_a_job_is_made_when_it_is_due(world: BatchWorld) -> None:
    await world.make(new_cron_job())
    assert world.jobs() == []
    await until_past_the_minute(world)
    (job,) = world.jobs()
    due = world.clock.now().replace(second=0, microsecond=0)
    assert job.metadata.name == f"tick-{int(due.timestamp()) // 60}"
    assert job.metadata.annotations[batch.SCHEDULED_AT] == due.isoformat().replace("+00:00", "Z")
    assert objects.controller_of(job).name == "tick"
    status = world.cron_job().status
    assert status.last_schedule_time == due
    assert [(each.kind, each.name, each.uid) for each in status.active] == [
        ("Job", job.metadata.name, job.metadata.uid)
    ]


async def test_what_ended_is_told(world: BatchWorld) -> None:
    await world.make(new_cron_job())
    await until_past_the_minute(world)
    await world.pass_time(2)
    (job,) = world.jobs()
    await world.finish_all()
    status = world.cron_job().status
    assert status.active == ()
    assert status.last_successful_time == world.job(job.metadata.name).status.completion_time
    (event,) = world.events("SawCompletedJob")
    assert event.message == f"Saw completed job: {job.metadata.name}, condition: Complete"


async def test_jobs_run_beside_each_other_where_allowed(world: BatchWorld) -> None:
    await world.make(new_cron_job())
    await world.pass_time(185)
    assert len(world.cron_job().status.active) == 3


async def test_forbid_waits_for_the_one_that_runs_and_then_makes_up_for_it(world: BatchWorld) -> None:
    await world.make(new_cron_job(concurrency_policy="Forbid"))
    await world.pass_time(125)
    assert len(world.jobs()) == 1
    assert world.events("JobAlreadyActive")
    await world.finish_all()
    assert len(world.jobs()) == 2
    assert len(world.cron_job().status.active) == 1


async def test_replace_ends_the_one_that_runs(world: BatchWorld) -> None:
    await world.make(new_cron_job(concurrency_policy="Replace"))
    await until_past_the_minute(world)
    (first,) = world.jobs()
    await until_past_the_minute(world)
    (second,) = world.jobs()
    assert first.metadata.name < second.metadata.name
    await world.pass_time(5)
    assert len(world.running()) == 1


async def test_many_are_replaced_in_several_steps(world: BatchWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cronjob, "REMOVALS_PER_STEP", 2)
    await world.make(new_cron_job())
    await world.pass_time(5 * 60)
    assert len(world.cron_job().status.active) == 5
    done = len(world.replica.commands)
    await set_spec(world, concurrency_policy="Replace")
    await until_past_the_minute(world)
    await world.pass_time(2)
    assert len(world.cron_job().status.active) == len(world.jobs()) == 1
    jobs = [
        [each.key for each in command if each.key.resource == "jobs.batch"] for command in world.commands_since(done)
    ]
    assert max(map(len, jobs)) <= 2 + 1, "those that go, and the new one"
    assert not world.events("MissingJob")


async def test_what_is_replaced_makes_room_in_a_full_quota(world: BatchWorld) -> None:
    spec = ResourceQuotaSpec(hard={"count/jobs.batch": "1"})
    quota = ResourceQuota(metadata=ObjectMeta(name="one", namespace="default"), spec=spec)
    await world.create(kinds.RESOURCE_QUOTA, quota)
    await world.make(new_cron_job(concurrency_policy="Replace"))
    await until_past_the_minute(world)
    (first,) = world.jobs()
    await until_past_the_minute(world)
    await world.pass_time(5)
    (second,) = world.jobs()
    assert first.metadata.name < second.metadata.name
    (refused,) = {each.message for each in world.events("FailedCreate")}
    assert refused.startswith("Error creating job: jobs.batch ")


async def test_a_suspended_one_starts_nothing_and_makes_up_for_one_run_later(world: BatchWorld) -> None:
    await world.make(new_cron_job(suspend=True))
    await world.pass_time(300)
    assert world.jobs() == []
    await set_spec(world, suspend=False)
    await world.pass_time(1)
    assert len(world.jobs()) == 1


async def test_what_is_later_than_its_deadline_is_not_started(world: BatchWorld) -> None:
    await world.make(new_cron_job(schedule="0 * * * *", starting_deadline_seconds=60, suspend=True))
    await world.pass_time(3600 + 120)
    await set_spec(world, suspend=False)
    await world.pass_time(5)
    assert world.jobs() == []
    await world.pass_time(3600)
    assert len(world.jobs()) == 1


async def test_so_many_finished_jobs_are_kept(world: BatchWorld) -> None:
    await world.make(new_cron_job(successful_jobs_history_limit=2, failed_jobs_history_limit=1))
    for code in (0, 1, 0, 1, 0, 1):
        await until_past_the_minute(world)
        await world.pass_time(2)
        await fail_for_good(world) if code else await world.finish_all()
    kept = [end.type for job in world.jobs() for end in job.status.conditions if end.type in ("Complete", "Failed")]
    assert sorted(kept) == ["Complete", "Complete", "Failed"]
    assert len(world.events("SuccessfulDelete")) == 3


async def test_a_history_of_none_is_kept_by_a_limit_of_zero(world: BatchWorld) -> None:
    await world.make(new_cron_job(successful_jobs_history_limit=0))
    await until_past_the_minute(world)
    await world.pass_time(2)
    await world.finish_all(seconds=3)
    assert world.jobs() == []
    assert len(due_times(world)) == 1


async def test_many_missed_times_are_told_and_one_is_made_up_for(world: BatchWorld) -> None:
    await world.make(new_cron_job(suspend=True))
    await world.pass_time(102 * 60)
    await set_spec(world, suspend=False)
    await world.pass_time(1)
    assert len(world.jobs()) == 1
    (event,) = world.events("TooManyMissedTimes")
    assert event.type == "Warning"
    assert event.message.startswith("too many missed start times. Set or decrease .spec.startingDeadlineSeconds")


async def test_a_hundred_missed_times_are_nothing_to_tell(world: BatchWorld) -> None:
    await world.make(new_cron_job(suspend=True))
    await world.pass_time(99 * 60)
    await set_spec(world, suspend=False)
    await world.pass_time(1)
    assert len(world.jobs()) == 1
    assert world.events("TooManyMissedTimes") == []


async def test_a_deleted_one_takes_its_jobs_with_it(world: BatchWorld) -> None:
    await world.make(new_cron_job())
    await world.pass_time(65)
    await world.delete(kinds.CRON_JOB, "tick")
    await world.pass_time(5)
    assert world.jobs() == []
    assert world.pods() == []


async def test_a_job_made_by_hand_holds_nobody_up(world: BatchWorld) -> None:
    await world.make(new_cron_job(concurrency_policy="Forbid"))
    manual = objects.with_metadata(
        new_job("by-hand"),
        annotations={batch.INSTANTIATE: "manual"},
        owner_references=(objects.owner_reference(world.cron_job()),),
    )
    await world.make(manual)
    await until_past_the_minute(world)
    assert len(world.jobs()) == 2
    assert len(world.cron_job().status.active) == 1


async def test_a_name_that_is_taken_is_told(world: BatchWorld) -> None:
    await world.make(new_cron_job())
    minute = int(world.clock.now().timestamp()) // 60 + 1
    await world.make(new_job(f"tick-{minute}"), seconds=0)
    await until_past_the_minute(world)
    assert len(world.jobs()) == 1
    (event,) = world.events("FailedCreate")
    assert event.message == f'Error creating job: jobs.batch "tick-{minute}" already exists'


async def test_nothing_is_written_between_two_runs(world: BatchWorld) -> None:
    await world.make(new_cron_job(schedule="0 6 * * *"))
    before = len(world.replica.commands)
    await world.pass_time(4 * 3600)
    assert world.commands_since(before) == []


# Whoever leads.


async def test_a_change_of_leader_at_the_very_moment_neither_loses_nor_doubles_a_run(world: BatchWorld) -> None:
    await world.make(new_cron_job(successful_jobs_history_limit=0))
    begin = world.clock.now()
    for turn in range(40):
        second = 60 - world.clock.now().second - world.clock.now().microsecond / 1e6
        await world.pass_time(second + turn * 0.0005)  # the one before it, in the middle of it, and after it
        world.replica.lead(False)
        await world.pass_time(0.003)
        world.replica.lead(True)
        await world.pass_time(2)
        await world.finish_all()
    minutes = int(world.clock.now().timestamp()) // 60 - int(begin.timestamp()) // 60
    assert len(runs(world)) == len(set(runs(world))) == minutes


async def test_a_quorum_that_is_lost_at_the_very_moment_neither_loses_nor_doubles_a_run(world: BatchWorld) -> None:
    await world.make(new_cron_job())
    world.replica.quorum = False
    await world.pass_time(70)
    world.replica.lead(False)
    await world.pass_time(30)
    assert world.jobs() == []
    world.replica.quorum = True
    world.replica.lead(True)
    await world.pass_time(60)
    assert len(runs(world)) == len(set(runs(world))) == 2


def runs(world: BatchWorld) -> list[datetime]:
    """Return when the Jobs were due whose making was ever committed."""
    made: list[datetime] = []
    for command in world.replica.commands:
        for operation in command:
            if operation.key.resource == kinds.JOB.resource and getattr(operation, "expected_revision", None) == 0:
                job = msgspec.json.decode(operation.object, type=batch.Job)
                made.append(datetime.fromisoformat(job.metadata.annotations[batch.SCHEDULED_AT]))
    return made


async def set_spec(world: BatchWorld, **changes: object) -> None:
    await world.change(
        kinds.CRON_JOB,
        "tick",
        lambda it: msgspec.structs.replace(it, spec=msgspec.structs.replace(it.spec, **changes)),
    )


async def fail_for_good(world: BatchWorld) -> None:
    for job in world.jobs():
        if job.status.active:
            await world.respec_job(job.metadata.name, backoff_limit=0)
    await world.finish_all(1, seconds=3)
