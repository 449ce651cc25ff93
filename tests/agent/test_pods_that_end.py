"""Pods of Jobs on their node: restartPolicy Never and OnFailure, and Pods whose end somebody waits for."""

from __future__ import annotations

import pytest

from swarmlet.model import batch, objects
from swarmlet.model.pod import Pod
from tests.agent.bench import Bench, new_pod


def held(pod: Pod) -> Pod:
    return objects.with_metadata(pod, finalizers=(batch.TRACKING_FINALIZER,))


def running(**spec: str) -> Bench:
    bench = Bench(held(new_pod(**spec)))
    bench.do_all()
    assert bench.status.phase == "Running"
    return bench


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (3, "Failed")])
def test_with_never_the_first_end_is_the_pods(code: int, phase: str) -> None:
    bench = running(restart_policy="Never")
    bench.exit(code=code)
    bench.wait(1000)
    assert bench.status.phase == phase
    assert bench.status.container_statuses[0].restart_count == 0
    assert bench.status.container_statuses[0].state.terminated.exit_code == code
    assert bench.todo == []


def test_with_on_failure_a_failed_container_starts_anew_until_it_succeeds() -> None:
    bench = running(restart_policy="OnFailure")
    for restarts in (1, 2):
        bench.exit(code=1)
        bench.wait(60)
        bench.do_all()
        assert bench.status.container_statuses[0].restart_count == restarts
        assert bench.status.phase == "Running"
    bench.exit(code=0)
    bench.wait(1000)
    assert bench.status.phase == "Succeeded"
    assert bench.status.container_statuses[0].restart_count == 2
    assert bench.todo == []


def test_with_never_an_init_container_that_fails_ends_the_pod() -> None:
    bench = Bench(held(new_pod(inits=("first",), restart_policy="Never")))
    while "first" not in {each.name for each in bench.there.values()}:
        bench.succeed()
    bench.exit("first", code=1)
    assert bench.status.phase == "Failed"


@pytest.mark.parametrize("policy", ["Never", "OnFailure", "Always"])
def test_a_deleted_pod_that_is_held_tells_that_it_failed(policy: str) -> None:
    bench = running(restart_policy=policy)
    bench.delete()
    assert bench.status.phase == "Running"
    bench.do_all()
    assert bench.finished
    assert bench.machine.wants_status
    assert bench.status.phase == "Failed"


def test_a_deleted_pod_that_never_ran_tells_that_it_failed() -> None:
    bench = Bench(held(new_pod(restart_policy="Never")))
    bench.delete()
    bench.do_all()
    assert bench.finished
    assert bench.status.phase == "Failed"


def test_a_pod_that_had_succeeded_stays_so_when_it_is_deleted() -> None:
    bench = running(restart_policy="Never")
    bench.exit(code=0)
    bench.delete()
    bench.do_all()
    assert bench.status.phase == "Succeeded"
