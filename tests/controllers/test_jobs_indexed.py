"""Indexed Jobs, and what their policies say of failures and successes."""

from __future__ import annotations

import msgspec
import pytest

from swarmlet.model import batch, kinds
from swarmlet.model.batch import (
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    SuccessPolicy,
    SuccessPolicyRule,
)
from swarmlet.model.pod import Pod
from tests.controllers.batch_world import BatchWorld, new_job


@pytest.fixture
async def world():
    async with BatchWorld() as world:
        yield world


def new_indexed(completions: int, parallelism: int, **spec: object) -> batch.Job:
    return new_job(completions=completions, parallelism=parallelism, completion_mode="Indexed", **spec)


def pod_of(world: BatchWorld, index: int) -> Pod:
    (pod,) = [pod for pod in world.running() if pod.metadata.annotations[batch.COMPLETION_INDEX] == str(index)]
    return pod


async def finish(world: BatchWorld, index: int, code: int = 0, seconds: float = 1.0) -> None:
    await world.finish(pod_of(world, index).metadata.name, code, seconds=seconds)


async def test_each_pod_knows_its_index_and_has_its_hostname(world: BatchWorld) -> None:
    await world.make(new_indexed(3, 3))
    assert world.indexes() == [0, 1, 2]
    pod = pod_of(world, 1)
    assert pod.metadata.name.startswith("sum-1-")
    assert pod.metadata.labels[batch.COMPLETION_INDEX] == "1"
    assert pod.spec.hostname == "sum-1"
    assert [(each.name, each.value) for each in pod.spec.containers[0].env] == [("JOB_COMPLETION_INDEX", "1")]


async def test_the_lowest_indexes_that_are_missing_go_first(world: BatchWorld) -> None:
    await world.make(new_indexed(5, 2))
    await finish(world, 1)
    assert world.indexes() == [0, 2]
    assert world.job().status.completed_indexes == "1"
    await world.finish_all()
    assert world.indexes() == [3, 4]
    assert world.job().status.completed_indexes == "0-2"
    await world.finish_all()
    status = world.job().status
    assert (status.completed_indexes, status.succeeded, status.failed_indexes) == ("0-4", 5, None)
    assert world.told("Complete")[0] == "True"


async def test_an_index_that_failed_is_tried_again(world: BatchWorld) -> None:
    await world.make(new_indexed(2, 2))
    await finish(world, 1, 1, seconds=15)
    assert world.indexes() == [0, 1]
    assert world.job().status.failed == 1


async def test_an_elastic_job_shrinks_and_grows(world: BatchWorld) -> None:
    await world.make(new_indexed(4, 4))
    await world.respec_job("sum", completions=2, parallelism=2)
    await world.pass_time(3)
    assert world.indexes() == [0, 1]
    await world.respec_job("sum", completions=3, parallelism=3)
    await world.pass_time(3)
    assert world.indexes() == [0, 1, 2]


async def test_two_pods_of_one_index_become_one(world: BatchWorld) -> None:
    await world.make(new_indexed(2, 2))
    name = pod_of(world, 1).metadata.name
    await world.change(kinds.POD, name, with_index_zero)
    await world.pass_time(3)
    assert world.indexes() == [0, 1]


def with_index_zero(pod: Pod) -> Pod:

    annotations = pod.metadata.annotations | {batch.COMPLETION_INDEX: "0"}
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(pod.metadata, annotations=annotations))


# backoffLimitPerIndex


async def test_an_index_fails_for_good_when_it_failed_too_often_and_the_others_go_on(world: BatchWorld) -> None:
    await world.make(new_indexed(3, 3, backoff_limit_per_index=1))
    await finish(world, 1, 1)
    assert world.indexes() == [0, 2]
    assert world.job().status.failed_indexes == ""
    await world.pass_time(12)
    assert world.indexes() == [0, 1, 2]
    assert pod_of(world, 1).metadata.annotations[batch.INDEX_FAILURES] == "1"
    assert world.job().status.failed == 1
    await finish(world, 1, 1)
    assert world.job().status.failed_indexes == "1"
    assert world.told("Failed") is None
    await world.pass_time(60)
    assert world.indexes() == [0, 2]
    await world.finish_all()
    assert world.told("Failed") == ("True", "FailedIndexes", "Job has failed indexes")
    status = world.job().status
    assert (status.completed_indexes, status.failed_indexes, status.failed) == ("0,2", "1", 2)


async def test_each_index_backs_off_by_itself(world: BatchWorld) -> None:
    await world.make(new_indexed(2, 2, backoff_limit_per_index=5))
    waits = []
    for _ in range(3):
        await finish(world, 1, 1, seconds=0)
        waited = 0
        while 1 not in world.indexes():
            await world.pass_time(1)
            waited += 1
        waits.append(round(waited, -1))
    assert waits == [10, 20, 40]
    assert world.indexes() == [0, 1]


async def test_pods_that_somebody_deletes_are_gone_when_their_indexes_have_backed_off(world: BatchWorld) -> None:
    await world.make(new_indexed(3, 2, backoff_limit_per_index=1))
    deleted = [pod.metadata.name for pod in world.pods()]
    for name in deleted:
        await world.mark_deleted(kinds.POD, name, batch.TRACKING_FINALIZER)
    await world.pass_time(15)
    assert not {pod.metadata.name for pod in world.pods()} & set(deleted)
    assert world.indexes() == [0, 1]


