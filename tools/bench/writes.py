"""Writes and linearizable reads through the leader's HTTP API, with one client and with many, beside etcd.

HTTP is compared with HTTP: etcd's own gateway, with the same client library; what etcd does over gRPC is told, too.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import aiohttp

from tools.bench import client, etcd, rate
from tools.bench.rate import Rate, Work
from tools.bench.report import Report
from tools.lab.cluster import Cluster

CLIENTS = (1, 64)
VALUES_BYTES = (256, 4096)
SECONDS = 2.0
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
THROUGHPUT_RATIO_MIN = 0.5


async def measure(report: Report, cluster: Cluster) -> None:
    """Measure ConfigMap creations, and puts of the same size into etcd."""
    address = cluster.leader().machine.address
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarmlet-bench-")))
        peer = await stack.enter_async_context(etcd.running(folder)) if etcd.version() else None
        for value_bytes in VALUES_BYTES:
            for clients in CLIENTS:
                async with client.api(cluster.kubeconfig, address, connections=clients) as session:
                    ours = await rate.measure(_create(session, value_bytes), clients=clients, seconds=SECONDS)
                    await _forget(session)
                name = f"API writes of {value_bytes} B, {clients} clients"
                if peer is None:
                    report.add(name, str(ours))
                    continue
                theirs = await etcd.rate_over_http(peer, value_bytes, clients=clients, seconds=SECONDS)
                _compare(report, name, ours, theirs, clients)
                grpc = await etcd.rate_over_grpc(peer, value_bytes, clients=clients, connections=1, seconds=SECONDS)
                report.add("", "", beside=f"etcd over gRPC {grpc}", ratio=ours.per_second / grpc.per_second)
    async with client.api(cluster.kubeconfig, address) as session:
        await _create(session, VALUES_BYTES[0], name="read")(0)
        reads = await rate.measure(_read(session), clients=CLIENTS[-1], seconds=SECONDS)
        report.add(f"API linearizable reads, {CLIENTS[-1]} clients", str(reads))


def _compare(report: Report, name: str, ours: Rate, theirs: Rate, clients: int) -> None:
    beside, ratio = f"etcd over HTTP {theirs}", ours.per_second / theirs.per_second
    if clients == 1:
        report.add(name, str(ours), beside=beside, ratio=ratio)
    else:
        report.judge(name, str(ours), beside=beside, value=ratio, at_least=THROUGHPUT_RATIO_MIN)


def _create(session: aiohttp.ClientSession, value_bytes: int, name: str = "") -> Work:
    value = "x" * value_bytes

    async def work(number: int) -> None:
        metadata = {"name": name} if name else {"generateName": f"bench-{number}-"}
        async with session.post(CONFIG_MAPS, json={"metadata": metadata, "data": {"v": value}}) as answer:
            answer.raise_for_status()
            await answer.read()

    return work


def _read(session: aiohttp.ClientSession) -> Work:
    async def work(_number: int) -> None:
        async with session.get(f"{CONFIG_MAPS}/read") as answer:
            answer.raise_for_status()
            await answer.read()

    return work


async def _forget(session: aiohttp.ClientSession) -> None:
    async with session.delete(CONFIG_MAPS) as answer:
        answer.raise_for_status()
