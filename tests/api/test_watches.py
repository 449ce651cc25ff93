"""The fan-out of changes to watches, without HTTP: who is told what, how often it is made, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import cast

import pytest
import structlog

from swarmlet.api.queries import ListOptions
from swarmlet.api.reading import broadcasts, feeds, lines, selection, streams, watches
from swarmlet.api.reading.broadcasts import Interest, Shape
from swarmlet.api.reading.feeds import Feed
from swarmlet.api.reading.media import Form
from swarmlet.api.reading.watches import Hub
from swarmlet.api.targets import Target
from swarmlet.model import kinds
from swarmlet.store.commands import Delete, Key, Put
from tests.api.conftest import DirectReplica, FakeClock


class Wire:
    """A transport that takes what it is given; `full`: it has not sent that yet."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.full = False

    def write(self, data: bytes) -> None:
        self.chunks.append(data)

    def get_write_buffer_size(self) -> int:
        return 1 if self.full else 0

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int) -> None: ...


class Asking:
    """A request whose connection is a `Wire` that is never full."""

    def __init__(self, wire: Wire) -> None:
        self.transport = wire
        self.writer = self

    async def drain(self) -> None: ...


@pytest.fixture
def hub(replica: DirectReplica) -> Hub:
    return Hub(replica.view, FakeClock())


def interest(name: str = "", labels: str = "", namespace: str = "", form: Form = Form.OBJECT) -> Interest:
    fields = f"metadata.name={name}" if name else ""
    options = ListOptions(label_selector=labels, field_selector=fields)
    target = Target(kinds.CONFIG_MAP, namespace)
    shape = Shape(kinds.CONFIG_MAP, form, include="Metadata" if form is Form.TABLE else "")
    return Interest(shape, namespace, "", labels, fields, selection.of(target, options))


def flowing(hub: Hub, of: Interest) -> Wire:
    wire = Wire()
    hub.open(of).flow(cast("asyncio.WriteTransport", wire))
    return wire


def write(replica: DirectReplica, *names: str, **labels: str) -> None:
    for name in names:
        metadata = {"name": name, "namespace": "default", "labels": labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        replica.apply([Put(key(name), json.dumps(body).encode())])


def key(name: str) -> Key:
    return Key("configmaps", "default", name)


async def turns() -> None:
    """Let the event loop do all that is due."""
    for _ in range(50):
        await asyncio.sleep(0)


def names(data: bytes) -> list[tuple[str, str]]:
    events = [json.loads(line) for line in data.splitlines() if line.startswith(b"{")]
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


async def test_an_event_is_made_once_for_all_who_see_it_the_same_way(
    hub: Hub, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []
    event = lines.event
    monkeypatch.setattr(lines, "event", lambda *given: made.append(event(*given)) or made[-1])
    wires = [flowing(hub, each) for each in (interest(), interest(), interest("a"), interest(labels="color=red"))]
    write(replica, "a", color="red")
    await turns()
    assert len(made) == 1
    assert all(wire.chunks[0] is made[0] for wire in wires)


async def test_each_sees_its_own_namespace_name_and_selector(hub: Hub, replica: DirectReplica) -> None:
    everything, red, named = (flowing(hub, each) for each in (interest(), interest(labels="color=red"), interest("b")))
    elsewhere = flowing(hub, interest(namespace="other"))
    write(replica, "a", "b", color="red")
    await turns()
    write(replica, "a", color="blue")
    replica.apply([Delete(key("b"))])
    await turns()
    assert names(b"".join(red.chunks)) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("DELETED", "b")]
    assert names(b"".join(named.chunks)) == [("ADDED", "b"), ("DELETED", "b")]
    assert names(b"".join(everything.chunks)) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
    ]
    assert elsewhere.chunks == []


async def test_changes_that_wait_together_are_written_together(hub: Hub, replica: DirectReplica) -> None:
    wire = flowing(hub, interest())
    write(replica, "a", "b", "c")
    await turns()
    assert [len(names(chunk)) for chunk in wire.chunks] == [3]


async def test_a_feed_is_not_told_what_was_before_it(hub: Hub, replica: DirectReplica) -> None:
    first = flowing(hub, interest())
    write(replica, "a")
    second = flowing(hub, interest())
    write(replica, "b")
    await turns()
    assert names(b"".join(first.chunks)) == [("ADDED", "a"), ("ADDED", "b")]
    assert names(b"".join(second.chunks)) == [("ADDED", "b")]


async def test_a_slow_reader_keeps_the_order_and_holds_up_nobody(hub: Hub, replica: DirectReplica) -> None:
    slow, quick, feed = Wire(), flowing(hub, interest()), hub.open(interest())
    feed.flow(cast("asyncio.WriteTransport", slow))
    slow.full = True
    write(replica, "a")
    await turns()
    slow.full = False
    write(replica, "b")
    await turns()
    assert names(b"".join(quick.chunks)) == [("ADDED", "a"), ("ADDED", "b")]
    assert slow.chunks == []
    async with asyncio.timeout(1):
        await feed.wait()
    assert names(feed.take(1)) == [("ADDED", "a")]
    assert names(feed.take(1)) == [("ADDED", "b")]
    write(replica, "c")
    await turns()
    assert names(b"".join(slow.chunks)) == [("ADDED", "c")]