@pytest.mark.parametrize("policy", ["foregroundDeletion", "orphan"])
async def test_a_job_that_is_deleted_waits_for_no_index_that_backs_off(world: BatchWorld, policy: str) -> None:
    await world.make(new_indexed(1, 1, backoff_limit_per_index=5))
    for _ in range(2):
        await finish(world, 0, 1, seconds=0)
        await world.pass_time(12)
    await world.mark_deleted(kinds.JOB, world.job().metadata.name, policy)
    await world.pass_time(3)
    assert world.jobs() == []
    assert all(pod.metadata.finalizers == () for pod in world.pods())


async def test_more_failed_indexes_than_allowed_end_the_job(world: BatchWorld) -> None:
    await world.make(new_indexed(4, 4, backoff_limit_per_index=0, max_failed_indexes=1))
    await finish(world, 0, 1)
    assert world.told("FailureTarget") is None
    await finish(world, 2, 1, seconds=3)
    message = "Job has exceeded the specified maximal number of failed indexes"
    assert world.told("Failed") == ("True", "MaxFailedIndexesExceeded", message)
    assert world.job().status.failed_indexes == "0,2"
    assert world.running() == []


async def test_a_change_of_leader_forgets_no_failure_of_an_index(world: BatchWorld) -> None:
    await world.make(new_indexed(1, 1, backoff_limit_per_index=2))
    for _ in range(3):
        assert world.indexes() == [0]
        await finish(world, 0, 1, seconds=0)
        world.replica.lead(False)
        await world.pass_time(0.5)
        world.replica.lead(True)
        await world.pass_time(60)
    assert world.job().status.failed_indexes == "0"
    assert world.told("Failed")[1] == "FailedIndexes"


# podFailurePolicy


def on_exit(action: str, *values: int, operator: str = "In") -> PodFailurePolicy:
    codes = PodFailurePolicyOnExitCodesRequirement(operator=operator, values=values, container_name="main")
    return PodFailurePolicy(rules=(PodFailurePolicyRule(action=action, on_exit_codes=codes),))


async def test_an_exit_code_may_end_the_job_at_once(world: BatchWorld) -> None:
    await world.make(new_job(parallelism=2, completions=2, pod_failure_policy=on_exit("FailJob", 42)))
    name = world.running()[0].metadata.name
    await world.finish(name, 42, seconds=3)
    message = f"Container main for pod default/{name} failed with exit code 42 matching FailJob rule at index 0"
    assert world.told("Failed") == ("True", "PodFailurePolicy", message)
    assert world.running() == []


async def test_another_exit_code_is_a_failure_like_any(world: BatchWorld) -> None:
    await world.make(new_job(pod_failure_policy=on_exit("FailJob", 42)))
    await world.finish_all(1, seconds=15)
    assert world.told("FailureTarget") is None
    assert world.job().status.failed == 1
    assert len(world.running()) == 1


async def test_an_ignored_failure_is_not_counted(world: BatchWorld) -> None:
    policy = PodFailurePolicy(
        rules=(
            PodFailurePolicyRule(
                action="Ignore", on_pod_conditions=(PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget"),)
            ),
        )
    )
    await world.make(new_job(backoff_limit=0, pod_failure_policy=policy))
    name = world.running()[0].metadata.name
    await world.finish(name, 137, seconds=15, DisruptionTarget="True")
    assert world.job().status.failed == 0
    assert world.told("FailureTarget") is None
    assert len(world.running()) == 1


async def test_a_rule_may_fail_only_the_index(world: BatchWorld) -> None:
    policy = on_exit("FailIndex", 0, 1, operator="NotIn")
    await world.make(new_indexed(2, 2, backoff_limit_per_index=5, pod_failure_policy=policy))
    await finish(world, 0, 7)
    assert world.job().status.failed_indexes == "0"
    await finish(world, 1, 1)
    assert world.job().status.failed_indexes == "0"


# successPolicy


@pytest.mark.parametrize(
    ("rule", "finished", "met"),
    [
        (SuccessPolicyRule(succeeded_indexes="0,2"), (0, 2), True),
        (SuccessPolicyRule(succeeded_indexes="0,2"), (0, 1), False),
        (SuccessPolicyRule(succeeded_count=2), (1, 3), True),
        (SuccessPolicyRule(succeeded_indexes="1-3", succeeded_count=1), (0,), False),
        (SuccessPolicyRule(succeeded_indexes="1-3", succeeded_count=1), (2,), True),
    ],
)
async def test_a_success_policy_ends_the_job_early(
    world: BatchWorld, rule: SuccessPolicyRule, finished: tuple[int, ...], met: bool
) -> None:
    await world.make(new_indexed(4, 4, success_policy=SuccessPolicy(rules=(rule,))))
    for index in finished:
        await finish(world, index)
    await world.pass_time(3)
    wanted = ("True", "SuccessPolicy", "Matched rules at index 0") if met else None
    assert world.told("Complete") == world.told("SuccessCriteriaMet") == wanted
    assert len(world.running()) == (0 if met else 4 - len(finished))


async def test_a_lost_node_may_be_ignored_as_a_disruption(world: BatchWorld) -> None:
    pattern = PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget")
    policy = PodFailurePolicy(rules=(PodFailurePolicyRule(action="Ignore", on_pod_conditions=(pattern,)),))
    await world.make(new_job(backoff_limit=0, pod_failure_policy=policy))
    (pod,) = world.running()
    world.agents[pod.spec.node_name].alive = False
    await world.pass_time(20)
    await world.agents[pod.spec.node_name].wake()
    await world.pass_time(5)
    assert world.told("FailureTarget") is None
    assert world.job().status.failed == 0
    (other,) = world.running()
    assert other.metadata.name != pod.metadata.name
