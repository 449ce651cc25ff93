"""The leader's memory of usage, and the way there: three machines, whichever leads."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from swarmlet.controllers.nodes import usage
from swarmlet.controllers.nodes.usage import Outbox, UsageMemory
from swarmlet.model.samples import ContainerSample, NodeSample, PodSample

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return AT

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def pod(name: str, namespace: str = "default") -> PodSample:
    return PodSample(
        namespace, name, f"uid-{name}", AT, 15.0, (ContainerSample("main", 5, 7), ContainerSample("b", 1, 2))
    )


def sample(node_name: str, *pods: PodSample) -> NodeSample:
    return NodeSample(node_name, AT, 15.0, 15.0, 1000, 2000, pods)


def encoded(value: NodeSample) -> bytes:
    return msgspec.msgpack.encode(value)


def memory_of(clock: Clock, *samples: NodeSample) -> UsageMemory:
    memory = UsageMemory(clock)
    memory.begin()
    for each in samples:
        memory.take(each.node_name, encoded(each))
    return memory


def test_what_nodes_tell_is_known_by_node_and_by_pod() -> None:
    memory = memory_of(Clock(), sample("b", pod("x"), pod("y", "other")), sample("a", pod("z")))
    assert [each.node_name for each in memory.nodes()] == ["a", "b"]
    assert [each.name for each in memory.pods()] == ["z", "x", "y"]
    assert [each.name for each in memory.pods("default")] == ["z", "x"]
    assert [each.name for each in memory.pods("other", "y")] == ["y"]
    found = memory.pod("b", "uid-x")
    assert found is not None
    assert (found.cpu_nanocores, found.memory_bytes) == (6, 9)
    assert memory.pod("a", "uid-x") is None


def test_the_newest_sample_stands_for_the_node() -> None:
    memory = memory_of(Clock(), sample("a", pod("old")), sample("a", pod("new")))
    assert [each.name for each in memory.pods()] == ["new"]
    assert memory.pod("a", "uid-old") is None


def test_a_sample_that_is_old_counts_as_none() -> None:
    clock = Clock()
    memory = memory_of(clock, sample("a", pod("x")))
    clock.seconds += 15 * usage.MISSED_MAX
    assert memory.pod("a", "uid-x") is not None
    clock.seconds += 1
    assert memory.pod("a", "uid-x") is None
    assert memory.nodes() == []
    assert memory.pods() == []


def test_a_machine_that_does_not_lead_remembers_nothing() -> None:
    memory = memory_of(Clock(), sample("a", pod("x")))
    memory.end()
    memory.take("a", encoded(sample("a", pod("x"))))
    assert memory.nodes() == []
    assert memory.reign_seconds() == 0


def test_a_new_reign_begins_with_nothing_and_counts_its_time() -> None:
    clock = Clock()
    memory = memory_of(clock, sample("a"))
    memory.begin()
    assert memory.nodes() == []
    clock.seconds += 4
    assert memory.reign_seconds() == 4


def test_a_removed_node_is_forgotten() -> None:
    memory = memory_of(Clock(), sample("a"), sample("b"))
    memory.forget("a")
    assert [each.node_name for each in memory.nodes()] == ["b"]


def test_the_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(usage, "NODES_MAX", 2)
    monkeypatch.setattr(usage, "SAMPLE_BYTES_MAX", 150)
    memory = memory_of(Clock(), sample("a"), sample("b"), sample("c"), sample("a", *map(pod, "xyz")))
    assert [each.node_name for each in memory.nodes()] == ["a", "b"]
    assert memory.pods() == []


def test_a_sample_that_cannot_be_read_spoils_no_other() -> None:
    memory = memory_of(Clock(), sample("a", pod("x")))
    memory.take("b", b"\xc1 of another version")
    assert [each.node_name for each in memory.nodes()] == ["a"]
    assert [each.name for each in memory.pods()] == ["x"]
    assert memory.pod("b", "uid-x") is None


def test_each_reign_is_told_a_sample_once() -> None:
    outbox = Outbox()
    assert outbox.waiting_for(("n1", 1)) == b""
    outbox.put(sample("a"))
    data = outbox.waiting_for(("n1", 1))
    assert msgspec.msgpack.decode(data, type=NodeSample) == sample("a")
    outbox.told(("n1", 1), data)
    assert outbox.waiting_for(("n1", 1)) == b""
    assert outbox.waiting_for(("n2", 2)) == data, "a new leader knows nothing"


def test_a_sample_that_came_while_another_was_told_still_waits() -> None:
    outbox = Outbox()
    outbox.put(sample("a"))
    data = outbox.waiting_for(("n1", 1))
    outbox.put(sample("a", pod("x")))
    outbox.told(("n1", 1), data)
    assert outbox.waiting_for(("n1", 1)) != b""
