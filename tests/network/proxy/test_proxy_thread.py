"""The proxy in its own thread: what is handed over to it, and back."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from swarmlet.clock import SystemClock
from swarmlet.model.services import ServicePort
from swarmlet.network import own_loop
from swarmlet.network.proxy import thread
from swarmlet.network.proxy.fronts import Front
from swarmlet.network.proxy.mirror import Feed, Mirror
from swarmlet.network.proxy.poll import ROUNDS_MAX, Poll
from swarmlet.network.services.desired import DesiredServices, Listener, Service
from swarmlet.store.commands import Key
from tests.network.cluster import Cluster, endpoint, key

ADDRESS, POD = f"127.43.{os.getpid() % 250 + 1}.2", f"127.44.{os.getpid() % 250 + 1}.2"


class Sink:
    """Takes down what is told, and in which thread."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[Key, int, str]] = asyncio.Queue()

    def port_refused(self, service: Key, front: Front, why: str) -> None:
        self.told.put_nowait((service, front.port, threading.current_thread().name))


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    writer.close()


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(ADDRESS, port)
    writer.write(b"hello\n")
    said = await reader.read()
    writer.close()
    return said


async def test_a_service_is_served_by_a_thread_until_it_ends() -> None:
    cluster, sink = Cluster(), Sink()
    server = await asyncio.start_server(answer, POD, 8080)
    taken = socket.create_server((ADDRESS, 8001))
    serving = asyncio.create_task(
        thread.run(
            DesiredServices(cluster.store, "n1"),
            lambda service: service,
            clock=SystemClock(),
            cluster_address=lambda _: ADDRESS,
            told=sink,
        )
    )
    with taken:
        for name, port in (("also", 8000), ("other", 8001)):
            cluster.service(name, ServicePort(name="http", port=port))
            cluster.slice(f"{name}-a", endpoint(POD), of=name)
        assert await sink.told.get() == (key("other"), 8001, threading.current_thread().name)
        assert thread.NAME in {each.name for each in threading.enumerate()}
    assert await ask(8000) == b"hello\n"
    serving.cancel()
    await asyncio.wait([serving])
    with pytest.raises(ConnectionRefusedError):
        await ask(8000)
    server.close()


class Wanted:
    """Services as a test sets them."""

    def __init__(self) -> None:
        self.services: dict[Key, Service] = {}
        self.listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def all_keys(self) -> list[Key]:
        return sorted(self.services)

    def get(self, key: Key) -> Service | None:
        return self.services.get(key)

    def change(self, *keys: Key) -> None:
        for listener in self.listeners:
            listener(keys)


async def test_what_changes_in_one_moment_is_told_at_once_and_what_is_gone_once() -> None:
    wanted, told = Wanted(), []
    one, two = Service(key("one"), "10.43.0.1"), Service(key("two"), "10.43.0.2")
    wanted.services = {one.key: one}
    feed = Feed(wanted, lambda service: service, told.append)
    await asyncio.sleep(0)
    wanted.services = {two.key: two}
    wanted.change(one.key)
    wanted.change(two.key, key("headless"))
    await asyncio.sleep(0)
    wanted.change()
    await asyncio.sleep(0)
    assert told == [{one.key: one}, {one.key: None, two.key: two}, {two.key: two}]
    feed.close()
    wanted.change(two.key)
    await asyncio.sleep(0)
    assert len(told) == 3


def test_the_mirror_shows_what_it_was_told() -> None:
    mirror, heard = Mirror(), []
    one = Service(key("one"), "10.43.0.1")
    end = mirror.subscribe(lambda keys: heard.append(set(keys)))
    mirror.put({one.key: one})
    assert (list(mirror.all_keys()), mirror.get(one.key)) == ([one.key], one)
    mirror.put({one.key: None})
    assert (list(mirror.all_keys()), mirror.get(one.key)) == ([], None)
    end()
    mirror.put({one.key: one})
    assert heard == [{one.key}, {one.key}]


async def test_what_a_loop_of_its_own_raises_is_raised_here() -> None:
    async def fail() -> None:
        raise LookupError(threading.current_thread().name)

    with pytest.raises(LookupError, match="other"):
        await own_loop.run(fail, "other")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


async def test_a_file_that_was_closed_in_a_round_is_not_called_for_whoever_has_its_number_then(pair) -> None:
    one, other = pair
    third, fourth = socket.socketpair()
    poll = Poll(asyncio.get_running_loop())
    called = []

    def close_the_other(name: str, file: socket.socket) -> None:
        called.append(name)
        poll.forget(file.fileno())
        os.dup2(os.open("/dev/null", os.O_RDONLY), file.fileno())

    with third, fourth:
        poll.on_readable(one.fileno(), lambda: close_the_other("one", third))
        poll.on_readable(third.fileno(), lambda: close_the_other("third", one))
        other.send(b"x")
        fourth.send(b"x")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(set(called)) == 1
        poll.close()


async def test_others_have_their_turn_while_a_file_stays_ready(pair) -> None:
    one, other = pair
    poll = Poll(asyncio.get_running_loop())
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    poll.on_readable(one.fileno(), count)
    other.send(b"x")
    for turn in range(1, 4):
        await asyncio.sleep(0)
        assert calls <= turn * ROUNDS_MAX
    assert calls
    poll.close()


async def test_who_no_longer_wants_to_hear_of_a_file_does_not(pair) -> None:
    one, other = pair
    poll = Poll(asyncio.get_running_loop())
    called = []
    poll.on_writable(one.fileno(), lambda: called.append("writable"))
    poll.on_readable(one.fileno(), lambda: called.append("readable"))
    poll.on_writable(one.fileno(), None)
    other.send(b"x")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert set(called) == {"readable"}
    poll.on_readable(one.fileno(), None)
    called.clear()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert called == []
    poll.close()
