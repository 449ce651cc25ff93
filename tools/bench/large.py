"""A snapshot of 100 MB: written, sent to a replica that was away, installed there; how long each loop was held up."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

from tools.bench import replica, replicas
from tools.bench.replicas import Process, Replicas
from tools.bench.report import Report

OBJECTS = 100_000
VALUE_BYTES = 900
PAUSE_MS_MAX = 50


async def measure(report: Report) -> None:
    """Fill two replicas while the third is away, and let it come back."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarmlet-bench-")))
        cluster = await stack.enter_async_context(replicas.running(folder))
        leader = await cluster.leader()
        away = next(process for process in cluster.processes.values() if process is not leader)
        away.end()
        before = await cluster.report(leader)
        await cluster.forget_pauses()
        await cluster.fill(leader, count=OBJECTS, value_bytes=VALUE_BYTES)
        written = await cluster.until(leader, lambda report: report.snapshots_taken > 0)
        _judge(report, "snapshots of up to 100 MB written: leader's longest pause", written)
        await cluster.forget_pauses()
        seconds = await _come_back(cluster, leader, away)
        after, received = await cluster.report(leader), await cluster.report(away)
        report.add("100 MB behind -> caught up", f"{seconds:.1f} s, {received.snapshots_installed} snapshot installed")
        _judge(report, "snapshot of 100 MB sent: leader's longest pause", after)
        _judge(report, "snapshot of 100 MB installed: receiver's longest pause", received)
        elections = after.term - before.term
        report.judge("elections meanwhile", str(elections), value=elections, at_most=0, unit=" elections")


def _judge(report: Report, name: str, seen: replica.Report) -> None:
    ours = f"{seen.pause_ms:.0f} ms, own work {seen.own_ms:.0f} ms"
    report.judge(name, ours, value=seen.pause_ms, at_most=PAUSE_MS_MAX, unit=" ms")


async def _come_back(cluster: Replicas, leader: Process, away: Process) -> float:
    goal = (await cluster.report(leader)).applied
    start = time.monotonic()
    away.start()
    await cluster.until(away, lambda report: report.applied >= goal)
    return time.monotonic() - start
