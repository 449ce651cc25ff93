"""The prober on virtual time: no drift, bounded concurrency, and what a node with probed Pods shows."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

from swarmlet.agent.life.probing import Kind, Target
from swarmlet.agent.probes import prober as prober_module
from swarmlet.agent.probes.actions import Result
from swarmlet.agent.probes.prober import PodProbes, Prober
from swarmlet.model.container import Container
from swarmlet.model.probes import ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe
from tests.agent.home import IMAGE, Home
from tests.agent.test_probes import probe
from tests.fakes.runtime import Engine
from tests.virtual_time import EPOCH, VirtualClock

PODS = 100
SECONDS = 600


def target(name: str, age: float, of: Probe, kind: Kind = Kind.LIVENESS) -> Target:
    return Target(
        container_id=name, started_at=EPOCH - timedelta(seconds=age), kind=kind, probe=of,
        container=Container(name=name), pod_ip="10.0.0.1", field_path="", holds=True,
    )  # fmt: skip


class Node:
    """Answers of the containers of a node, and when each was asked."""

    def __init__(self, takes: Any = lambda: 0.0) -> None:
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.at_once = self.at_once_most = 0
        self.answer = Result(passed=True)
        self.clock = VirtualClock()
        self._takes = takes
        self.tasks: list[asyncio.Task[None]] = []
        self.prober = Prober(self.clock, self.perform, self.spawn)

    def spawn(self, work: Any) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]

    async def perform(self, each: Target) -> Result:
        self.asked[each.container.name].append(self.clock.monotonic())
        self.at_once += 1
        self.at_once_most = max(self.at_once_most, self.at_once)
        await self.clock.sleep(self._takes())
        self.at_once -= 1
        return self.answer

    def close(self) -> None:
        for task in self.tasks:
            task.cancel()


async def test_a_hundred_pods_are_probed_on_time_for_ever() -> None:
    rng = random.Random(1)
    node = Node(lambda: rng.uniform(0.001, 0.9))
    probes = PodProbes(node.prober, lambda *_: None, lambda *_: None)
    ages = {f"pod-{number}": rng.uniform(0, 100) for number in range(PODS)}
    probes.follow([target(name, age, probe(period_seconds=1 + int(age) % 10)) for name, age in ages.items()])
    await node.clock.sleep(SECONDS)
    node.close()
    for name, age in ages.items():
        period = 1 + int(age) % 10
        late = [(at + age) % period for at in node.asked[name]]
        assert max(late) < 1e-6 or min(period - each for each in late) < 1e-6, (name, late[:3])
        assert abs(len(node.asked[name]) - SECONDS / period) <= 1
    assert node.at_once_most <= prober_module.PROBES_AT_ONCE_MAX


async def test_no_more_than_so_many_are_asked_at_once() -> None:
    node = Node(lambda: 0.5)
    probes = PodProbes(node.prober, lambda *_: None, lambda *_: None)
    by_get = [target(f"get-{number}", 0, probe(), Kind.STARTUP) for number in range(PODS)]
    by_exec = probe(http_get=None, exec=ExecAction(command=("true",)))
    probes.follow([*by_get, *(target(f"exec-{number}", 0, by_exec, Kind.STARTUP) for number in range(PODS))])
    await node.clock.sleep(0.4)
    assert node.at_once == prober_module.PROBES_AT_ONCE_MAX + prober_module.EXECS_AT_ONCE_MAX
    node.close()


async def test_probes_that_hang_do_not_keep_the_others_from_being_asked() -> None:
    node = Node(lambda: 3_600.0)
    probes = PodProbes(node.prober, lambda *_: None, lambda *_: None)
    of = probe(http_get=None, exec=ExecAction(command=("sleep", "inf")), timeout_seconds=3_600)
    probes.follow([target(f"hangs-{number}", 0, of, Kind.STARTUP) for number in range(PODS)])
    await node.clock.sleep(PODS / prober_module.EXECS_AT_ONCE_MAX * prober_module.TURN_SECONDS_MAX)
    assert len(node.asked) == PODS
    node.close()


async def test_a_probe_that_takes_longer_than_its_period_skips_slots() -> None:
    node = Node(lambda: 12.0)
    PodProbes(node.prober, lambda *_: None, lambda *_: None).follow([target("slow", 0, probe())])
    await node.clock.sleep(85)
    node.close()
    assert node.asked["slow"] == [0, 20, 40, 60, 80]


async def test_what_is_not_to_be_probed_any_more_is_left_alone() -> None:
    node = Node()
    probes = PodProbes(node.prober, lambda *_: None, lambda *_: None)
    probes.follow([target("a", 0, probe(period_seconds=1)), target("b", 0, probe(period_seconds=1))])
    await node.clock.sleep(3.5)
    probes.follow([target("b", 0, probe(period_seconds=1))])
    await node.clock.sleep(10)
    node.close()
    assert (len(node.asked["a"]), len(node.asked["b"])) == (4, 14)


async def test_what_could_not_be_asked_counts_for_nothing_and_is_told() -> None:
    node, told = Node(), []
    node.answer = Result(passed=None, message="no such container")
    verdicts: list[bool] = []
    probes = PodProbes(node.prober, lambda _, verdict: verdicts.append(verdict), lambda _, text: told.append(text))
    probes.follow([target("a", 0, probe(failure_threshold=1))])
    await node.clock.sleep(45)
    node.close()
    assert verdicts == []
    assert told[0] == "Liveness probe errored and resulted in Unknown state: no such container"


async def test_what_fails_on_and_on_is_told_now_and_then() -> None:
    node, told = Node(), []
    node.answer = Result(passed=False, message="no")
    probes = PodProbes(node.prober, lambda *_: None, lambda *_: told.append(node.clock.monotonic()))
    probes.follow([target("a", 0, probe(period_seconds=1), Kind.READINESS)])
    await node.clock.sleep(1_000)
    node.close()
    assert [round(at) for at in told] == [0, 1, 2, 302, 602, 902]


# On a node


def probed(script: str = "sleep 1e9", **fields: Any) -> Container:
    return Container(name="main", image=IMAGE, command=("sh", "-c", script), **fields)


def by_exec(script: str, **fields: Any) -> Probe:
    return probe(http_get=None, exec=ExecAction(command=("sh", "-c", script)), **fields)


async def test_a_pod_is_ready_while_its_probe_says_so(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[probed(readiness_probe=by_exec("check", period_seconds=5))])
    engine.commands["check"] = 1
    async with home.running():
        await home.until(lambda: home.status(key).phase == "Running")
        await home.pause(60)
        assert not home.is_ready(key)
        engine.commands["check"] = 0
        assert await home.until(lambda: home.is_ready(key)) <= 5.1
        engine.commands["check"] = 1
        assert 10 <= await home.until(lambda: not home.is_ready(key)) <= 15.1
    (event,) = home.events("Unhealthy")
    assert (event.message, event.type) == ("Readiness probe failed: check said 1", "Warning")
    assert event.involved_object.field_path == "spec.containers{main}"


async def test_a_container_that_is_not_alive_is_restarted_by_its_probe(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[probed(liveness_probe=by_exec("check", period_seconds=2))])
    engine.commands["check"] = 0
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        await home.pause(60)
        assert home.restarts(key) == 0
        engine.commands["check"] = 1
        assert 4 <= await home.until(lambda: home.restarts(key) == 1) <= 6.5
        engine.commands["check"] = 0
        await home.pause(60)
        assert home.restarts(key) == 1
    assert [each.message for each in home.events("Killing")] == [
        "Container main failed liveness probe, will be restarted"
    ]


async def test_a_command_that_hangs_is_a_failure_in_time(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[probed(readiness_probe=by_exec("sleep 1e9", period_seconds=3, timeout_seconds=2))])
    async with home.running():
        await home.until(lambda: bool(home.events("Unhealthy")), 20)
    assert 'command timed out: "sh -c sleep 1e9" timed out after 2s' in home.events("Unhealthy")[0].message
    assert not home.is_ready(key)


async def test_a_restarted_daemon_changes_nothing_for_a_ready_pod_even_if_its_probe_fails_at_first(
    home: Home, engine: Engine
) -> None:
    key = home.bind(containers=[probed(readiness_probe=by_exec("check"))])
    engine.commands["check"] = 0
    async with home.running():
        await home.until(lambda: home.is_ready(key))
    engine.commands["check"] = 1
    async with home.running():
        await home.pause(15)
        assert home.is_ready(key)
        assert await home.until(lambda: not home.is_ready(key)) < 20


async def test_a_pod_that_ends_is_probed_no_more(home: Home, engine: Engine) -> None:
    key = home.bind(containers=[probed("trap '' TERM; sleep 1e9", liveness_probe=by_exec("check", period_seconds=1))])
    engine.commands["check"] = 0
    async with home.running():
        await home.until(lambda: home.is_ready(key))
        engine.commands["check"] = 1
        home.mark_deleted(key, grace_seconds=20)
        assert await home.until(lambda: not engine.running()) > 19
        asked = engine.execs
        await home.pause(30)
        assert engine.execs == asked
    assert "failed liveness" not in "".join(each.message for each in home.events("Killing"))


async def test_a_post_start_that_fails_has_the_container_killed_and_tried_again(home: Home, engine: Engine) -> None:
    hook = Lifecycle(post_start=LifecycleHandler(exec=ExecAction(command=("sh", "-c", "check"))))
    key = home.bind(containers=[probed(lifecycle=hook)])
    engine.commands["check"] = 1
    async with home.running():
        await home.until(lambda: home.waiting(key) == "CrashLoopBackOff")
        engine.commands["check"] = 0
        await home.until(lambda: home.is_ready(key))
    assert "PostStartHook failed: command exited with 1: check said 1" in home.events("FailedPostStartHook")[0].message


async def test_a_hook_by_a_port_without_number_says_so(home: Home) -> None:
    hook = Lifecycle(post_start=LifecycleHandler(http_get=HTTPGetAction(port="web", path="/", scheme="HTTP")))
    key = home.bind(containers=[probed(lifecycle=hook)])
    async with home.running():
        await home.until(lambda: bool(home.events("FailedPostStartHook")))
    assert "couldn't find port" in home.events("FailedPostStartHook")[0].message
    assert not home.is_ready(key)
