"""The life of a Pod, step by step, and shaken at random."""

from __future__ import annotations

import dataclasses
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.agent.life import container_life, stimuli
from swarmlet.agent.life.container_life import BackOff, Life
from swarmlet.model.container import Container
from swarmlet.model.probes import Lifecycle, LifecycleHandler, SleepAction
from swarmlet.runtime import runtime
from tests.agent.bench import Bench, new_pod, shake


def running(*names: str, **pod: object) -> Bench:
    bench = Bench(new_pod(*names, **pod))
    bench.do_all()
    return bench


# Starting


def test_a_pod_of_one_container_needs_no_sandbox() -> None:
    bench = Bench(new_pod())
    assert [type(each) for each in bench.todo] == [stimuli.FetchImage]
    bench.do_all()
    assert bench.status.phase == "Running"
    assert bench.status.pod_ip == bench.running().address


def test_a_new_pod_is_pending_and_creating() -> None:
    bench = Bench(new_pod())
    assert bench.status.phase == "Pending"
    assert bench.reason() == "ContainerCreating"
    assert bench.condition("PodScheduled") == "True"
    assert bench.condition("Initialized") == "True"
    assert bench.condition("Ready") == "False"
    assert bench.condition("PodReadyToStartContainers") == "False"


def test_a_running_pod_holds_all_its_conditions() -> None:
    bench = running()
    assert {each.status for each in bench.status.conditions} == {"True"}
    assert len(bench.status.conditions) == 5


def test_several_containers_join_a_sandbox_and_have_its_address() -> None:
    bench = Bench(new_pod("a", "b"))
    assert [type(each) for each in bench.todo] == [stimuli.StartSandbox]
    bench.succeed()
    bench.succeed()
    bench.succeed()
    sandbox = bench.running(runtime.SANDBOX)
    assert {each.sandbox for each in bench.instructions(stimuli.StartContainer)} == {sandbox.id}
    bench.do_all()
    assert bench.status.pod_ip == sandbox.address


def test_on_the_hosts_network_one_container_needs_no_sandbox_and_several_share_their_memory_by_one() -> None:
    assert not running(host_network=True).is_running(runtime.SANDBOX)
    bench = running("a", "b", host_network=True)
    assert bench.is_running(runtime.SANDBOX)
    assert bench.status.pod_ip == "10.0.0.1"


def test_a_container_that_shares_its_processes_does_so_with_a_sandbox() -> None:
    assert running(share_process_namespace=True).is_running(runtime.SANDBOX)


def test_volumes_come_before_containers() -> None:
    bench = Bench(new_pod(volume=True))
    assert bench.todo == [stimuli.MakeVolumes()]


def test_init_containers_run_one_after_the_other_and_first() -> None:
    bench = Bench(new_pod(inits=("one", "two")))
    bench.do_all()
    assert (bench.is_running("one"), bench.is_running("two"), bench.is_running("main")) == (True, False, False)
    assert bench.reason() == "PodInitializing"
    bench.exit("one", 0)
    bench.do_all()
    assert (bench.is_running("two"), bench.is_running("main")) == (True, False)
    assert bench.condition("Initialized") == "False"
    bench.exit("two", 0)
    bench.do_all()
    assert bench.status.phase == "Running"
    assert bench.condition("Initialized") == "True"


def test_an_init_container_that_fails_is_tried_again() -> None:
    bench = Bench(new_pod(inits=("one",)))
    bench.do_all()
    bench.exit("one", 1)
    bench.do_all()
    assert bench.is_running("one")
    assert bench.status.phase == "Pending"


def test_with_never_an_init_container_that_fails_fails_the_pod() -> None:
    bench = Bench(new_pod(inits=("one",), restart_policy="Never"))
    bench.do_all()
    bench.exit("one", 1)
    bench.do_all()
    assert bench.status.phase == "Failed"
    assert not bench.is_running(runtime.SANDBOX)


# What goes wrong


def test_volumes_that_fail_are_told_and_tried_again() -> None:
    bench = Bench(new_pod(volume=True))
    bench.fail('configmap "x" not found')
    assert bench.reasons_told() == ["FailedMount"]
    assert bench.reason() == "ContainerCreating"
    bench.wait(1)
    assert bench.todo == [stimuli.MakeVolumes()]


def test_a_new_config_map_ends_the_wait_for_volumes() -> None:
    bench = Bench(new_pod(volume=True))
    bench.fail()
    bench.feed(stimuli.SourceChanged())
    assert bench.todo == [stimuli.MakeVolumes()]


def test_a_failed_pull_shows_the_error_then_the_back_off() -> None:
    bench = Bench(new_pod())
    bench.fail("manifest unknown")
    assert bench.reason() == "ErrImagePull"
    assert bench.container().state.waiting.message == "manifest unknown"
    bench.wait(2)
    assert bench.reason() == "ImagePullBackOff"
    bench.wait(7.9)
    assert bench.todo == []
    bench.wait(0.1)
    assert [type(each) for each in bench.todo] == [stimuli.FetchImage]
    assert bench.reasons_told() == ["Failed", "Failed", "BackOff"]


