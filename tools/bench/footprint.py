"""What a daemon costs: resident memory and CPU, idle and with Pods."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from tools.bench import client, ours
from tools.bench.report import Report
from tools.lab.cluster import Cluster, Daemon

PODS = 100
SECONDS = 20.0
IDLE_MEMORY_MIB_MAX = 90
IDLE_CPU_PERCENT_MAX = 2


@dataclass(frozen=True)
class Footprint:
    """Of the daemon that costs most: resident memory in MiB, and the share of one core."""

    memory_mib: float
    cpu_percent: float


async def report(into: Report, cluster: Cluster) -> None:
    """Add what the daemon that costs most of the three costs."""
    for name, cost in (await measure(cluster)).items():
        memory, cpu = f"{cost.memory_mib:.0f} MiB", f"{cost.cpu_percent:.1f} % of a core"
        if name == "idle":
            into.judge("daemon's memory, idle", memory, value=cost.memory_mib, at_most=IDLE_MEMORY_MIB_MAX, unit=" MiB")
            into.judge("daemon's CPU, idle", cpu, value=cost.cpu_percent, at_most=IDLE_CPU_PERCENT_MAX, unit=" %")
        else:
            into.add(f"daemon's memory, {name}", memory)
            into.add(f"daemon's CPU, {name}", cpu)


async def measure(cluster: Cluster) -> dict[str, Footprint]:
    """Return the footprint idle, and with `PODS` running Pods."""
    idle = await _footprint(cluster)
    async with client.api(cluster.kubeconfig, cluster.leader().machine.address) as session:
        await ours.run(session, "weight", PODS)
        await asyncio.to_thread(cluster.wait_running, "app=weight", PODS, 180)
        loaded = await _footprint(cluster)
        await ours.remove(session, "weight")
    return {"idle": idle, f"{PODS} Pods": loaded}


async def _footprint(cluster: Cluster) -> Footprint:
    await asyncio.sleep(3)  # what came before settles
    before = {daemon.name: _cpu_seconds(daemon) for daemon in cluster}
    await asyncio.sleep(SECONDS)
    cpu = max(_cpu_seconds(daemon) - before[daemon.name] for daemon in cluster)
    return Footprint(max(_memory_mib(daemon) for daemon in cluster), 100 * cpu / SECONDS)


def _proc(daemon: Daemon, name: str) -> str:
    assert daemon.process is not None
    return Path(f"/proc/{daemon.process.pid}/{name}").read_text(encoding="ascii")


def _cpu_seconds(daemon: Daemon) -> float:
    fields = _proc(daemon, "stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(daemon: Daemon) -> float:
    line = next(line for line in _proc(daemon, "status").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
