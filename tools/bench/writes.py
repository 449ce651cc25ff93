"""Writes through the API with one and with many clients, beside the floor: fsyncs of the same disk."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.bench import client
from tools.lab.cluster import Cluster

CLIENTS = (1, 64)
SECONDS = 5.0
FSYNCS = 200


@dataclass(frozen=True)
class Rate:
    """Acknowledged writes a second, and the latency in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


async def measure(cluster: Cluster) -> dict[int, Rate]:
    """Return the rate of ConfigMap creations through the leader's API, by the number of clients."""
    address = cluster.leader().machine.address
    return {clients: await _rate(cluster.kubeconfig, address, clients) for clients in CLIENTS}


async def _rate(kubeconfig: Path, address: str, clients: int) -> Rate:
    latencies: list[float] = []
    async with client.api(kubeconfig, address, connections=clients) as session:
        end = time.monotonic() + SECONDS

        async def work(number: int) -> None:
            body = {"metadata": {"generateName": f"bench-{number}-"}, "data": {"v": "x" * 256}}
            while (start := time.monotonic()) < end:
                async with session.post("/api/v1/namespaces/default/configmaps", json=body) as answer:
                    answer.raise_for_status()
                    await answer.read()
                latencies.append(time.monotonic() - start)

        await asyncio.gather(*(work(number) for number in range(clients)))
        async with session.delete("/api/v1/namespaces/default/configmaps") as answer:
            answer.raise_for_status()
    return Rate(len(latencies) / SECONDS, *(1000 * q for q in quantiles(latencies)))


def quantiles(values: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile."""
    return statistics.median(values), sorted(values)[int(len(values) * 0.99)]


def fsync_ms() -> float:
    """Return the median milliseconds of writing 4 KiB and fsyncing it: the floor of a durable write."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(FSYNCS):
            start = time.monotonic()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.monotonic() - start)
    return 1000 * statistics.median(taken)
