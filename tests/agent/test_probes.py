"""What probes and hooks do to a Pod, step by step."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from swarmlet.agent.life import stimuli
from swarmlet.agent.life.probing import Gauge, Kind, next_slot
from swarmlet.model.container import Container
from swarmlet.model.probes import ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe
from tests.agent.bench import Bench, new_pod
from tests.virtual_time import EPOCH

HOOK = Lifecycle(post_start=LifecycleHandler(exec=ExecAction(command=("warm-up",))))


def probe(**fields: Any) -> Probe:
    given = {"http_get": HTTPGetAction(port=80)} | fields
    defaults = {"timeout_seconds": 1, "period_seconds": 10, "success_threshold": 1, "failure_threshold": 3}
    return Probe(**(defaults | given))


def running(pod_spec: dict[str, Any] | None = None, **container: Any) -> Bench:
    bench = Bench(new_pod(Container(name="main", image="web:1", **container), **(pod_spec or {})))
    bench.do_all()
    return bench


def killing(bench: Bench) -> list[str]:
    return [each.message for each in bench.told if each.reason == "Killing"]


# Readiness


def test_without_probes_a_container_is_ready_once_it_runs() -> None:
    bench = running()
    assert bench.probed() == set()
    assert (bench.container().ready, bench.container().started) == (True, True)


def test_readiness_decides_whether_the_pod_is_ready() -> None:
    bench = running(readiness_probe=probe())
    assert (bench.status.phase, bench.container().ready, bench.container().started) == ("Running", False, True)
    assert bench.condition("Ready") == bench.condition("ContainersReady") == "False"
    assert "containers with unready status: [main]" in {each.message for each in bench.status.conditions}
    bench.probe(Kind.READINESS)
    assert (bench.condition("Ready"), bench.container().ready) == ("True", True)
    bench.probe(Kind.READINESS, passed=False)
    assert bench.condition("Ready") == "False"
    assert bench.todo == []


def test_a_restarted_container_has_to_become_ready_anew() -> None:
    bench = running(readiness_probe=probe())
    bench.probe(Kind.READINESS)
    bench.exit()
    bench.do_all()
    assert bench.is_running("main")
    assert bench.condition("Ready") == "False"


def test_news_of_an_earlier_run_says_nothing_of_this_one() -> None:
    bench = running(readiness_probe=probe())
    (target,) = bench.machine.probe_targets()
    bench.exit()
    bench.do_all()
    bench.feed(stimuli.Probed("main", target.container_id, Kind.READINESS, passed=True))
    assert bench.condition("Ready") == "False"


def test_a_pod_that_ends_is_asked_for_readiness_only_and_stays_ready_until_it_has_ended() -> None:
    bench = running(readiness_probe=probe(), liveness_probe=probe())
    bench.probe(Kind.READINESS)
    bench.delete()
    assert bench.probed() == {("main", "Readiness")}
    assert bench.condition("Ready") == "True"
    bench.probe(Kind.READINESS, passed=False)
    assert bench.condition("Ready") == "False"
    bench.do_all()
    assert bench.probed() == set()


# Liveness


def test_a_container_that_fails_its_liveness_probe_is_restarted() -> None:
    bench = running(liveness_probe=probe())
    bench.probe(Kind.LIVENESS, passed=False)
    (stop,) = bench.todo
    assert stop.grace_seconds == 30
    assert killing(bench) == ["Container main failed liveness probe, will be restarted"]
    assert bench.probed() == set()
    bench.do_all()
    assert bench.container().restart_count == 1
    assert bench.probed() == {("main", "Liveness")}


@pytest.mark.parametrize(("policy", "phase", "runs"), [("OnFailure", "Running", True), ("Never", "Failed", False)])
def test_the_restart_policy_decides_what_follows_a_failed_liveness_probe(policy: str, phase: str, runs: bool) -> None:
    bench = running({"restart_policy": policy}, liveness_probe=probe())
    bench.probe(Kind.LIVENESS, passed=False)
    bench.do_all()
    assert (bench.status.phase, bench.is_running("main")) == (phase, runs)
    assert killing(bench)[0].endswith("will be restarted") is runs


def test_a_container_killed_for_its_liveness_is_restarted_though_it_ended_well() -> None:
    bench = running({"restart_policy": "OnFailure"}, liveness_probe=probe())
    bench.probe(Kind.LIVENESS, passed=False)
    bench.todo.clear()
    bench.exit(code=0)
    bench.do_all()
    assert bench.is_running("main")


def test_a_probe_may_ask_for_another_grace() -> None:
    bench = running(liveness_probe=probe(termination_grace_period_seconds=5))
    bench.probe(Kind.LIVENESS, passed=False)
    assert [each.grace_seconds for each in bench.todo] == [5]


def test_failing_again_and_again_backs_off() -> None:
    bench = running(liveness_probe=probe())
    for _ in range(2):
        bench.probe(Kind.LIVENESS, passed=False)
        bench.do_all()
    assert bench.reason() == "CrashLoopBackOff"


# Startup


def test_until_it_has_started_nothing_else_is_asked() -> None:
    bench = running(startup_probe=probe(), liveness_probe=probe(), readiness_probe=probe())
    assert bench.probed() == {("main", "Startup")}
    assert (bench.container().started, bench.condition("Ready")) == (False, "False")
    bench.probe(Kind.STARTUP)
    assert bench.probed() == {("main", "Liveness"), ("main", "Readiness")}
    assert (bench.container().started, bench.condition("Ready")) == (True, "False")
    bench.probe(Kind.READINESS)
    assert bench.condition("Ready") == "True"


def test_a_container_that_does_not_start_is_restarted() -> None:
    bench = running(startup_probe=probe())
    bench.probe(Kind.STARTUP, passed=False)
    assert killing(bench) == ["Container main failed startup probe, will be restarted"]
    bench.do_all()
    assert bench.container().restart_count == 1
    assert bench.probed() == {("main", "Startup")}


# postStart


def test_a_container_counts_as_running_once_its_post_start_is_done() -> None:
    bench = Bench(new_pod(Container(name="main", image="web:1", lifecycle=HOOK, readiness_probe=probe())))
    bench.succeed()
    bench.succeed()
    assert [type(each) for each in bench.todo] == [stimuli.RunPostStart]
    assert (bench.status.phase, bench.reason(), bench.probed()) == ("Pending", "ContainerCreating", set())
    bench.do_all()
    assert (bench.status.phase, bench.reason(), bench.probed()) == ("Running", "Running", {("main", "Readiness")})


def test_a_container_whose_post_start_fails_is_killed_and_tried_again() -> None:
    bench = Bench(new_pod(Container(name="main", image="web:1", lifecycle=HOOK)))
    bench.succeed()
    bench.succeed()
    bench.fail("command exited with 1")
    assert bench.reasons_told()[-2:] == ["FailedPostStartHook", "Killing"]
    assert [type(each) for each in bench.todo] == [stimuli.StopContainer]
    assert bench.reason() == "PostStartHookError"
    bench.do_all()
    assert bench.reason() == "Running"
    assert bench.container().restart_count == 1


def test_a_post_start_that_ends_after_its_container_says_nothing_of_the_next() -> None:
    bench = Bench(new_pod(Container(name="main", image="web:1", lifecycle=HOOK)))
    bench.succeed()
    bench.succeed()
    hook = bench.todo.pop()
    bench.exit()
    bench.succeed()
    bench.succeed()
    assert bench.reason() == "ContainerCreating"
    bench.feed(stimuli.HookEnded("main", hook.container_id, ""))
    assert bench.reason() == "ContainerCreating"


# A daemon that starts anew


def test_a_new_daemon_keeps_what_was_thought_of_a_container() -> None:
    bench = running(startup_probe=probe(), readiness_probe=probe(), lifecycle=HOOK)
    bench.probe(Kind.STARTUP)
    bench.probe(Kind.READINESS)
    before = bench.status
    again = bench.restart_daemon()
    assert again.status == before
    assert again.todo == []
    assert again.probed() == {("main", "Readiness")}


def test_a_new_daemon_believes_nothing_of_a_container_that_was_restarted_meanwhile() -> None:
    bench = running(readiness_probe=probe())
    bench.probe(Kind.READINESS)
    old = bench.status
    bench.exit()
    bench.do_all()
    bench.status = old
    assert bench.restart_daemon().condition("Ready") == "False"


def test_a_new_daemon_believes_nothing_of_a_container_that_somebody_restarted_by_hand_meanwhile() -> None:
    bench = running(readiness_probe=probe())
    bench.probe(Kind.READINESS)
    bench.wait(5)
    container = bench.running()
    bench.there[container.id] = dataclasses.replace(container, started_at=bench.now)
    assert bench.restart_daemon().condition("Ready") == "False"


def test_a_new_daemon_runs_a_post_start_of_which_nothing_is_known() -> None:
    bench = Bench(new_pod(Container(name="main", image="web:1", lifecycle=HOOK)))
    bench.succeed()
    bench.succeed()
    again = bench.restart_daemon()
    assert [type(each) for each in again.todo] == [stimuli.RunPostStart]


# Counting, and slots


@pytest.mark.parametrize(
    ("results", "verdicts"),
    [("+", "r"), ("--+", "..r"), ("+--+", "r..."), ("+---", "r..u"), ("+---+", "r..ur"), ("+--+---", "r.....u")],
)
def test_results_in_a_row_decide(results: str, verdicts: str) -> None:
    gauge = Gauge(probe(), holds=False)
    words = {True: "r", False: "u", None: "."}
    assert "".join(words[gauge.take(passed=each == "+")] for each in results) == verdicts


def test_a_success_threshold_asks_for_several_in_a_row() -> None:
    gauge = Gauge(probe(success_threshold=2), holds=False)
    assert [gauge.take(passed=each) for each in (True, False, True, True)] == [None, None, None, True]


def test_slots_are_a_period_apart_whenever_one_asks() -> None:
    assert [next_slot(0.5, 10, now) for now in (0, 0.5, 3, 10.4, 10.5, 99)] == [0.5, 10.5, 10.5, 10.5, 20.5, 100.5]


@pytest.mark.parametrize(
    ("age", "kind", "holds", "wait"),
    [
        (0, Kind.LIVENESS, True, 3),  # initialDelaySeconds
        (-3600, Kind.LIVENESS, True, 3),  # the machine's clock was put back
        (2, Kind.READINESS, False, 1),
        (5, Kind.READINESS, False, 0),  # it waits to serve
        (5, Kind.READINESS, True, 8),  # a daemon that starts anew keeps to the slots
        (34, Kind.LIVENESS, True, 9),
    ],
)
def test_the_first_probe_comes_after_its_delay_and_then_in_its_slot(
    age: float, kind: Kind, holds: bool, wait: float
) -> None:
    bench = running(readiness_probe=probe())
    (target,) = bench.machine.probe_targets()
    found = dataclasses.replace(target, kind=kind, holds=holds, probe=probe(initial_delay_seconds=3))
    assert found.first_due(EPOCH + timedelta(seconds=age))[0] == wait
