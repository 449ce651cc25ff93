"""Requests through the userspace proxy, beside the same server without it, HAProxy and docker-proxy.

Everything shares this machine: a server of several processes that answers a fixed page, and a client of several
processes that asks it, over connections that it keeps, and over one for each request. The proxy is a process of its own
with a store of its own, as in a daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmlet.clock import SystemClock
from swarmlet.network.desired import Endpoint, Port, Service
from swarmlet.network.proxy_places import Places
from swarmlet.network.proxy_site import Site
from swarmlet.network.proxy_targets import Target
from swarmlet.network.proxy_tcp import TcpFront
from swarmlet.store.commands import Key
from tools.bench import ports
from tools.bench.report import Report

SECONDS = 2.0
ROUNDS = 3
CLIENTS = 32
"""Connections at a time."""
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
BODY = b"x" * 512
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
READY_SECONDS_MAX = 10.0
KEPT_SHARE_MIN = 0.3
"""Of what is reached directly: what asyncio's own protocols reach on an idle machine of this size."""


@dataclass(frozen=True)
class Found:
    """Requests a second, and the 99th percentile of their times in milliseconds."""

    rate: float
    p99: float

    def __str__(self) -> str:
        return f"{self.rate:,.0f}/s, p99 {self.p99:.1f} ms"


async def measure(report: Report) -> None:
    """Ask directly and through each proxy that is at hand; of several rounds, in turn, the best counts."""
    server, ours, other, dockers = ports.free(4)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process(_serve, server))
        stack.enter_context(_process(_proxy, server, ours))
        ways = {"direct": server, "our proxy": ours}
        if stack.enter_context(_haproxy(server, other)):
            ways["HAProxy"] = other
        if stack.enter_context(_docker_proxy(server, dockers)):
            ways["docker-proxy"] = dockers
        for port in ways.values():
            await _answers(port)
        for kept in (True, False):
            await _compare(report, ways, kept=kept)


async def _compare(report: Report, ways: dict[str, int], *, kept: bool) -> None:
    best: dict[str, Found] = {}
    for _ in range(ROUNDS):
        for name, port in ways.items():
            found = await asyncio.to_thread(_ask, port, kept)
            best[name] = max(best.get(name, found), found, key=lambda each: each.rate)
    what = "kept connections" if kept else "a connection each"
    direct, ours = best.pop("direct"), best.pop("our proxy")
    beside = "; ".join(f"{name} {found}" for name, found in {"direct": direct, **best}.items())
    name = f"requests through the proxy, {what}"
    ratio = ours.rate / direct.rate
    if kept:
        report.judge(name, str(ours), value=ratio, at_least=KEPT_SHARE_MIN, beside=beside)
    else:
        report.add(name, str(ours), beside=beside, ratio=ratio)


# The client: one process, all connections at once, on bare sockets, so that it costs little beside what it measures.


def _ask(port: int, kept: bool) -> Found:
    reader, writer = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_client, args=(port, kept, writer))
    process.start()
    found = reader.recv()
    process.join()
    return Found(*found)


def _client(port: int, kept: bool, result: multiprocessing.connection.Connection) -> None:
    selector = selectors.DefaultSelector()
    times: list[float] = []
    begun: dict[socket.socket, tuple[float, int]] = {}

    def ask(connection: socket.socket, start: float) -> None:
        connection.sendall(REQUEST)
        begun[connection] = (start, 0)

    def begin() -> None:
        start = time.perf_counter()
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        ask(connection, start)

    for _ in range(CLIENTS):
        begin()
    start = time.perf_counter()
    while (now := time.perf_counter()) < start + SECONDS:
        for key, _ in selector.select(1):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            asked, count = begun[connection]
            count += len(connection.recv(65_536))
            begun[connection] = (asked, count)
            if count < len(ANSWER):
                continue
            times.append(time.perf_counter() - asked)
            if kept:
                ask(connection, time.perf_counter())
            else:
                selector.unregister(connection)
                del begun[connection]
                connection.close()
                begin()
    result.send((len(times) / (now - start), 1_000 * statistics.quantiles(times, n=100)[98]))


# The server, and what stands before it.


def _serve(port: int) -> None:
    class Page(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(ANSWER * data.count(b"\r\n\r\n"))

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Page, "127.0.0.1", port, backlog=1_024)
        await server.serve_forever()

    asyncio.run(serve())


def _proxy(server: int, port: int) -> None:
    async def serve() -> None:
        endpoints = (Endpoint("127.0.0.1", server),)
        web = Port("http", "TCP", port, endpoints=endpoints, everywhere=endpoints)
        target = Target(random.Random(), lambda _: True)  # noqa: S311
        target.update(Service(Key(("", "services"), "bench", "web"), "127.0.0.1", ports=(web,)), web)
        site = Site(asyncio.get_running_loop(), SystemClock(), Places())
        TcpFront(site, "127.0.0.1", port, target, lambda: target.internal)
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextlib.contextmanager
def _process(target: object, *arguments: int) -> Iterator[None]:
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments, daemon=True)  # type: ignore[attr-defined]
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def _haproxy(server: int, port: int) -> Iterator[bool]:
    """Run HAProxy in TCP mode with one thread, as ours has one; yield whether it is at hand."""
    if shutil.which("haproxy") is None:
        yield False
        return
    text = f"""
        global
            nbthread 1
            maxconn 1000
        defaults
            mode tcp
            timeout connect 5s
            timeout client 60s
            timeout server 60s
        listen web
            bind 127.0.0.1:{port}
            server one 127.0.0.1:{server}
    """
    with tempfile.TemporaryDirectory(prefix="swarmlet-bench-") as folder:
        file = Path(folder) / "haproxy.cfg"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        with _program("haproxy", "-q", "-db", "-f", str(file)):
            yield True


@contextlib.contextmanager
def _docker_proxy(server: int, port: int) -> Iterator[bool]:
    """Run the proxy that Docker publishes ports with; yield whether it is at hand."""
    if shutil.which("docker-proxy") is None:
        yield False
        return
    report, ready = os.pipe()
    here = ("-proto", "tcp", "-host-ip", "127.0.0.1", "-host-port", str(port))
    there = ("-container-ip", "127.0.0.1", "-container-port", str(server))
    with _program("docker-proxy", *here, *there, ready=ready):
        yield True
    os.close(report)


@contextlib.contextmanager
def _program(*argv: str, ready: int = -1) -> Iterator[None]:
    """Run a program; `ready` becomes its file 3, into which docker-proxy says that it listens."""
    process = subprocess.Popen(
        argv,
        stdout=sys.stderr,
        close_fds=False,
        preexec_fn=(lambda: os.dup2(ready, 3)) if ready >= 0 else None,  # noqa: PLW1509  no threads here
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def _answers(port: int) -> None:
    async with asyncio.timeout(READY_SECONDS_MAX):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
