"""What DNS does a second, beside dnsmasq: names of the cluster, and names of others that were asked before.

Each server is one process on the loopback, and gets the same questions from the same clients.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import select
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message

from swarmlet.clock import SystemClock
from swarmlet.network.dns.answers import Answers
from swarmlet.network.dns.budget import Budget
from swarmlet.network.dns.records import ClusterRecords
from swarmlet.network.dns.server import DnsServer
from swarmlet.network.dns.upstream import Server, Upstream
from swarmlet.network.services.desired import DesiredServices
from tools.bench.rate import Rate
from tools.bench.report import Report
from tools.bench.services import Population

HERE = "127.0.0.1"
NAMES = 500
CLIENTS = 32
SECONDS = 4.0
WARM_SECONDS = 1.0
UNBOUNDED = 10**9
LOCAL = [f"s{number}.default.svc.cluster.local" for number in range(NAMES)]
CACHED = [f"h{number}.elsewhere.test" for number in range(NAMES)]


async def measure(report: Report) -> None:
    """Measure both kinds of names on both servers."""
    await asyncio.to_thread(_measure, report)


def _measure(report: Report) -> None:
    if shutil.which("dnsmasq") is None:
        report.add("DNS: answers a second", "no dnsmasq to ask: apt-get install dnsmasq-base")
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        _dnsmasq("--address=/elsewhere.test/192.0.2.7", "--local-ttl=300") as elsewhere,
        _ours(elsewhere) as ours,
        _dnsmasq(*_hosts(Path(folder)), f"--server={HERE}#{elsewhere}", "--cache-size=10000") as theirs,
    ):
        for kind, names in (("the cluster's names", LOCAL), ("other names, asked before", CACHED)):
            own, peer = _load(ours, names), _load(theirs, names)
            ratio = own.per_second / peer.per_second
            report.add(f"DNS: {kind}, {CLIENTS} clients", str(own), beside=f"dnsmasq {peer}", ratio=ratio)


def _hosts(folder: Path) -> list[str]:
    """Return what makes dnsmasq answer the same names."""
    path = folder / "hosts"
    path.write_text("".join(f"10.43.{1 + n // 250}.{n % 250} {name}\n" for n, name in enumerate(LOCAL)), "ascii")
    return [f"--addn-hosts={path}", "--local-ttl=5"]


@contextmanager
def _dnsmasq(*options: str) -> Iterator[int]:
    port = _free_port()
    argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", f"--port={port}"]
    argv += ["--user=root", "--bind-interfaces", f"--listen-address={HERE}", "--pid-file", "--dns-forward-max=1000"]
    with subprocess.Popen([*argv, *options], stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()


@contextmanager
def _ours(elsewhere: int) -> Iterator[int]:
    port = _free_port()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port, elsewhere), daemon=True)
    process.start()
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.join()


def _serve(port: int, elsewhere: int) -> None:
    async def serve() -> None:
        clock = SystemClock()
        store = Population(NAMES).store
        upstream = Upstream(lambda: (Server(HERE, elsewhere),), clock)
        answers = Answers(ClusterRecords(store, DesiredServices(store, "n0")), upstream.cached)
        await DnsServer(answers, upstream, clock, Budget(UNBOUNDED, UNBOUNDED)).open(HERE, port)
        await asyncio.Event().wait()

    asyncio.run(serve())


def _load(port: int, names: list[str]) -> Rate:
    """Ask for a while, each client one question at a time."""
    wires = [dns.message.make_query(name, "A", use_edns=False).to_wire()[2:] for name in names]
    questions = itertools.cycle(wires)
    _ask(port, questions, WARM_SECONDS)
    latencies = sorted(_ask(port, questions, SECONDS))
    return Rate(
        per_second=len(latencies) / SECONDS,
        p50_ms=statistics.median(latencies) * 1000,
        p99_ms=latencies[int(len(latencies) * 0.99)] * 1000,
    )


def _ask(port: int, questions: Iterator[bytes], seconds: float) -> list[float]:
    """Return the times of the answers; a client whose answer is lost asks again."""
    latencies: list[float] = []
    poll = select.epoll()
    clients = {client.fileno(): client for client in (_client(port) for _ in range(CLIENTS))}
    asked = dict.fromkeys(clients, 0.0)
    for descriptor, client in clients.items():
        poll.register(descriptor, select.EPOLLIN)
        asked[descriptor] = time.perf_counter()
        client.send(b"\x12\x34" + next(questions))
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        for descriptor, _ in poll.poll(0.5) or [(each, 0) for each in clients]:
            client = clients[descriptor]
            try:
                client.recv(2048)
                latencies.append(time.perf_counter() - asked[descriptor])
            except BlockingIOError:
                pass
            asked[descriptor] = now
            client.send(b"\x12\x34" + next(questions))
    poll.close()
    for client in clients.values():
        client.close()
    return latencies


def _client(port: int) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setblocking(False)
    client.connect((HERE, port))
    return client


def _wait(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex((HERE, port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])
