"""Streams to Pods over HTTP, on this node and through it: the real application, and sessions in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import WSCloseCode, WSMsgType
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import CapturingLogger

from swarmlet.api import middleware
from swarmlet.api.app import ApiServer, Sources
from swarmlet.api.operations.reports import ClusterInfo
from swarmlet.api.streaming import serving
from swarmlet.api.streaming.upgrades import READ_BYTES, RawDuplex
from swarmlet.clock import SystemClock
from swarmlet.errors import NotFoundError, UnavailableError
from swarmlet.identity.access import Attributes
from swarmlet.runtime.sessions import STDERR, STDOUT, Output, Pipe
from swarmlet.streams import channels, outcome, spdy, websockets
from tests.api.conftest import START, DirectReplica, FakeAuthenticator, FakeLeases, FakePods, FakeUsage, Judged
from tests.api.documents import PODS, pod
from tests.fakes import sessions
from tests.fakes.sessions import CommandSession
from tests.streams.test_spdy import KUBECTL_EXEC

EXEC = f"{PODS}/p1/exec?stdin=1&stdout=1&stderr=1&command="
SECONDS_MAX = 10.0


class Insides(FakePods):
    """The Pods of a node: what runs in them is a toy shell, `cat`, or `flood`, which never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[tuple[tuple[str, ...], bool, bool]] = []
        self.sessions: list[CommandSession] = []
        self.closed_sessions = 0
        self.flooded_bytes = 0
        self.is_running = True

    def check(self, namespace: str, name: str, container: str) -> None:
        if not self.is_running:
            raise NotFoundError(f'container not found ("{container}")')

    async def exec(
        self, namespace: str, name: str, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> CommandSession:
        self.begun.append((tuple(command), stdin, tty))
        session = Flood(self) if command[-1] == "flood" else sessions.command(command, {}, asyncio.sleep)
        close = session.close

        async def closed() -> None:
            self.closed_sessions += 1
            await close()

        session.close = closed  # type: ignore[method-assign]
        self.sessions.append(session)
        return session

    async def attach(self, namespace: str, name: str, container: str, *, stdin: bool) -> CommandSession:
        return sessions.command(("sh", "-c", f"echo attached {stdin}"), {}, asyncio.sleep)

    async def dial(self, namespace: str, name: str, port: int) -> Pipe:
        return await sessions.echo()


class Flood(CommandSession):
    """Prints without end, as fast as it is read."""

    def __init__(self, insides: Insides) -> None:
        self.insides = insides

        async def run(_session: CommandSession) -> int:
            await asyncio.Event().wait()
            return 0

        super().__init__(run)

    async def read(self) -> Output:
        await asyncio.sleep(0)
        self.insides.flooded_bytes += 65_536
        return Output(STDOUT, bytes(65_536))


class Door:
    """The way to another node's daemon: `other` is where it listens."""

    def __init__(self) -> None:
        self.other: TestServer | None = None

    async def connect(self, node_name: str) -> RawDuplex:
        if self.other is None:
            raise UnavailableError(f'node "{node_name}" does not answer')
        return RawDuplex(*await asyncio.open_connection(self.other.host, self.other.port, limit=READ_BYTES))

    async def stream(self, node_name: str, path: str) -> AsyncIterator[bytes]:
        yield b""


class World:
    """Two daemons, `node-a` and `node-b`, on one store; the Pod p1 is on `node-b`."""

    def __init__(self) -> None:
        self.replica = DirectReplica()
        self.asked: list[Attributes] = []
        self.door = Door()
        self.insides = Insides()
        self.there = TestServer(self._server("node-b").app, handler_cancellation=True)
        self.here = TestServer(self._server("node-a").app, handler_cancellation=True)

    def _server(self, name: str) -> ApiServer:
        return ApiServer(
            replica=self.replica,
            authenticator=FakeAuthenticator(),
            info=ClusterInfo(cluster_id="c", node_id=name, node_name=name, started=START),
            sources=Sources(pods=self.insides, door=self.door, leases=FakeLeases(), usage=FakeUsage()),
            clock=SystemClock(),
            rng=random.Random(1),
            registry=CollectorRegistry(),
            authorizer=Judged(self.replica.view, lambda _user, asked: self.asked.append(asked)),
        )

    async def __aenter__(self) -> Self:
        await self.there.start_server()
        await self.here.start_server()
        self.door.other = self.there
        self.clients = {name: TestClient(server) for name, server in (("there", self.there), ("here", self.here))}
        path = PODS.rpartition("/")[0]
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": path.rpartition("/")[2]}}
        async with self.clients["here"].post("/api/v1/namespaces", json=namespace) as answer:
            assert answer.status in (201, 409)
        async with self.clients["here"].post(PODS, json=pod("p1", "node-b")) as answer:
            assert answer.status == 201
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self.clients.values():
            await client.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as made:
        yield made


@pytest.fixture(params=["there", "here"])
def client(request: pytest.FixtureRequest, world: World) -> TestClient[Any, Any]:
    """A client of the Pod's own node, and one of another."""
    return world.clients[request.param]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():  # noqa: ASYNC110  what it waits for goes through sockets
            await asyncio.sleep(0.01)


async def read_all(websocket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """Return what came on each channel until the end."""
    found: dict[int, bytes] = {}
    async for message in websocket:
        assert message.type is WSMsgType.BINARY
        channel, data = channels.split(message.data)
        found[channel] = found.get(channel, b"") + data
    return found


async def test_a_command_is_run_where_the_pod_is(world: World, client: TestClient[Any, Any]) -> None:
    script = quote("echo out; echo err >&2; exit 3")
    path = f"{EXEC}sh&command=-c&command={script}"
    async with client.ws_connect(path, protocols=["v4.channel.k8s.io"]) as websocket:
        found = await read_all(websocket)
    assert (found[STDOUT], found[STDERR]) == (b"out\n", b"err\n")
    assert outcome.read(found[channels.ERROR]) == (3, "command terminated with non-zero exit code: exit status 3")
    assert world.insides.begun == [(("sh", "-c", "echo out; echo err >&2; exit 3"), True, False)]


async def test_input_ends_where_its_channel_is_closed(client: TestClient[Any, Any]) -> None:
    async with client.ws_connect(EXEC + "cat", protocols=["v4.channel.k8s.io", "v5.channel.k8s.io"]) as websocket:
        assert websocket.protocol == "v5.channel.k8s.io"
        await websocket.send_bytes(b"\x00" + b"x" * 100_000)
        await websocket.send_bytes(b"\xff\x00")
        found = await read_all(websocket)
    assert found == {STDOUT: b"x" * 100_000, channels.ERROR: outcome.exited(0)}


async def test_the_messages_of_many_websockets_are_small(
    client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websockets, "ROOMY_MAX", 1)
    large = b"\x00" + b"x" * (websockets.SMALL_MESSAGE_BYTES_MAX + 1)
    async with client.ws_connect(EXEC + "cat", protocols=["v5.channel.k8s.io"]) as first:
        await first.receive()
        async with client.ws_connect(EXEC + "cat", protocols=["v5.channel.k8s.io"]) as second:
            await second.receive()
            await second.send_bytes(large)
            assert (await second.receive()).type is WSMsgType.CLOSE
            assert second.close_code == WSCloseCode.MESSAGE_TOO_BIG
        await first.send_bytes(large)
        await first.send_bytes(b"\xff\x00")
        assert len((await read_all(first))[STDOUT]) == len(large) - 1


async def test_a_terminal_is_told_its_size_and_has_no_stderr(world: World, client: TestClient[Any, Any]) -> None:
    query = "exec?stdin=1&stdout=1&stderr=1&tty=1&command=read x; stty size"
    async with client.ws_connect(f"{PODS}/p1/{query}", protocols=["v5.channel.k8s.io"]) as websocket:
        await websocket.send_bytes(b'\x04{"Width":100,"Height":30}')
        await websocket.send_bytes(b'\x04{"Width":0,"Height":-1}')
        await until(lambda: [each.size for each in world.insides.sessions] == [(100, 30)])
        await websocket.send_bytes(b"\x00go\n")
        assert (await read_all(websocket))[STDOUT] == b"30 100\r\n"


async def test_a_client_that_goes_ends_its_command(world: World, client: TestClient[Any, Any]) -> None:
    websocket = await client.ws_connect(EXEC + "cat", protocols=["v5.channel.k8s.io"])
    await websocket.receive()
    await websocket.close()
    await until(lambda: world.insides.closed_sessions == 1)


async def test_who_reads_nothing_slows_the_command_down(world: World, client: TestClient[Any, Any]) -> None:
    websocket = await client.ws_connect(EXEC + "flood", protocols=["v5.channel.k8s.io"])
    websocket._response.connection.transport.pause_reading()
    before = -1
    while before != world.insides.flooded_bytes:
        before = world.insides.flooded_bytes
        await asyncio.sleep(0.3)
    assert before < 40 * 1024 * 1024  # what fits in the sockets' own buffers, on this machine
    websocket._response.connection.transport.abort()
    await until(lambda: world.insides.closed_sessions == 1)


async def test_opening_a_stream_asks_for_leave_to_create_it(world: World) -> None:
    world.asked.clear()
    async with world.clients["there"].ws_connect(EXEC + "true", protocols=["v5.channel.k8s.io"]):
        pass
    assert [(each.verb, each.resource, each.name) for each in world.asked] == [("create", "pods/exec", "p1")]


@pytest.mark.parametrize(
    ("path", "headers", "code", "told"),
    [
        (EXEC + "true", {}, 400, "Upgrade request required"),
        (EXEC + "true", {"Upgrade": "h2c"}, 400, "Upgrade request required"),
        (EXEC + "true", {"Upgrade": "SPDY/3.1"}, 400, "X-Stream-Protocol-Version: none of [] is supported"),
        (EXEC + "true", {"Upgrade": "websocket", "Sec-WebSocket-Protocol": "x"}, 400, "none of [x] is supported"),
        (f"{PODS}/none/exec?command=x&stdout=1", {"Upgrade": "SPDY/3.1"}, 404, 'pods "none" not found'),
        (f"{PODS}/p1/portforward", {"Upgrade": "websocket", "Sec-WebSocket-Protocol": channels.V4}, 400, '"ports"'),
        (
            f"{PODS}/p1/portforward?ports=0",
            {"Upgrade": "websocket", "Sec-WebSocket-Protocol": channels.V4},
            400,
            "from 1 to 65535",
        ),
    ],
)
async def test_what_cannot_be_served_is_refused_in_words(
    client: TestClient[Any, Any], path: str, headers: dict[str, str], code: int, told: str
) -> None:
    async with client.post(path, headers={"Connection": "Upgrade", **headers}) as answer:
        assert (answer.status, (await answer.json())["kind"]) == (code, "Status")
        assert told in (await answer.json())["message"]


async def test_a_container_that_does_not_run_is_not_found(world: World, client: TestClient[Any, Any]) -> None:
    world.insides.is_running = False
    with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
        await client.ws_connect(EXEC + "true", protocols=["v5.channel.k8s.io"])


async def test_a_node_that_does_not_answer_is_told(world: World) -> None:
    world.door.other = None
    with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
        await world.clients["here"].ws_connect(EXEC + "true", protocols=["v5.channel.k8s.io"])


async def test_streams_over_the_limit_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "STREAMS_MAX", 1)
    async with world.clients["there"].ws_connect(EXEC + "cat", protocols=["v5.channel.k8s.io"]):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await world.clients["there"].ws_connect(EXEC + "true", protocols=["v5.channel.k8s.io"])


@pytest.mark.parametrize("protocols", [("v4.channel.k8s.io",), ()])
async def test_ports_are_forwarded_on_channels(client: TestClient[Any, Any], protocols: tuple[str, ...]) -> None:
    """Also to who names no protocol: kr8s does not."""
    path = f"{PODS}/p1/portforward?ports=8080,8081"
    async with client.ws_connect(path, protocols=protocols) as websocket:
        greetings = [(await websocket.receive()).data for _ in range(4)]
        assert greetings == [b"\x00\x90\x1f", b"\x01\x90\x1f", b"\x02\x91\x1f", b"\x03\x91\x1f"]
        await websocket.send_bytes(b"\x02hello")
        assert (await websocket.receive()).data == b"\x02hello"


async def test_a_daemon_that_stops_ends_its_streams(world: World) -> None:
    async with world.clients["there"].ws_connect(EXEC + "cat", protocols=["v5.channel.k8s.io"]) as websocket:
        await websocket.receive()
        await world.there.app.shutdown()
        await until(lambda: world.insides.closed_sessions == 1)
        assert (await websocket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING)


async def test_what_kubectl_says_in_spdy_is_answered(client: TestClient[Any, Any]) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(spdy_head(EXEC + "cat", channels.V4))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(KUBECTL_EXEC)
    assert b"101 Switching Protocols" in head
    assert b"X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    peer = spdy.Connection(client=True)
    for _ in range(4):
        peer.open({})  # as kubectl has
    async with asyncio.timeout(SECONDS_MAX):
        events = peer.receive(await reader.read())
    writer.close()
    data = [(each.stream_id, each.data) for each in events if isinstance(each, spdy.DataReceived)]
    assert data == [(5, b"hello\n"), (1, outcome.exited(0))]
    assert {each.stream_id for each in events if isinstance(each, spdy.StreamEnded)} == {1, 3, 5, 7}
    assert events[-1] == spdy.GoingAway()


def spdy_head(path: str, protocol: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    return f"{head}X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n".encode()


# Whatever a client sends

MESSAGES = st.lists(st.binary(max_size=60), max_size=8)
HEADERS = [{"streamtype": name, "port": "80", "requestid": "1"} for name in ("data", "error", "stdin", "stdout", "x")]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from(HEADERS)),
        st.tuples(st.just("send"), st.integers(0, 9), st.binary(max_size=40), st.booleans()),
        st.tuples(st.just("reset"), st.integers(0, 9)),
        st.tuples(st.just("raw"), st.binary(max_size=40)),
    ),
    max_size=12,
)
FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def fuzzed(monkeypatch: pytest.MonkeyPatch, attack: Any) -> None:
    """Let `attack` at a daemon; afterwards it serves, and nothing has failed in a way that it did not foresee."""
    logger = CapturingLogger()
    monkeypatch.setattr(middleware, "log", logger)
    async with asyncio.timeout(SECONDS_MAX), World() as world:
        await attack(world)
        async with world.clients["there"].ws_connect(EXEC + "true", protocols=["v5.channel.k8s.io"]) as websocket:
            assert websocket.protocol == "v5.channel.k8s.io"
    assert [call for call in logger.calls if call.method_name == "exception"] == []


