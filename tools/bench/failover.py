"""SIGKILL of the leader's daemon, until a write is acknowledged by another one."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from tools.bench import client
from tools.lab.cluster import Cluster

ROUNDS = 10
SECONDS_MAX = 30


async def measure(cluster: Cluster) -> list[float]:
    """Return the seconds of each round."""
    return [await _round(cluster) for _ in range(ROUNDS)]


async def _round(cluster: Cluster) -> float:
    victim, survivor = cluster.leader(), cluster.followers()[0]
    async with client.api(cluster.kubeconfig, survivor.machine.address) as session:
        await _write(session)
        start = time.monotonic()
        victim.kill()
        while not await _write(session) and time.monotonic() - start < SECONDS_MAX:
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - start
    victim.start()
    cluster.wait_ready(len(cluster.daemons))
    return seconds


async def _write(session: aiohttp.ClientSession) -> bool:
    body = {"metadata": {"generateName": "failover-"}}
    try:
        async with session.post("/api/v1/namespaces/default/configmaps", json=body) as answer:
            return answer.status == 201
    except aiohttp.ClientError:
        return False
