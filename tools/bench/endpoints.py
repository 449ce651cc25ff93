"""How soon a change of a Pod's readiness is in force on the last node: what a client meets, and not what is told.

The Pods are nobody's: no scheduler takes them, and their status is written here, as an agent would. So what is timed
begins with that write and has in it all that follows: the leader's commit, the endpoint that changes, its way to each
node, and that node's kernel. On each node a connection to the cluster IP is tried again and again meanwhile: it is
refused while the Service's only endpoint is not ready, and arrives at a listener on the box while it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import json
import os
import socket
import statistics
import struct
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import aiohttp

from tools.bench import client
from tools.bench.report import Report
from tools.lab import LabError
from tools.lab.cluster import Cluster

SERVICES = 500
CHANGES = 300
NAMESPACE = "bench-endpoints"
HERE = f"/api/v1/namespaces/{NAMESPACE}"
NO_SCHEDULER = "nobody"
WRITERS = 16
P99_MILLISECONDS_MAX = 300
LOOK_SECONDS = 0.002
LOOK_SECONDS_MAX = 10.0
CONNECT_SECONDS_MAX = 1.0
PAUSE_SECONDS = 0.05
NETWORK_NAMESPACE = 0x40000000
AT_ONCE = struct.pack("ii", 1, 0)
"""Of SO_LINGER: a connection that is closed leaves nothing behind."""


@dataclass(frozen=True, slots=True)
class Change:
    """In milliseconds from when it was asked for: until it was committed, and until it was in force on each node."""

    committed: float
    in_force: tuple[float, ...]


async def measure(report: Report, cluster: Cluster, *, services: int = SERVICES, changes: int = CHANGES) -> None:
    """Turn Pods' readiness, one after the other, and report how long it took."""
    async with _population(cluster, services) as (session, addresses):
        found = await _turn(cluster, session, addresses, changes)
    last = sorted(max(each.in_force) for each in found)
    p99 = last[int(len(last) * 0.99)]
    committed = statistics.median(each.committed for each in found)
    report.judge(
        f"readiness to the last of {len(cluster.daemons)} nodes, {services} Services",
        f"{statistics.median(last):.0f} ms, p99 {p99:.0f} ms",
        value=p99,
        at_most=P99_MILLISECONDS_MAX,
        beside=f"of it the write {committed:.0f} ms; {len(last)} changes, slowest {last[-1]:.0f} ms",
        unit=" ms",
    )


@contextlib.asynccontextmanager
async def _population(cluster: Cluster, services: int) -> AsyncIterator[tuple[aiohttp.ClientSession, list[str]]]:
    """Have so many Services, each with a Pod that is not ready at a listener on the box; yield their addresses."""
    box = str(cluster.lab.subnet[1])
    listener = await asyncio.start_server(_hang_up, box, 0)
    port = int(listener.sockets[0].getsockname()[1])
    async with client.api(cluster.kubeconfig, cluster.leader().machine.address, connections=WRITERS) as session:
        await _send(session, "POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        try:
            addresses = [""] * services

            async def add(number: int) -> None:
                addresses[number] = await _add(session, number, port)
                await _tell(session, number, box, ready=False)

            await asyncio.gather(*(add(number) for number in range(services)))
            yield session, addresses
        finally:
            await _send(session, "DELETE", f"/api/v1/namespaces/{NAMESPACE}", None)
            listener.close()


async def _add(session: aiohttp.ClientSession, number: int, port: int) -> str:
    """Make a Service and its Pod; return its address."""
    name = f"s{number}"
    labels = {"app": name}
    pod = {"schedulerName": NO_SCHEDULER, "containers": [{"name": "main", "image": "none"}]}
    await _send(session, "POST", f"{HERE}/pods", {"metadata": {"name": name, "labels": labels}, "spec": pod})
    spec = {"selector": labels, "ports": [{"port": 80, "targetPort": port}]}
    made = await _send(session, "POST", f"{HERE}/services", {"metadata": {"name": name}, "spec": spec})
    return str(made["spec"]["clusterIP"])


async def _turn(
    cluster: Cluster, session: aiohttp.ClientSession, addresses: Sequence[str], changes: int
) -> list[Change]:
    """Let one Pod after the other be ready, and then not ready again; return what each change took."""
    found = []
    with contextlib.ExitStack() as stack:
        eyes = [stack.enter_context(_eye(f"{cluster.lab.name}-{daemon.name}")) for daemon in cluster]
        await _settled(eyes, addresses)
        for step in range(changes):
            number, ready = step // 2 % len(addresses), step % 2 == 0
            looks = [_look(eye, addresses[number], is_open=ready) for eye in eyes]
            begun = time.perf_counter()
            await _tell(session, number, str(cluster.lab.subnet[1]), ready=ready)
            committed = time.perf_counter()
            seen = await asyncio.gather(*looks)
            found.append(Change(1000 * (committed - begun), tuple(1000 * (each - begun) for each in seen)))
            await asyncio.sleep(PAUSE_SECONDS)
    return found


async def _settled(eyes: Sequence[ThreadPoolExecutor], addresses: Sequence[str]) -> None:
    """Wait until all Services are in all kernels: each refuses at once."""
    for eye in eyes:
        for address in addresses:
            await _look(eye, address, is_open=False)


@contextlib.contextmanager
def _eye(namespace: str) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread that sees a machine's network."""
    with ThreadPoolExecutor(1, initializer=_enter, initargs=(namespace,)) as eye:
        yield eye


def _enter(namespace: str) -> None:
    """Let this thread be in a network namespace from now on."""
    handle = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, NETWORK_NAMESPACE):
            raise OSError(ctypes.get_errno(), f"network namespace {namespace}")
    finally:
        os.close(handle)


def _look(eye: ThreadPoolExecutor, address: str, *, is_open: bool) -> asyncio.Future[float]:
    """Return the moment at which connections to a Service came to be answered, or refused."""
    return asyncio.get_running_loop().run_in_executor(eye, functools.partial(_watch, address, is_open=is_open))


def _watch(address: str, *, is_open: bool) -> float:
    end = time.perf_counter() + LOOK_SECONDS_MAX
    while _answers(address) != is_open:
        if time.perf_counter() > end:
            raise TimeoutError(f"{address} is not {'open' if is_open else 'closed'} after {LOOK_SECONDS_MAX:g} s")
        time.sleep(LOOK_SECONDS)
    return time.perf_counter()


def _answers(address: str) -> bool:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        connection.settimeout(CONNECT_SECONDS_MAX)
        return connection.connect_ex((address, 80)) == 0


async def _tell(session: aiohttp.ClientSession, number: int, address: str, *, ready: bool) -> None:
    """Write a Pod's status."""
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
    await _send(session, "PATCH", f"{HERE}/pods/s{number}/status", {"status": status})


async def _send(session: aiohttp.ClientSession, method: str, path: str, document: object) -> dict[str, dict[str, str]]:
    headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    body = json.dumps(document) if document else None
    async with session.request(method, path, data=body, headers=headers) as answer:
        if not answer.ok:
            raise LabError(f"{method} {path}: {answer.status} {await answer.text()}")
        found: dict[str, dict[str, str]] = await answer.json()
        return found


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
