"""The userspace proxy, on the loopback, with a real store, real clients and real endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
import structlog

from swarmlet.model.services import (
    CLIENT_IP,
    ClientIPConfig,
    EndpointPort,
    ServicePort,
    SessionAffinityConfig,
)
from swarmlet.network.proxy import fronting as proxies
from swarmlet.network.proxy import reach, sockets, tcp, udp
from swarmlet.network.proxy import relay as proxy_relay
from swarmlet.network.proxy.addresses import on_loopback
from swarmlet.network.proxy.fronting import Proxy
from swarmlet.network.proxy.fronts import Front
from swarmlet.network.proxy.mirror import Feed, Mirror
from swarmlet.network.proxy.places import Places
from swarmlet.network.proxy.poll import Poll
from swarmlet.network.proxy.site import Site
from swarmlet.network.services.desired import DesiredServices, Endpoint
from swarmlet.store.commands import Key
from tests.network.cluster import Cluster, endpoint, key

BLOCK = os.getpid() % 250 + 1
"""So that tests which run at the same time have addresses of their own."""
CLUSTER_IP = f"10.43.{BLOCK}.1"
ADDRESS = on_loopback(CLUSTER_IP)
PORT = 8000
BACKEND_PORT = 8080
TCP = ServicePort(name="http", protocol="TCP", port=PORT)
UDP = ServicePort(name="dns", protocol="UDP", port=PORT)
UDP_SLICE = (EndpointPort(name="dns", protocol="UDP", port=BACKEND_PORT),)


def pod(number: int) -> str:
    return f"127.44.{BLOCK}.{number}"


class Time:
    """A clock that a test sets; who sleeps wakes when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._woken: asyncio.Queue[None] = asyncio.Queue()

    def now(self):
        raise AssertionError("nobody asks")

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await self._woken.get()
        self.seconds += seconds

    async def look(self, times: int = 1) -> None:
        """Let so many times go by after which the proxy looks around."""
        for _ in range(times):
            self._woken.put_nowait(None)
            await turns()


async def turns(count: int = 10) -> None:
    """Let the event loop go round, so that what is ready is done."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop go round until something is so."""
    while not condition():  # noqa: ASYNC110  it is the loop's own rounds that are waited for, and they say nothing
        await asyncio.sleep(0)


@dataclass
class Backend:
    """An endpoint that says its name, and then echoes; `connections` are those that are open."""

    name: str
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    seen: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    silent: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        if not self.silent:
            writer.write(f"{self.name}\n".encode())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            self.seen.put_nowait("end")
            writer.write(b"bye")
            writer.close()
            return
        self.seen.put_nowait("reset")
        writer.close()


