"""Sidecars (init containers that restart always), and Pods that have been active for long enough."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.agent.life import stimuli
from swarmlet.agent.life.probing import Kind
from swarmlet.model.container import Container
from tests.agent.bench import Bench, new_pod, shake
from tests.agent.test_probes import HOOK, probe


def sidecar(name: str = "proxy", **fields: Any) -> Container:
    return Container(name=name, image="web:1", restart_policy="Always", **fields)


def running(*inits: str | Container, **spec: Any) -> Bench:
    bench = Bench(new_pod(inits=inits, **spec))
    bench.do_all()
    return bench


def names_running(bench: Bench) -> list[str]:
    return [name for name in ("one", "proxy", "log", "main") if bench.is_running(name)]


def stopping(bench: Bench) -> list[str]:
    return [each.container.name for each in bench.instructions(stimuli.StopContainer)]


def test_a_sidecar_runs_beside_the_others() -> None:
    bench = running(sidecar())
    assert names_running(bench) == ["proxy", "main"]
    assert (bench.status.phase, bench.condition("Initialized"), bench.condition("Ready")) == ("Running", "True", "True")
    (status,) = bench.status.init_container_statuses
    assert (status.ready, status.started, status.state.running is not None) == (True, True, True)


def test_those_after_a_sidecar_wait_until_it_has_started() -> None:
    bench = running(sidecar(startup_probe=probe()), "one")
    assert names_running(bench) == ["proxy"]
    assert (bench.status.phase, bench.condition("Initialized")) == ("Pending", "False")
    bench.probe(Kind.STARTUP, "proxy")
    bench.do_all()
    assert names_running(bench) == ["one", "proxy"]
    bench.exit("one", 0)
    bench.do_all()
    assert names_running(bench) == ["proxy", "main"]


def test_a_sidecar_that_ends_is_restarted_whatever_the_restart_policy() -> None:
    bench = running(sidecar(), restart_policy="Never")
    bench.exit("proxy", 0)
    bench.do_all()
    assert names_running(bench) == ["proxy", "main"]
    assert bench.status.init_container_statuses[0].restart_count == 1


def test_a_sidecar_that_restarts_holds_up_nobody_and_the_pod_stays_initialized() -> None:
    bench = running(sidecar(startup_probe=probe()))
    bench.probe(Kind.STARTUP, "proxy")
    bench.do_all()
    bench.exit("proxy", 1)
    bench.do_all()
    assert (bench.condition("Initialized"), bench.condition("Ready")) == ("True", "False")
    bench.exit("main", 1)
    bench.do_all()
    assert names_running(bench) == ["proxy", "main"]


def test_a_sidecar_that_is_not_ready_keeps_the_pod_from_being_ready() -> None:
    bench = running(sidecar(readiness_probe=probe()))
    assert bench.condition("Ready") == "False"
    bench.probe(Kind.READINESS, "proxy")
    assert bench.condition("Ready") == "True"


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (1, "Failed")])
def test_sidecars_do_not_keep_a_pod_from_ending(code: int, phase: str) -> None:
    bench = running(sidecar(), sidecar("log"), restart_policy="Never")
    bench.exit("main", code)
    assert bench.status.phase == "Running"
    assert stopping(bench) == ["log"]
    bench.succeed()
    assert stopping(bench) == ["proxy"]
    bench.do_all()
    assert bench.status.phase == phase
    assert names_running(bench) == []
    bench.wait(1000)
    assert bench.todo == []


def test_an_init_container_that_fails_for_good_ends_the_sidecars_too() -> None:
    bench = running(sidecar(), "one", restart_policy="Never")
    bench.exit("one", 1)
    bench.do_all()
    assert (bench.status.phase, names_running(bench)) == ("Failed", [])


def test_sidecars_are_stopped_last_and_in_reverse_within_one_grace() -> None:
    bench = running(sidecar(), sidecar("log"))
    bench.delete(grace_seconds=20)
    assert stopping(bench) == ["main"]
    bench.wait(5)
    bench.succeed()
    assert [(each.container.name, each.grace_seconds) for each in bench.todo] == [("log", 15)]
    bench.succeed()
    assert stopping(bench) == ["proxy"]
    bench.do_all()
    assert bench.finished


def test_a_sidecar_whose_turn_to_stop_has_not_come_may_not_be_killed_by_its_probe() -> None:
    bench = running(sidecar(liveness_probe=probe(), readiness_probe=probe()))
    bench.delete()
    assert bench.is_running("proxy")
    assert bench.probed() == {("proxy", "Readiness")}


def test_when_the_grace_is_over_nobody_waits_for_his_turn() -> None:
    bench = running(sidecar(), sidecar("log"))
    bench.delete(grace_seconds=20)
    bench.wait(20)
    assert [(each.container.name, each.grace_seconds) for each in bench.todo] == [
        ("main", 20),
        ("proxy", 2),
        ("log", 2),
    ]


def test_a_new_daemon_goes_on_with_sidecars() -> None:
    bench = running(sidecar(lifecycle=HOOK), "one")
    bench.exit("one", 0)
    bench.do_all()
    before = bench.status
    again = bench.restart_daemon()
    assert (again.status, again.todo) == (before, [])


# Deadlines, and Pods that their node gives up


def test_a_pod_that_was_active_for_too_long_fails() -> None:
    bench = running(sidecar(), active_deadline_seconds=60, termination_grace_period_seconds=7)
    assert bench.wake_at == bench.now + timedelta(seconds=60)
    bench.wait(59)
    assert bench.todo == []
    bench.wait(1)
    assert [each.grace_seconds for each in bench.todo] == [7]
    assert bench.status.phase == "Running"  # until it has ended
    bench.do_all()
    assert (bench.status.phase, bench.status.reason) == ("Failed", "DeadlineExceeded")
    assert bench.status.message == "Pod was active on the node longer than the specified deadline"
    assert {each.reason for each in bench.status.conditions if each.type == "Ready"} == {"PodFailed"}
    assert "DeadlineExceeded" in bench.reasons_told()
    bench.wait(1000)
    assert bench.todo == []


def test_the_deadline_counts_from_when_the_node_took_the_pod_on_whatever_daemon_runs() -> None:
    bench = running(active_deadline_seconds=60)
    bench.wait(40)
    again = bench.restart_daemon()
    again.wait(20)
    assert stopping(again) == ["main"]
    third = again.restart_daemon()
    third.do_all()
    assert (third.status.phase, third.status.reason) == ("Failed", "DeadlineExceeded")


def test_a_pod_that_never_came_to_run_meets_its_deadline_too() -> None:
    bench = Bench(new_pod(active_deadline_seconds=5))
    bench.fail("manifest unknown")
    bench.wait(5)
    assert (bench.status.phase, bench.status.reason) == ("Failed", "DeadlineExceeded")
    bench.wait(1000)
    assert bench.todo == []


def test_a_pod_that_its_node_evicts_fails_and_says_why() -> None:
    bench = running(sidecar())
    bench.feed(stimuli.Fail("Evicted", "The node was low on resource: memory.", grace_seconds=0))
    assert [each.grace_seconds for each in bench.todo] == [0, 0]  # no time for turns
    bench.do_all()
    assert (bench.status.phase, bench.status.reason) == ("Failed", "Evicted")
    assert bench.condition("DisruptionTarget") == "True"
    assert bench.status.start_time is not None
    assert bench.now - bench.status.start_time < timedelta(seconds=1)


def test_a_new_daemon_goes_on_with_the_eviction_that_the_one_before_began() -> None:
    bench = running()
    bench.feed(stimuli.Fail("Evicted", "The node was low on resource: memory."))
    again = bench.restart_daemon()
    assert stopping(again) == ["main"]
    again.do_all()
    assert (again.status.phase, again.status.reason) == ("Failed", "Evicted")


# At random


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    deadline=st.sampled_from([None, 30]),
)
def test_whatever_happens_a_deleted_pod_with_all_of_it_leaves_nothing(
    seed: int, policy: str, deadline: int | None
) -> None:
    rng = random.Random(seed)
    every = {"startup_probe": probe(), "liveness_probe": probe(), "readiness_probe": probe(), "lifecycle": HOOK}
    inits = (sidecar(**every), "one", sidecar("log"))
    main = Container(name="main", image="web:1", **every)
    bench = Bench(new_pod(main, inits=inits, restart_policy=policy, active_deadline_seconds=deadline))
    bench = shake(bench, rng, 60)
    assert bench.condition("Ready") == "False" or bench.is_running("main")
    bench.delete()
    bench = shake(bench, rng, 10)
    for _ in range(20):
        bench.do_all()
        bench.wait(120)
    assert bench.finished
    assert bench.there == {}