def test_a_container_that_cannot_start_says_why() -> None:
    bench = Bench(new_pod())
    bench.succeed()
    bench.fail("exec: nope: not found")
    assert bench.reason() == "RunContainerError"
    assert bench.status.phase == "Pending"
    bench.wait(1)
    bench.do_all()
    assert bench.reason() == "Running"


@pytest.mark.parametrize(
    ("policy", "code", "phase", "runs"),
    [
        ("Always", 0, "Running", True),
        ("Always", 1, "Running", True),
        ("OnFailure", 0, "Succeeded", False),
        ("OnFailure", 1, "Running", True),
        ("Never", 0, "Succeeded", False),
        ("Never", 1, "Failed", False),
    ],
)
def test_the_restart_policy_decides(policy: str, code: int, phase: str, runs: bool) -> None:
    bench = running(restart_policy=policy)
    bench.exit(code=code)
    bench.do_all()
    assert (bench.status.phase, bench.is_running("main")) == (phase, runs)


def test_the_first_restart_is_at_once_and_the_next_wait_longer() -> None:
    bench = running()
    waits = []
    for _ in range(8):
        bench.exit()
        before = bench.now
        while not bench.todo:
            assert bench.reason() == "CrashLoopBackOff"
            assert bench.wake_at is not None
            bench.wait((bench.wake_at - bench.now).total_seconds())
        waits.append((bench.now - before).total_seconds())
        bench.do_all()
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert bench.container().restart_count == 8


def test_ten_healthy_minutes_clear_the_crashes() -> None:
    bench = running()
    for _ in range(2):
        bench.exit()
        bench.wait(10)
        bench.do_all()
    bench.wait(600)
    bench.exit()
    assert bench.todo


def test_a_crashed_container_shows_how_it_ended() -> None:
    bench = running()
    bench.exit(code=9)
    bench.do_all()
    bench.exit(code=137, oom_killed=True)
    assert bench.reason() == "CrashLoopBackOff"
    last = bench.container().last_state.terminated
    assert (last.exit_code, last.reason, last.container_id) == (137, "OOMKilled", "fake://c2")
    assert bench.condition("Ready") == "False"
    assert bench.container().restart_count == 1


def test_a_container_removed_by_hand_is_replaced() -> None:
    bench = running()
    bench.vanish()
    bench.do_all()
    assert bench.is_running("main")
    assert bench.container().last_state.terminated.reason == "ContainerStatusUnknown"


def test_a_container_restarted_by_hand_counts_as_a_restart() -> None:
    bench = running()
    bench.wait(5)
    again = bench.running()
    bench.feed(stimuli.Observed(dataclasses.replace(again, started_at=bench.now)))
    assert bench.container().restart_count == 1
    assert bench.todo == []


def test_an_end_that_is_heard_of_before_the_beginning_is_not_lost() -> None:
    bench = Bench(new_pod(restart_policy="Never"))
    bench.succeed()
    started = bench._outcome(bench.todo.pop())
    ended = dataclasses.replace(started.container, state=runtime.State.EXITED, exit_code=3, finished_at=bench.now)
    bench.feed(stimuli.Observed(ended))
    bench.feed(started)
    assert bench.status.phase == "Failed"
    assert bench.container().state.terminated.exit_code == 3


def test_without_its_sandbox_a_pod_starts_anew_on_another() -> None:
    bench = running("a", "b")
    old = bench.running(runtime.SANDBOX)
    bench.exit(runtime.SANDBOX, 137)
    bench.do_all()
    assert bench.running(runtime.SANDBOX).id != old.id
    assert old.id not in bench.there
    assert [each.restart_count for each in bench.status.container_statuses] == [1, 1]
    assert bench.status.phase == "Running"


def test_a_changed_image_replaces_the_container() -> None:
    bench = running(restart_policy="Never")
    spec = msgspec.structs.replace(bench.pod.spec, containers=(Container(name="main", image="web:2"),))
    bench.feed(stimuli.PodChanged(msgspec.structs.replace(bench.pod, spec=spec)))
    bench.do_all()
    assert bench.reason() == "Running"
    assert bench.container().restart_count == 1
    assert bench.container().image == "web:2"


def test_the_last_dead_container_is_kept_and_no_more() -> None:
    bench = running()
    for _ in range(3):
        bench.exit()
        bench.wait(300)
        bench.do_all()
    assert len(bench.there) == 2
    previous = bench.machine.container("main", previous=True)
    assert previous is not None
    assert previous.attempt == 2


# Ending


def test_a_deleted_pod_is_stopped_with_its_grace_then_removed() -> None:
    hook = Lifecycle(pre_stop=LifecycleHandler(sleep=SleepAction(seconds=1)))
    pod = new_pod()
    spec = msgspec.structs.replace(pod.spec, containers=(Container(name="main", image="web:1", lifecycle=hook),))
    bench = Bench(msgspec.structs.replace(pod, spec=spec))
    bench.do_all()
    bench.delete(grace_seconds=7)
    (stop,) = bench.todo
    assert (stop.grace_seconds, stop.container.lifecycle) == (7, hook)
    assert not bench.finished
    bench.do_all()
    assert bench.finished
    assert bench.there == {}