@pytest.mark.parametrize(("limit", "value"), [("QUEUE_LINES_MAX", 2), ("QUEUE_BYTES_MAX", 300)])
async def test_a_feed_that_lags_too_far_is_cut(
    hub: Hub, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(feeds, limit, value)
    feed, other = hub.open(interest()), hub.open(interest("c"))
    write(replica, "a", "b", "c")
    await turns()
    assert (feed.cut, feed.take(1)) == ("lagging", b"")
    assert names(other.take(1)) == [("ADDED", "c")]


async def test_others_have_their_turn_while_many_are_told(
    hub: Hub, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "WORK_PER_TURN", 2)
    wires = [flowing(hub, interest()) for _ in range(6)]
    write(replica, "a")
    told = []
    for _ in range(4):
        await asyncio.sleep(0)
        told.append(sum(len(wire.chunks) for wire in wires))
    assert told == [2, 4, 6, 6]


async def test_what_cannot_be_shown_ends_those_who_asked_for_it_alone(
    hub: Hub, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = structlog.testing.CapturingLogger()
    monkeypatch.setattr(watches, "log", log)
    monkeypatch.delattr("swarmlet.api.tables.table.Renderer.table")
    rows, objects = hub.open(interest(form=Form.TABLE)), flowing(hub, interest())
    write(replica, "a")
    await turns()
    assert rows.cut == "failed"
    assert [call.method_name for call in log.calls] == ["exception"]
    assert ("ADDED", "a") in names(b"".join(objects.chunks))


async def test_when_too_much_waits_everybody_lists_anew(
    hub: Hub, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "BATCHES_MAX", 2)
    opened: list[Feed] = []
    for name in ("a", "b", "c"):
        opened.append(hub.open(interest()))
        write(replica, name)
    await turns()
    assert [feed.cut for feed in opened] == ["lagging"] * 3


async def test_no_timer_runs_without_a_watch(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "BOOKMARK_SECONDS", 0.0)
    feed = hub.open(interest(), bookmarks=True)
    async with asyncio.timeout(1):
        await feed.wait()
    assert b"BOOKMARK" in feed.take(1)
    hub.release(interest(), feed)
    await turns()
    assert hub._bookmarks is None


async def test_of_many_who_begin_at_once_a_few_are_written_to_in_a_turn() -> None:
    wires, gate = [Wire() for _ in range(9)], asyncio.Semaphore(3)
    began = [streams._Stream(Asking(wire), Feed(after=0), gate).run(iter((b"x",))) for wire in wires]
    tasks = [asyncio.ensure_future(each) for each in began]
    written = 0
    while written < len(wires):
        await asyncio.sleep(0)
        before, written = written, sum(len(wire.chunks) for wire in wires)
        assert written - before <= 3
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_others_have_their_turn_while_many_selectors_are_asked(
    hub: Hub, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "WORK_PER_TURN", 2)
    monkeypatch.setattr(broadcasts, "LOOKS_PER_WRITE", 1)
    asked: list[str] = []
    type_of = Interest.type_of
    monkeypatch.setattr(
        Interest, "type_of", lambda self, change: asked.append(self.label_selector) or type_of(self, change)
    )
    for number in range(6):
        flowing(hub, interest(labels=f"color={number}"))
    write(replica, "a", color="red")
    told = []
    for _ in range(4):
        await asyncio.sleep(0)
        told.append(len(asked))
    assert told == [1, 3, 5, 6]


async def test_what_is_deleted_counts_as_what_is_written(
    hub: Hub, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(replica, "a", "b", "c")
    monkeypatch.setattr(broadcasts, "BYTES_MAX", 200)
    wire = flowing(hub, interest())
    for name in ("a", "b", "c"):
        replica.apply([Delete(key(name))])
    await turns()
    assert [len(names(chunk)) for chunk in wire.chunks] == [2, 1]


async def test_a_stream_that_has_ended_writes_nothing_more(hub: Hub, replica: DirectReplica) -> None:
    wire, feed = Wire(), hub.open(interest())
    stream = streams._Stream(Asking(wire), feed, asyncio.Semaphore())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await stream.run(iter(()))
    write(replica, "a")
    await turns()
    assert wire.chunks == []


def test_looking_for_few_among_many_is_done_in_parts() -> None:
    clock = FakeClock()

    def looking() -> Iterator[bytes]:
        for number in range(6):
            clock.time += timedelta(seconds=0.0006)
            yield b"found" if number == 4 else b""

    assert list(streams._pieces(looking(), clock)) == [b"", b"", b"found"]