@pytest.mark.slow
@FUZZ
@given(messages=MESSAGES, path=st.sampled_from([EXEC + "cat", f"{PODS}/p1/portforward?ports=80"]), spdy_=st.booleans())
def test_no_websocket_message_harms_a_daemon(
    monkeypatch: pytest.MonkeyPatch, messages: list[bytes], path: str, spdy_: bool
) -> None:
    async def attack(world: World) -> None:
        tunnel = spdy_ and "portforward" in path
        protocol = channels.TUNNEL if tunnel else channels.V4
        async with world.clients["there"].ws_connect(path, protocols=[protocol]) as websocket:
            for message in messages:
                await websocket.send_bytes(message)

    asyncio.run(fuzzed(monkeypatch, attack))


@pytest.mark.slow
@FUZZ
@given(steps=STEPS, forwards=st.booleans())
def test_no_spdy_frames_harm_a_daemon(monkeypatch: pytest.MonkeyPatch, steps: list[Any], forwards: bool) -> None:
    async def attack(world: World) -> None:
        reader, writer = await asyncio.open_connection(world.there.host, world.there.port)
        path, protocol = (f"{PODS}/p1/portforward", channels.PORT_FORWARD) if forwards else (EXEC + "cat", channels.V4)
        writer.write(spdy_head(path, protocol))
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
        peer = spdy.Connection(client=True)
        for step in steps:
            if step[0] == "open":
                peer.open(step[1])
            elif step[0] == "send":
                peer.send(step[1], step[2], end=step[3])
            elif step[0] == "reset":
                peer.reset(step[1])
            else:
                writer.write(step[1])
            writer.write(peer.take())
        writer.close()

    asyncio.run(fuzzed(monkeypatch, attack))
