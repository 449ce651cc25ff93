"""How many objects a second three daemons create, clients on all of them, for half a minute; and etcd's puts beside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from pathlib import Path

import aiohttp

from tools.bench import client, etcd
from tools.bench.kubernetes import processes, writers
from tools.bench.kubernetes.writers import Writes
from tools.bench.report import Report
from tools.lab.cluster import Cluster

CLIENTS = 64
SECONDS = 30
ETCD_SECONDS = 5.0
PER_SECOND_MIN = 1_000
DELETED_AT_ONCE = 2_000
_NO_GRACE = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
KINDS = {"configmaps": f"ConfigMaps of {writers.VALUE_BYTES} B", "pods": "Pods that no scheduler takes"}


async def measure(report: Report, cluster: Cluster) -> None:
    """Create ConfigMaps and Pods, and put values of the same size into etcd."""
    async with client.api(cluster.kubeconfig, cluster.leader().machine.address) as session:
        async with session.post("/api/v1/namespaces", json={"metadata": {"name": writers.NAMESPACE}}) as answer:
            answer.raise_for_status()
        beside = await _peer()
        for kind, name in KINDS.items():
            before = _cpu_seconds(cluster)
            written = await _write(cluster, kind)
            cpu_ms = 1000 * (_cpu_seconds(cluster) - before) / (written.per_second * SECONDS)
            title = f"{name} created a second at three daemons, {CLIENTS} clients, {SECONDS} s"
            told = f"{written}; slowest second {written.slowest_second:,}; {cpu_ms:.2f} ms of CPU each"
            rate = written.per_second if not written.refused else 0.0
            report.judge(title, told, value=rate, at_least=PER_SECOND_MIN, beside=beside, unit="/s")
            await _forget(session, kind)
            beside = ""


async def _forget(session: aiohttp.ClientSession, kind: str) -> None:
    """Delete what was created, so many in a request that it takes some seconds."""
    path = f"/api/v1/namespaces/{writers.NAMESPACE}/{kind}?limit={DELETED_AT_ONCE}"
    left = True
    while left:
        async with session.delete(path, json=_NO_GRACE) as answer:
            answer.raise_for_status()
            left = bool((await answer.json())["items"])


async def _write(cluster: Cluster, kind: str) -> Writes:
    addresses = [daemon.machine.address for daemon in cluster]
    argv = ["-m", "tools.bench.kubernetes.writers", str(cluster.kubeconfig), kind, str(CLIENTS), str(SECONDS)]
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, *addresses, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if not output:
        raise ConnectionError("the clients that create were ended")
    return Writes(**json.loads(output))


async def _peer() -> str:
    """Return what etcd does over gRPC with as many clients; "" where it is not installed."""
    if not etcd.version():
        return ""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarmlet-bench-")))
        peer = await stack.enter_async_context(etcd.running(folder))
        rate = await etcd.rate_over_grpc(
            peer, writers.VALUE_BYTES, clients=CLIENTS, connections=1, seconds=ETCD_SECONDS
        )
    return f"etcd's leader over gRPC, puts {rate}"


def _cpu_seconds(cluster: Cluster) -> float:
    pids = (daemon.process.pid for daemon in cluster if daemon.process is not None)
    return sum(map(processes.process_seconds, pids))
