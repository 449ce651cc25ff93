"""The load generator itself: what it sends to, what it calls dropped, and that it adds up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tools.load.counting import Count
from tools.load.generator import Generator, is_whole
from tools.load.targets import Targets, is_usable

OK = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes"


def pod(name: str = "web-1", *, node: str = "h1", ready: str = "True", ip: str = "127.0.0.1", **metadata: str) -> Any:
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"nodeName": node},
        "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": ready}]},
    }


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        (pod(), True),
        (pod(ready="False"), False),
        (pod(ip=""), False),
        (pod(deletionTimestamp="2026-01-01T00:00:00Z"), False),
        ({"metadata": {"name": "new"}, "spec": {}}, False),
    ],
)
def test_only_what_a_load_balancer_would_use_is_used(value: Any, usable: bool) -> None:
    assert is_usable(value) is usable


def test_targets_follow_the_pods() -> None:
    targets = Targets("h1")
    targets.take(pod("a"))
    targets.take(pod("b", node="h2"))
    assert (targets.everywhere, set(targets.near)) == ({"a", "b"}, {"a"})
    targets.take(pod("a", deletionTimestamp="2026-01-01T00:00:00Z"))
    targets.take(pod("b", node="h2"), gone=True)
    assert (targets.everywhere, targets.near) == (set(), {})


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (OK, True),
        (b"HTTP/1.0 200 OK\r\n\r\n", True),
        (OK[:-1], False),
        (b"HTTP/1.0 503 No\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Le", False),
        (b"", False),
    ],
)
def test_an_answer_is_whole_or_dropped(answer: bytes, whole: bool) -> None:
    assert is_whole(answer) is whole


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[bytes], Any]]:
    """Start servers that answer with the same bytes each time and close; return their ports."""
    servers: list[asyncio.Server] = []

    async def start(answer: bytes) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return servers[-1].sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()


async def run(port: int, rounds: int, targets: Targets) -> Count:
    left = iter(range(rounds))
    return await Generator(targets, port=port, rate=1000).run(lambda: next(left, None) is not None)


@pytest.mark.parametrize(("answer", "failed"), [(OK, 0), (b"", 5)])
async def test_each_request_is_counted(serve: Callable[[bytes], Any], answer: bytes, failed: int) -> None:
    targets = Targets("h1")
    targets.take(pod())
    count = await run(await serve(answer), 5, targets)
    assert (count.requests, count.failed, count.served) == (5, failed, {} if failed else {"web-1": 5})
    assert len(count.failures) == failed


async def test_a_server_that_is_gone_drops_requests(serve: Callable[[bytes], Any]) -> None:
    targets = Targets("h1")
    targets.take(pod())
    count = await run(1, 2, targets)
    assert (count.requests, count.failed) == (2, 2)
    assert "ConnectionRefusedError" in count.failures[0]


async def test_time_without_any_pod_is_told_once_there_was_one() -> None:
    targets = Targets("h1")
    assert (await run(1, 3, targets)).idle_seconds == 0
    generator = Generator(targets, port=1, rate=1000)
    steps = [lambda: None, lambda: targets.take(pod("x", node="h2")), lambda: targets.take(pod("x"), gone=True)]

    def goes_on() -> bool:
        if steps:
            steps.pop(0)()
            return True
        return False

    count = await generator.run(goes_on)
    assert (count.requests, round(count.idle_seconds, 4)) == (0, 0.001)


def test_counts_of_several_add_up() -> None:
    one = Count(requests=2, failed=1, failures=["a: x"], served={"a": 1}, idle_seconds=0.5)
    other = Count.from_json(Count(requests=3, served={"a": 1, "b": 2}, milliseconds_max=7.0).to_json())
    whole = Count.total([one, other])
    assert (whole.requests, whole.failed, whole.served) == (5, 1, {"a": 2, "b": 2})
    assert (whole.failures, whole.idle_seconds, whole.milliseconds_max) == (["a: x"], 0.5, 7.0)
