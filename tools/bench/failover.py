"""From the loss of the leader, its process or its whole machine, until a write is acknowledged by another."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable

import aiohttp

from tools.bench import client
from tools.bench.report import Report
from tools.lab.cluster import Cluster, Daemon
from tools.lab.processes import LabError

PROCESS_ROUNDS = 20
MACHINE_ROUNDS = 5
PROCESS_SECONDS_MAX = 0.5
MACHINE_SECONDS_MAX = 2.5
SECONDS_MAX = 30
SETTLE_SECONDS = 0.5

Strike = Callable[[Daemon], None]


async def measure(report: Report, cluster: Cluster) -> None:
    """Lose the leader's process, then its machine, again and again."""

    def kill(victim: Daemon) -> None:
        victim.kill()

    def cut_off(victim: Daemon) -> None:
        cluster.lab.isolate(victim.name)

    processes = [await _round(cluster, kill, Daemon.start) for _ in range(PROCESS_ROUNDS)]
    _judge(report, "leader's process killed -> write", processes, PROCESS_SECONDS_MAX)
    machines = [await _round(cluster, cut_off, lambda _: cluster.lab.heal()) for _ in range(MACHINE_ROUNDS)]
    _judge(report, "leader's machine gone from the network -> write", machines, MACHINE_SECONDS_MAX)


def _judge(report: Report, name: str, seconds: list[float], at_most: float) -> None:
    median = statistics.median(seconds)
    ours = f"median {median:.2f} s of {len(seconds)}, slowest {max(seconds):.2f} s"
    report.judge(name, ours, value=median, at_most=at_most, unit=" s")


async def _round(cluster: Cluster, strike: Strike, mend: Strike) -> float:
    victim, survivor = cluster.leader(), cluster.followers()[0]
    async with client.api(cluster.kubeconfig, survivor.machine.address) as session:
        await _write(session)
        start = time.monotonic()
        strike(victim)
        while not await _write(session) and time.monotonic() - start < SECONDS_MAX:
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - start
    if survivor.status().get("leader_name") == victim.name:
        raise LabError(f"{victim.name} was to be lost, but leads on")
    mend(victim)
    cluster.wait_ready(len(cluster.daemons))
    await asyncio.sleep(SETTLE_SECONDS)
    return seconds


async def _write(session: aiohttp.ClientSession) -> bool:
    body = {"metadata": {"generateName": "failover-"}}
    try:
        async with session.post("/api/v1/namespaces/default/configmaps", json=body) as answer:
            return answer.status == 201
    except aiohttp.ClientError:
        return False