def test_a_shorter_grace_overtakes_a_longer_one() -> None:
    bench = running()
    bench.delete(grace_seconds=300)
    bench.feed(stimuli.PodGone())
    assert [each.grace_seconds for each in bench.todo] == [300, 2]


def test_a_pod_deleted_while_it_starts_leaves_nothing() -> None:
    bench = Bench(new_pod())
    bench.succeed()
    bench.delete()
    assert not bench.finished
    bench.do_all()
    assert bench.finished
    assert bench.there == {}


def test_a_pod_deleted_while_its_image_is_fetched_does_not_start() -> None:
    bench = Bench(new_pod())
    bench.delete()
    assert bench.finished
    bench.do_all()
    assert bench.there == {}


def test_a_stop_that_fails_is_tried_again() -> None:
    bench = running()
    bench.delete()
    bench.fail("the engine does not answer")
    assert bench.todo == []
    bench.wait(1)
    bench.do_all()
    assert bench.finished


def test_a_pod_that_has_ended_keeps_its_containers_for_their_logs() -> None:
    bench = running(restart_policy="Never")
    bench.exit(code=0)
    bench.do_all()
    assert len(bench.there) == 1
    assert bench.condition("Ready") == "False"


# Adoption


def test_a_new_daemon_goes_on_where_the_old_one_was() -> None:
    bench = running("a", "b")
    bench.exit("a")
    bench.do_all()
    before = bench.status
    again = bench.restart_daemon()
    assert again.todo == []
    assert again.status == before


def test_a_container_that_died_meanwhile_is_restarted_and_counted() -> None:
    bench = running()
    bench.exit()
    bench.do_all()
    container = bench.running()
    bench.there[container.id] = dataclasses.replace(
        container, state=runtime.State.EXITED, exit_code=5, finished_at=bench.now
    )
    again = bench.restart_daemon()
    again.wait(10)
    again.do_all()
    assert again.container().restart_count == 2
    assert again.container().last_state.terminated.exit_code == 5


def test_a_container_that_is_gone_meanwhile_counts_as_killed() -> None:
    bench = running(restart_policy="Never")
    bench.there.clear()
    again = bench.restart_daemon()
    assert again.status.phase == "Failed"
    assert again.container().state.terminated.reason == "ContainerStatusUnknown"


def test_an_ended_pod_does_not_run_again() -> None:
    bench = running(restart_policy="Never")
    bench.exit(code=0)
    again = bench.restart_daemon()
    again.do_all()
    assert again.status.phase == "Succeeded"
    assert not again.is_running("main")


def test_init_containers_are_not_run_again() -> None:
    bench = Bench(new_pod(inits=("one",)))
    bench.do_all()
    bench.exit("one", 0)
    bench.do_all()
    bench.there = {key: each for key, each in bench.there.items() if each.name != "one"}
    again = bench.restart_daemon()
    assert again.todo == []
    assert again.status.phase == "Running"


# At random


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    names=st.sampled_from([("main",), ("a", "b")]),
    inits=st.sampled_from([(), ("one",), ("one", "two")]),
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    volume=st.booleans(),
)
def test_whatever_happens_a_deleted_pod_leaves_nothing(
    seed: int, names: tuple[str, ...], inits: tuple[str, ...], policy: str, volume: bool
) -> None:
    rng = random.Random(seed)
    bench = shake(Bench(new_pod(*names, inits=inits, restart_policy=policy, volume=volume)), rng, 40)
    bench.delete()
    bench = shake(bench, rng, 10)
    for _ in range(20):
        bench.do_all()
        bench.wait(120)
    assert bench.finished
    assert bench.there == {}


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), names=st.sampled_from([("main",), ("a", "b")]), inits=st.booleans())
def test_whatever_happened_a_pod_that_always_restarts_runs_in_the_end(
    seed: int, names: tuple[str, ...], inits: bool
) -> None:
    bench = shake(Bench(new_pod(*names, inits=("one",) if inits else ())), random.Random(seed), 40)
    for _ in range(20):
        bench.do_all()
        if bench.is_running("one"):
            bench.exit("one", 0)
        bench.wait(400)
    assert bench.status.phase == "Running"
    assert bench.condition("Ready") == "True"
    assert "Succeeded" not in bench.phases
    assert "Failed" not in bench.phases


# The table


def test_every_state_can_be_reached_and_left_but_the_last() -> None:
    table = container_life.TRANSITIONS
    assert set(table) == set(Life)
    assert {life for targets in table.values() for life in targets} == set(Life)
    assert [life for life, targets in table.items() if not targets] == [Life.DONE]


def test_back_off_is_bounded() -> None:
    back_off = BackOff(container_life.PULL_DELAYS)
    waits = [back_off.fail().total_seconds() for _ in range(100)]
    assert waits[:6] == [10, 20, 40, 80, 160, 300]
    assert max(waits) == 300
