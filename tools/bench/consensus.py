"""The replicated log alone, beside etcd: writes and linearizable reads through three processes on one disk.

Ours: three `replica` processes, each what a daemon's consensus is (SQLite, TLS links, the store), and this process as a
client that calls the leader over one TLS link, as a daemon does that forwards a write. etcd: three members with its own
defaults and no TLS, and this process as a client of its leader: over gRPC, its fastest road, on the number of
connections that suits it best; and over its HTTP gateway. Rounds alternate, and the best of each counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

from tools.bench import etcd, rate, replicas
from tools.bench.etcd import Client, Etcd
from tools.bench.replica import Burst
from tools.bench.replicas import Replicas
from tools.bench.report import Report

ROUNDS = 2
SECONDS = 1.5
WARM_UP_SECONDS = 0.3
VALUES_BYTES = (256, 4096)
CLIENTS = (1, 64)
CONNECTIONS = (1, 8)
READERS = 64
THROUGHPUT_RATIO_MIN = 1.0
LATENCY_RATIO_MAX = 1.2
READS_RATIO_MIN = 5.0


async def measure(report: Report) -> None:
    """Measure ours and etcd in turn."""
    report.add("fsync of 4 KiB, the floor of a durable write", f"p50 {rate.fsync_ms():.2f} ms")
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarmlet-bench-")))
        ours = await stack.enter_async_context(replicas.running(folder))
        peer = await stack.enter_async_context(etcd.running(folder)) if etcd.version() else None
        if peer is None:
            report.add("etcd", "", beside="not installed: make bench-peers")
        for value_bytes in VALUES_BYTES:
            for clients in CLIENTS:
                await _compare_writes(report, ours, peer, value_bytes=value_bytes, clients=clients)
        await _compare_reads(report, ours, peer)
        await _read_in_process(report, ours)


async def _compare_writes(report: Report, ours: Replicas, peer: Etcd | None, *, value_bytes: int, clients: int) -> None:
    leader = await ours.leader()
    mine, theirs, http = [], [], []
    for _ in range(ROUNDS):
        work = ours.propose(leader, value_bytes)
        await rate.measure(work, clients=clients, seconds=WARM_UP_SECONDS)
        mine.append(await rate.measure(work, clients=clients, seconds=SECONDS))
        if peer:
            theirs += [
                await etcd.rate_over_grpc(peer, value_bytes, clients=clients, connections=each, seconds=SECONDS / 2)
                for each in CONNECTIONS
                if each <= clients
            ]
            http.append(await etcd.rate_over_http(peer, value_bytes, clients=clients, seconds=SECONDS))
    name = f"proposals of {value_bytes} B, {clients} clients"
    best = rate.best(mine)
    if not peer:
        report.add(name, str(best))
        return
    other = rate.best(theirs)
    if clients == 1:
        ratio = best.p50_ms / other.p50_ms
        report.judge(name, str(best), beside=f"etcd over gRPC {other}", value=ratio, at_most=LATENCY_RATIO_MAX)
    else:
        ratio = best.per_second / other.per_second
        report.judge(name, str(best), beside=f"etcd over gRPC {other}", value=ratio, at_least=THROUGHPUT_RATIO_MIN)
    slower = rate.best(http)
    report.add("", "", beside=f"etcd over HTTP {slower}", ratio=best.per_second / slower.per_second)


async def _compare_reads(report: Report, ours: Replicas, peer: Etcd | None) -> None:
    leader = await ours.leader()
    mine = await rate.measure(ours.read(leader), clients=READERS, seconds=SECONDS)
    beside = ""
    if peer:
        async with Client.connected(await peer.leader_port(), connections=1) as client:
            await client.put(1)(0)
            beside = f"etcd {await rate.measure(client.read(), clients=READERS, seconds=SECONDS)}"
    report.add(f"linearizable reads over a link, {READERS} clients", str(mine), beside=beside)


async def _read_in_process(report: Report, ours: Replicas) -> None:
    """Compare reads with writes where neither pays for a client: what batching reads under a quorum round gives."""
    leader = await ours.leader()
    follower = next(process for process in ours.processes.values() if process is not leader)
    for name, process in (("leader", leader), ("follower", follower)):
        writes = await ours.burst(process, Burst(READERS, SECONDS, VALUES_BYTES[0]))
        reads = await ours.burst(process, Burst(READERS, SECONDS))
        report.judge(
            f"linearizable reads in the {name}'s process, {READERS} callers",
            str(reads),
            beside=f"its writes {writes}",
            value=reads.per_second / writes.per_second,
            at_least=READS_RATIO_MIN,
        )
        await asyncio.sleep(WARM_UP_SECONDS)