class Echo(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self.name = name.encode()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(self.name + b" " + data, address)


class Caller(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.answers.put_nowait(data)

    async def ask(self, text: bytes = b"hi") -> bytes:
        self.transport.sendto(text)
        return await self.answers.get()


class World(Cluster):
    """A store, endpoints on the loopback, and the proxy of one node."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        super().__init__()
        self._stack = stack
        self.time = Time()
        self.backends: dict[int, Backend] = {}
        self.elsewhere: set[str] = set()
        self.told: list[tuple[Key, str, int, str]] = []

    async def start(self, places: int = 1_000) -> Proxy:
        mirror = Mirror()
        seen = functools.partial(reach.seen, reaches=self.reaches)
        Feed(DesiredServices(self.store, "n1"), seen, mirror.put)
        loop = asyncio.get_running_loop()
        self.site = Site(loop, Poll(loop), self.time, Places(places))
        proxy = Proxy(mirror, self.site, random.Random(1), cluster_address=on_loopback, told=self)
        task = asyncio.create_task(proxy.run())
        self._stack.push_async_callback(_ended, task)
        await turns()
        return proxy

    def reaches(self, endpoint: Endpoint) -> bool:
        return endpoint.address not in self.elsewhere

    def port_refused(self, service: Key, front: Front, why: str) -> None:
        self.told.append((service, front.address, front.port, why))

    async def serve(self, *numbers: int) -> None:
        """Let endpoints answer."""
        for number in numbers:
            backend = self.backends[number] = Backend(str(number))
            server = await asyncio.start_server(backend.serve, pod(number), BACKEND_PORT)
            self._stack.callback(server.close)

    async def lead(self, *endpoints, ports=(), **spec) -> None:
        """Write the Service and its endpoints; a number is one that is ready."""
        self.service("web", *(ports or (TCP,)), cluster_ip=CLUSTER_IP, **spec)
        known = [endpoint(pod(each)) if isinstance(each, int) else each for each in endpoints]
        self.slice("a", *known, ports=UDP_SLICE if ports and ports[0].protocol == "UDP" else ())
        await turns()

    async def caller(self, host: str = ADDRESS, port: int = PORT) -> Caller:
        _, caller = await asyncio.get_running_loop().create_datagram_endpoint(Caller, remote_addr=(host, port))
        self._stack.callback(caller.transport.close)
        return caller


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        yield World(stack)


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    name: str = ""

    async def echo(self, data: bytes = b"ping") -> bytes:
        self.writer.write(data)
        return await self.reader.readexactly(len(data))


async def connect(host: str = ADDRESS, port: int = PORT, source: str = "127.0.0.1") -> Client:
    """Connect, and hear who answers."""
    client = Client(*await asyncio.open_connection(host, port, local_addr=(source, 0)))
    client.name = (await client.reader.readline()).decode().strip()
    return client


async def names(count: int) -> list[str]:
    found = []
    for _ in range(count):
        client = await connect()
        found.append(client.name)
        client.writer.close()
    return found


async def test_connections_go_to_all_ready_endpoints_alike(world):
    await world.serve(1, 2, 3)
    await world.start()
    await world.lead(1, 2, 3)
    found = await names(30)
    assert sorted(found) == ["1"] * 10 + ["2"] * 10 + ["3"] * 10


async def test_all_bytes_pass_both_ways_and_each_end_by_itself(world):
    await world.serve(1)
    await world.start()
    await world.lead(1)
    client = await connect()
    sent = random.Random(1).randbytes(8 << 20)
    client.writer.write(sent)
    client.writer.write_eof()
    assert await client.reader.read(-1) == sent + b"bye"
    assert await world.backends[1].seen.get() == "end"
    await turns()
    assert not world.site.swept


async def test_who_reads_slowly_is_waited_for(world):
    await world.serve(1)
    await world.start()
    await world.lead(1)
    client = await connect()
    world.site.loop.call_soon(client.writer.write, b"x" * (32 << 20))
    [relay] = [each._relay for each in world.site.swept]
    await until(lambda: relay._answers.is_full)  # all buffers on the way are full, and what is kept is bounded
    assert len(relay._answers._pending) <= proxy_relay.BUFFER_BYTES
    client.writer.write_eof()
    assert len(await client.reader.read(-1)) == (32 << 20) + 3


async def test_a_reset_is_passed_on_to_the_endpoint(world):
    await world.serve(1)
    await world.start()
    await world.lead(1)
    client = await connect()
    proxy_relay.reset_on_close(client.writer.get_extra_info("socket"))
    client.writer.transport.abort()
    assert await world.backends[1].seen.get() == "reset"


async def test_a_reset_is_passed_on_to_the_client(world):
    await world.serve(1)
    await world.start()
    await world.lead(1)
    client = await connect()
    [backend] = world.backends[1].connections
    proxy_relay.reset_on_close(backend.get_extra_info("socket"))
    backend.transport.abort()
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


class Far(socket.socket):
    """A socket of which the first word from an endpoint comes later, as that of another machine does."""

    def connect_ex(self, address):
        return errno.EALREADY if self.__dict__.setdefault("asked", []) else self._ask(address)

    def _ask(self, address):
        self.asked.append(address)
        return super().connect_ex(address)


async def test_endpoints_that_are_far_are_waited_for(world, monkeypatch):
    monkeypatch.setattr(sockets, "opened", lambda _, kind: Far(type=kind | socket.SOCK_NONBLOCK))
    await world.serve(1)
    await world.lead(1, 2)
    await world.start()
    assert await names(4) == ["1"] * 4, "2 refuses"


async def test_an_endpoint_that_refuses_costs_no_connection(world):
    await world.serve(2)
    await world.start()
    await world.lead(1, 2)
    assert await names(10) == ["2"] * 10


async def test_an_endpoint_that_refused_gets_connections_again_when_it_answers(world):
    await world.serve(2)
    await world.start()
    await world.lead(1, 2)
    await names(4)
    await world.serve(1)
    assert "1" not in await names(4)
    await world.time.look()
    assert set(await names(4)) == {"1", "2"}


async def test_where_no_endpoint_answers_the_client_is_reset(world):
    await world.start()
    await world.lead(1, 2)
    with pytest.raises(ConnectionError):
        await (await connect()).echo()
    await turns()
    assert world.site.places._taken == 0


async def test_where_there_is_no_endpoint_the_client_is_refused(world):
    await world.serve(1)
    await world.start()
    await world.lead(endpoint(pod(1), ready=False))
    with pytest.raises(ConnectionRefusedError):
        await connect()
    await world.lead(1)
    assert await names(1) == ["1"]
    await world.lead()
    with pytest.raises(ConnectionRefusedError):
        await connect()


async def test_an_endpoint_that_ends_keeps_its_connections_and_gets_no_new_ones(world):
    await world.serve(1, 2)
    await world.start()
    await world.lead(1)
    client = await connect()
    going = endpoint(pod(1), ready=False, serving=True, terminating=True)
    await world.lead(2, going)
    assert await names(5) == ["2"] * 5
    assert await client.echo() == b"ping"


async def test_connections_to_an_endpoint_that_is_gone_are_reset(world):
    await world.serve(1, 2)
    await world.start()
    await world.lead(1)
    client = await connect()
    await world.lead(2)
    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    assert await world.backends[1].seen.get() == "reset"


async def test_what_an_endpoint_said_before_it_was_gone_still_arrives(world):
    await world.serve(1)
    await world.start()
    await world.lead(1)
    client = await connect()
    [backend] = world.backends[1].connections
    backend.write(b"x" * (32 << 20))  # more than the client takes before it is asked to
    backend.write_eof()
    [connection] = world.site.swept
    await until(lambda: connection._relay._answers.is_full)
    await world.lead()
    assert len(await client.reader.read()) == 32 << 20


async def test_a_service_that_is_deleted_answers_no_more(world):
    await world.serve(1)
    proxy = await world.start()
    await world.lead(1)
    client = await connect()
    world.delete(key("web"))
    await turns()
    with pytest.raises(ConnectionRefusedError):
        await connect()
    with pytest.raises(ConnectionResetError):
        await client.reader.read()
    assert (proxy._open, proxy._wishes, proxy._asked, proxy._targets, world.site.swept) == ({}, {}, {}, {}, set())


async def test_a_client_stays_with_its_endpoint_where_that_is_asked_for(world):
    await world.serve(1, 2, 3)
    await world.start()
    config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=60))
    await world.lead(1, 2, 3, session_affinity=CLIENT_IP, session_affinity_config=config)
    assert len(set(await names(6))) == 1
    others = {(await connect(source=f"127.0.0.{number}")).name for number in range(2, 8)}
    assert others == {"1", "2", "3"}


async def test_a_node_port_answers_on_every_address(world):
    port = 30_000 + BLOCK
    await world.serve(1)
    await world.start()
    await world.lead(1, ports=[ServicePort(name="http", protocol="TCP", port=PORT, node_port=port)], type="NodePort")
    for host in ("127.0.0.1", "127.0.0.99"):
        assert (await connect(host, port)).name == "1"


async def test_local_policies_lead_to_this_nodes_endpoints_alone(world):
    port = 30_000 + BLOCK
    node_port = ServicePort(name="http", protocol="TCP", port=PORT, node_port=port)
    await world.serve(1, 2)
    await world.start()
    known = (endpoint(pod(1), "n1"), endpoint(pod(2), "n2"))
    await world.lead(*known, ports=[node_port], type="NodePort", external_traffic_policy="Local")
    assert {(await connect("127.0.0.1", port)).name for _ in range(6)} == {"1"}
    assert set(await names(6)) == {"1", "2"}
    await world.lead(*known, internal_traffic_policy="Local")
    assert set(await names(6)) == {"1"}


async def test_a_load_balancer_lets_in_whom_its_source_ranges_name(world):
    await world.serve(1)
    await world.start()
    mine, others = on_loopback(f"10.43.{BLOCK}.7"), "192.0.2.1"
    await world.lead(1, type="LoadBalancer", ingress=[mine, others], load_balancer_source_ranges=("127.0.0.2/32",))
    assert (await connect(mine, source="127.0.0.2")).name == "1"
    with pytest.raises(ConnectionError):
        await (await connect(mine, source="127.0.0.3")).echo()


async def test_a_port_that_another_program_has_is_told_and_had_later(world, monkeypatch):
    log = structlog.testing.CapturingLogger()
    monkeypatch.setattr(proxies, "log", log)
    await world.serve(1)
    proxy = await world.start()
    with socket.create_server((ADDRESS, PORT)):
        await world.lead(1)
        await world.time.look()
        [(front, why)] = proxy.refused.items()
        assert (front.address, front.port, why) == (ADDRESS, PORT, "[Errno 98] Address already in use")
        assert [call.args for call in log.calls] == [("service_port_refused",)]
        assert world.told == [(key("web"), ADDRESS, PORT, "Address already in use")]
    await world.time.look()
    assert await names(1) == ["1"]
    assert proxy.refused == {}


async def test_of_two_services_that_ask_for_one_address_the_first_has_it(world):
    await world.serve(1, 2)
    await world.start()
    await world.lead(1)
    world.service("also", TCP, cluster_ip=f"10.43.{BLOCK}.2", external_ips=(ADDRESS,))
    world.slice("b", endpoint(pod(2)), of="also")
    await turns()
    assert await names(2) == ["2", "2"]
    world.delete(key("also"))
    await turns()
    assert await names(2) == ["1", "1"]


async def test_endpoints_whose_addresses_mean_others_here_get_nothing(world):
    await world.serve(1, 2)
    await world.start()
    world.elsewhere.add(pod(1))
    await world.lead(1, 2)
    assert await names(4) == ["2"] * 4


async def test_no_more_connections_are_taken_than_there_is_room_for(world):
    await world.serve(1)
    await world.start(places=2)
    await world.lead(1)
    first, second = await connect(), await connect()
    waiting = asyncio.create_task(connect())
    await turns(50)
    assert not waiting.done()
    assert len(world.backends[1].connections) == 2
    first.writer.close()
    assert (await waiting).name == "1"
    assert await second.echo() == b"ping"


async def test_a_quiet_connection_ends_after_its_time(world):
    await world.serve(1)
    await world.start()
    await world.lead(1)
    busy, quiet = await connect(), await connect()
    rounds = int(tcp.IDLE_SECONDS_MAX / proxies.LOOK_SECONDS)
    await world.time.look(rounds // 2)
    await busy.echo()
    await world.time.look(rounds // 2 + 1)
    with pytest.raises(ConnectionResetError):
        await quiet.reader.read()
    assert await busy.echo() == b"ping"


async def test_its_end_ends_all_connections(world):
    await world.serve(1)
    async with contextlib.AsyncExitStack() as stack:
        other = World(stack)
        await other.start()
        await other.lead(1)
        client = await connect()
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


# UDP.


async def echo(world: World, *numbers: int) -> list[asyncio.DatagramTransport]:
    loop, made = asyncio.get_running_loop(), []
    for number in numbers:
        transport, _ = await loop.create_datagram_endpoint(
            lambda number=number: Echo(str(number)), local_addr=(pod(number), BACKEND_PORT)
        )
        world._stack.callback(transport.close)
        made.append(transport)
    return made


async def test_a_clients_datagrams_go_to_one_endpoint_and_clients_to_all(world):
    await echo(world, 1, 2)
    await world.start()
    await world.lead(1, 2, ports=(UDP,))
    found = []
    for _ in range(4):
        caller = await world.caller()
        answers = {await caller.ask() for _ in range(5)}
        assert len(answers) == 1
        found.append(answers.pop())
    assert sorted(found) == [b"1 hi", b"1 hi", b"2 hi", b"2 hi"]


async def test_answers_come_from_the_address_that_was_written_to(world):
    port = 30_000 + BLOCK
    await echo(world, 1)
    await world.start()
    await world.lead(1, ports=[ServicePort(name="dns", protocol="UDP", port=PORT, node_port=port)], type="NodePort")
    caller = await world.caller("127.0.0.77", port)  # connected: it hears that address alone
    assert await caller.ask() == b"1 hi"


async def test_an_endpoint_that_is_gone_loses_its_clients(world):
    await echo(world, 1, 2)
    await world.start()
    await world.lead(1, ports=(UDP,))
    caller = await world.caller()
    assert await caller.ask() == b"1 hi"
    await world.lead(2, endpoint(pod(1), ready=False), ports=(UDP,))
    assert await caller.ask() == b"1 hi"
    await world.lead(2, ports=(UDP,))
    assert await caller.ask() == b"2 hi"


async def test_a_session_ends_when_it_was_quiet_and_sooner_where_nobody_answered(world):
    await echo(world, 1)
    await world.start()
    await world.lead(1, ports=(UDP,))
    answered = await world.caller()
    await answered.ask()
    await world.time.look(int(udp.UNANSWERED_SECONDS_MAX / proxies.LOOK_SECONDS) + 1)
    assert len(world.site.swept) == 1
    await world.time.look(int(udp.IDLE_SECONDS_MAX / proxies.LOOK_SECONDS))
    assert not world.site.swept
    assert world.site.places._taken == 0
    assert await answered.ask() == b"1 hi"


async def test_datagrams_leave_an_endpoint_where_nobody_is(world):
    await echo(world, 2)
    await world.start()
    await world.lead(1, 2, ports=(UDP,))
    caller = await world.caller()
    for _ in range(3):  # the first may be lost: that is how it is seen
        caller.transport.sendto(b"hi")
        await turns(50)
    assert await caller.answers.get() == b"2 hi"


async def test_no_more_sessions_begin_than_there_is_room_for(world):
    await echo(world, 1)
    await world.start(places=1)
    await world.lead(1, ports=(UDP,))
    first, second = await world.caller(), await world.caller()
    await first.ask()
    second.transport.sendto(b"hi")
    await turns(50)
    assert second.answers.empty()
    assert await first.ask() == b"1 hi"
