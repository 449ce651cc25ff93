"""Sampling what a node and its Pods use, in virtual time."""

from __future__ import annotations

import asyncio
import random

import pytest
import structlog

from swarmlet.agent.pressure import usage
from swarmlet.agent.pressure.usage import UsageSampler
from swarmlet.model.samples import NodeSample
from swarmlet.runtime import runtime
from tests.fakes.runtime import Engine, FakeRuntime
from tests.virtual_time import VirtualClock

PERIOD = 15.0


class Node:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.engine = Engine(self.clock, images=["busybox:lab"])
        self.runtime = FakeRuntime(self.engine)
        self.samples: list[NodeSample] = []
        self._delivered = asyncio.Event()
        self.sampler = UsageSampler(
            node_name="n1",
            engine=self.runtime,
            clock=self.clock,
            rng=random.Random(3),
            period_seconds=PERIOD,
            containers=self.engine.running,
            deliver=self._deliver,
        )

    def _deliver(self, sample: NodeSample) -> None:
        self.samples.append(sample)
        self._delivered.set()

    async def next_sample(self) -> None:
        self._delivered.clear()
        await self._delivered.wait()

    async def start(self, pod: str, name: str = "main") -> runtime.Container:
        identity = runtime.PodIdentity(f"uid-{pod}", "default", pod)
        return await self.runtime.start(runtime.ContainerSpec(pod=identity, name=name, image="busybox:lab"))

    def pods(self) -> dict[str, list[tuple[str, int, int]]]:
        return {
            pod.name: [(each.name, each.cpu_nanocores, each.memory_bytes) for each in pod.containers]
            for pod in self.samples[-1].pods
        }


@pytest.fixture
async def node():
    node = Node()
    task = asyncio.create_task(node.sampler.run())
    yield node
    task.cancel()


async def test_two_measurements_make_a_rate(node: Node) -> None:
    node.engine.load_cores = 0.25
    await node.start("a")
    await asyncio.sleep(PERIOD * 2.5)
    sample = node.samples[-1]
    assert (sample.node_name, sample.period_seconds, round(sample.window_seconds, 3)) == ("n1", PERIOD, PERIOD)
    assert node.pods() == {"a": [("main", 250_000_000, 16 * 1024 * 1024)]}
    assert sample.cpu_nanocores == 250_000_000


async def test_a_rate_follows_the_load(node: Node) -> None:
    await node.start("a")
    await asyncio.sleep(PERIOD * 2.5)
    node.engine.load_cores = 1.0
    await asyncio.sleep(PERIOD * 2)
    assert node.pods()["a"][0][1] == 1_000_000_000


async def test_what_has_just_begun_is_left_out_and_what_has_lasted_a_little_is_not(node: Node) -> None:
    node.engine.load_cores = 0.5
    await node.next_sample()
    await node.next_sample()
    await asyncio.sleep(2)
    await node.start("early")
    await asyncio.sleep(PERIOD - 4)
    await node.start("late")
    await asyncio.sleep(3)
    assert list(node.pods()) == ["early"]
    assert node.pods()["early"][0][1] == 500_000_000
    assert 12 < node.samples[-1].pods[0].window_seconds < 14
    await asyncio.sleep(PERIOD)
    assert sorted(node.pods()) == ["early", "late"]


async def test_a_pod_is_told_whole_or_not_at_all_and_without_its_sandbox(node: Node) -> None:
    await node.runtime.start_sandbox(
        runtime.ContainerSpec(
            pod=runtime.PodIdentity("uid-a", "default", "a"), name=runtime.SANDBOX, image="busybox:lab"
        )
    )
    await node.start("a", "one")
    await node.start("a", "two")
    await asyncio.sleep(PERIOD * 2.5)
    assert [name for name, _, _ in node.pods()["a"]] == ["one", "two"]
    await node.next_sample()
    await asyncio.sleep(PERIOD - 3)
    await node.start("a", "three")
    await asyncio.sleep(4)
    assert "a" not in node.pods(), "nobody knows yet what its third container uses"


async def test_a_container_that_ended_meanwhile_is_no_part(node: Node) -> None:
    container = await node.start("a")
    await asyncio.sleep(PERIOD * 2.5)
    node.engine.kill(container.id)
    await asyncio.sleep(PERIOD)
    assert node.pods() == {}


async def test_an_engine_that_is_down_is_passed_over(node: Node) -> None:
    await node.start("a")
    await asyncio.sleep(PERIOD * 2.5)
    count = len(node.samples)
    node.engine.down = "no answer"
    await asyncio.sleep(PERIOD * 2)
    assert len(node.samples) == count
    node.engine.down = ""
    await asyncio.sleep(PERIOD)
    assert node.samples[-1].window_seconds == pytest.approx(PERIOD * 3)


async def test_a_failure_is_told_once_and_ends_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    logged = structlog.testing.CapturingLogger()
    monkeypatch.setattr(usage, "log", logged)

    async def broken(_ids: object) -> None:
        raise KeyError("MemAvailable")

    working = node.runtime.usage
    node.runtime.usage = broken
    await asyncio.sleep(PERIOD * 4)
    node.runtime.usage = working
    await asyncio.sleep(PERIOD * 3)
    assert [(call.method_name, call.args) for call in logged.calls] == [
        ("warning", ("usage_not_measured",)),
        ("info", ("usage_measured_again",)),
    ]
    assert node.samples


async def test_nodes_do_not_sample_at_the_same_moment() -> None:
    times = []
    for seed in range(8):
        node = Node()
        node.sampler._rng = random.Random(seed)
        task = asyncio.create_task(node.sampler.run())
        await asyncio.sleep(PERIOD * 2)
        times.append(round(node.samples[0].at.timestamp() % PERIOD, 1))
        task.cancel()
    assert len(set(times)) > 5
