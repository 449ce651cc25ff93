"""Single probes, against real servers on this machine's loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpclib.const
import pytest
from aiohttp import web
from grpclib.server import Server

from swarmlet.agent.life.probing import Kind, Target
from swarmlet.agent.probes import grpc_health, http_calls
from swarmlet.agent.probes.actions import ProbeActions, Result
from swarmlet.agent.probes.http_calls import HttpCalls
from swarmlet.model.container import Container, ContainerPort, EnvVar
from swarmlet.model.probes import ExecAction, GRPCAction, HTTPGetAction, HTTPHeader, Probe, TCPSocketAction
from swarmlet.runtime.runtime import ContainerSpec, PodIdentity
from tests.agent.conftest import Engine
from tests.agent.test_probes import probe
from tests.fakes.runtime import FakeRuntime
from tests.virtual_time import EPOCH

HOST = "127.0.0.1"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


async def ask(of: Probe, *, container_id: str = "c", runtime: Any = None, **container: Any) -> Result:
    target = Target(
        container_id=container_id, started_at=EPOCH, kind=Kind.READINESS, probe=of,
        container=Container(name="main", **container), pod_ip=HOST, field_path="", holds=None,
    )  # fmt: skip
    http = HttpCalls()
    try:
        return await ProbeActions(runtime, http).run(target)
    finally:
        await http.close()


@asynccontextmanager
async def web_server(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[list[web.Request]]:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        match request.path:
            case "/slow":
                await asyncio.sleep(30)
            case "/away":
                return web.Response(status=302, headers={"Location": "http://192.0.2.1/"})
            case "/moved":
                return web.Response(status=302, headers={"Location": "/broken"})
            case "/round":
                return web.Response(status=302, headers={"Location": "/round"})
            case "/broken":
                return web.Response(status=503)
        return web.Response(text="fine")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


def by_get(port: int | str, path: str = "/", **fields: Any) -> Probe:
    return probe(http_get=HTTPGetAction(port=port, path=path, scheme="HTTP", **fields))


@pytest.mark.parametrize(
    ("path", "passed", "message"),
    [
        ("/", True, ""),
        ("/broken", False, "HTTP probe failed with statuscode: 503"),
        ("/away", True, ""),  # as in Kubernetes: it is not followed off the host
        ("/moved", False, "HTTP probe failed with statuscode: 503"),
        ("/round", False, "stopped after 10 redirects"),
    ],
)
async def test_the_status_of_a_get_decides(free_port: int, path: str, passed: bool, message: str) -> None:
    async with web_server(free_port):
        result = await ask(by_get(free_port, path))
    assert result.passed is passed
    assert message in result.message


async def test_a_get_bears_its_headers_its_query_and_the_name_of_a_prober(free_port: int) -> None:
    headers = (HTTPHeader(name="Host", value="web.example"), HTTPHeader(name="X-Probe", value="1"))
    ports = (ContainerPort(container_port=free_port, name="http"),)
    async with web_server(free_port) as asked:
        assert (await ask(by_get("http", "/ready?deep=1", http_headers=headers), ports=ports)).passed
    (request,) = asked
    assert (request.host, request.headers["X-Probe"], request.query_string) == ("web.example", "1", "deep=1")
    assert request.headers["User-Agent"] == http_calls.USER_AGENT


async def test_https_is_not_verified(free_port: int, tmp_path: Path) -> None:
    async with web_server(free_port, self_signed(tmp_path)):
        secure = probe(http_get=HTTPGetAction(port=free_port, path="/", scheme="HTTPS"))
        assert (await ask(secure)).passed


async def test_what_does_not_answer_in_time_fails(free_port: int) -> None:
    async with web_server(free_port):
        result = await ask(by_get(free_port, "/slow"))
    assert result == Result(
        passed=False,
        message=f'Get "http://{HOST}:{free_port}/slow": context deadline exceeded '
        "(Client.Timeout exceeded while awaiting headers)",
    )


async def test_where_nobody_listens_every_kind_fails_and_says_where(free_port: int) -> None:
    where = f"{HOST}:{free_port}"
    got = await ask(by_get(free_port))
    assert got.message == f'Get "http://{where}/": connect: connection refused'
    dialled = await ask(probe(http_get=None, tcp_socket=TCPSocketAction(port=free_port)))
    assert dialled == Result(passed=False, message=f"dial tcp {where}: connect: connection refused")
    asked = await ask(probe(http_get=None, grpc=GRPCAction(port=free_port)))
    assert asked.message == f'error: failed to connect service at "{where}": connect: connection refused'
    assert not got.passed
    assert not asked.passed


async def test_a_connection_is_enough_for_a_socket(free_port: int) -> None:
    async with web_server(free_port):
        assert (await ask(probe(http_get=None, tcp_socket=TCPSocketAction(port=free_port, host=HOST)))).passed


@pytest.mark.parametrize(
    ("path", "asked"),
    [("", "/"), ("/", "/"), ("a/b/", "/a/b/"), ("/a%20b?c=d%2Fe&f", "/a%20b?c=d/e&f"), ("/a b", "/a%20b")],
)
def test_a_path_is_asked_for_as_it_was_written(path: str, asked: str) -> None:
    url = http_calls.url_of(HTTPGetAction(port=80, path=path, scheme="HTTP"), Container(name="main"), "10.0.0.1")
    assert str(url.relative()) == asked


def test_an_address_of_the_sixth_version_is_in_brackets() -> None:
    url = http_calls.url_of(HTTPGetAction(port=8080, scheme="HTTPS"), Container(name="main"), "fd00::1")
    assert str(url) == "https://[fd00::1]:8080/"


async def test_without_an_address_nothing_is_said_of_the_container() -> None:
    target_less = Probe(http_get=HTTPGetAction(port=80), timeout_seconds=1)
    target = Target(
        container_id="c", started_at=None, kind=Kind.READINESS, probe=target_less, container=Container(name="main"),
        pod_ip="", field_path="", holds=None,
    )  # fmt: skip
    assert (await ProbeActions(None, HttpCalls()).run(target)).passed is None  # type: ignore[arg-type]


async def test_a_port_name_that_the_container_does_not_have_says_nothing_of_it() -> None:
    assert await ask(by_get("http")) == Result(passed=None, message='couldn\'t find port "http" of container main')


class Health:
    """A gRPC server that knows how its services are."""

    def __init__(self, statuses: dict[str, grpc_health.Status]) -> None:
        self.statuses = statuses

    def __mapping__(self) -> dict[str, Any]:
        handler = grpclib.const.Handler(self.check, grpclib.const.Cardinality.UNARY_UNARY, bytes, bytes)
        return {grpc_health.METHOD: handler}

    async def check(self, stream: Any) -> None:
        request = await stream.recv_message()
        status = self.statuses.get(request[2:].decode())
        if not self.statuses:
            raise grpclib.GRPCError(grpclib.const.Status.UNIMPLEMENTED, "unknown method")
        if status is None:
            raise grpclib.GRPCError(grpclib.const.Status.NOT_FOUND, "unknown service")
        await stream.send_message(bytes([0x08, status.value]))


class Raw(grpc_health._HealthCodec):
    def encode(self, message: Any, message_type: Any) -> bytes:
        return bytes(message)

    def decode(self, data: bytes, message_type: Any) -> Any:
        return data


@asynccontextmanager
async def grpc_server(port: int, services: list[Any]) -> AsyncIterator[None]:
    server = Server(services, codec=Raw())
    await server.start(HOST, port)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("service", "passed", "message"),
    [
        ("", True, ""),
        ("orders", False, 'service unhealthy (responded with "NOT_SERVING")'),
        ("nobody", False, "error: health rpc probe failed: NOT_FOUND: unknown service"),
    ],
)
async def test_a_grpc_server_is_asked_for_its_health(free_port: int, service: str, passed: bool, message: str) -> None:
    statuses = {"": grpc_health.Status.SERVING, "orders": grpc_health.Status.NOT_SERVING}
    async with grpc_server(free_port, [Health(statuses)]):
        result = await ask(probe(http_get=None, grpc=GRPCAction(port=free_port, service=service)))
    assert result == Result(passed, message)


@pytest.mark.slow
def test_a_daemon_that_has_asked_none_has_not_imported_grpc() -> None:
    script = "import sys, swarmlet.daemon; print([name for name in ('grpclib', 'h2') if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"


async def test_a_grpc_server_that_does_not_know_the_protocol_fails(free_port: int) -> None:
    async with grpc_server(free_port, [Health({})]):
        result = await ask(probe(http_get=None, grpc=GRPCAction(port=free_port)))
    assert not result.passed
    assert "does not implement the grpc health protocol" in result.message


async def test_what_speaks_no_grpc_fails(free_port: int) -> None:
    async with web_server(free_port):
        result = await ask(probe(http_get=None, grpc=GRPCAction(port=free_port)))
    assert result.passed is False


async def test_a_commands_end_decides_and_its_words_are_expanded(engine: Engine) -> None:
    runtime = FakeRuntime(engine)
    container = await runtime.start(ContainerSpec(pod=PodIdentity("u", "n", "p"), name="main", image="web:1"))
    engine.commands["8080"] = 3
    of = probe(http_get=None, exec=ExecAction(command=("check", "$(PORT)")))
    result = await ask(of, container_id=container.id, runtime=runtime, env=(EnvVar(name="PORT", value="8080"),))
    assert (result.passed, result.message) == (False, "8080 said 3\n")


async def test_a_container_that_is_gone_says_nothing(engine: Engine) -> None:
    of = probe(http_get=None, exec=ExecAction(command=("check",)))
    assert (await ask(of, runtime=FakeRuntime(engine))).passed is None


def self_signed(folder: Path) -> ssl.SSLContext:
    from cryptography import x509  # noqa: PLC0415  only here
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(EPOCH - timedelta(days=400))
    certificate = builder.not_valid_after(EPOCH + timedelta(days=4000)).sign(key, hashes.SHA256())
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
