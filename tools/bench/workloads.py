"""The same work for us, for Docker Swarm and for the bare Docker API, on the same Engines in the same run."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import statistics
import time
from collections.abc import Awaitable, Callable

from tools.bench.engines import CONCURRENCIES, Engines
from tools.bench.ours import Ours
from tools.bench.report import Report
from tools.bench.swarm import Swarm
from tools.bench.work import NEXT_IMAGE, WAIT_SECONDS_MAX, Orchestrator, Work
from tools.lab.cluster import Cluster

SIZES = (10, 50, 100)
ROUNDS = len(CONCURRENCIES)
"""Of which the best counts, as of the tries of the bare API: no box is alike from minute to minute."""
SCALE_FROM, SCALE_TO = 10, 50
UPDATED = 10
PARALLELISMS = (1, 10)
REPLACEMENTS = 5
SETTLE_SECONDS = 2.0
SWARM_DEFAULT_DELAY_SECONDS = 5.0
RATIO_TO_BARE_MAX = 1.15

Seconds = dict[str, float]
"""By the name of a row."""


async def measure(into: Report, cluster: Cluster) -> None:
    """Add a row for each piece of work, ours beside Swarm's and beside the bare Docker API's."""
    engines = Engines(cluster)
    try:
        ours, bare = await _ours_and_bare(cluster, engines)
        for daemon in cluster:  # they rest while Swarm is measured
            daemon.kill(signal.SIGTERM)
        swarm = await _swarms(cluster, engines)
        for daemon in cluster:
            daemon.start()
        await asyncio.to_thread(cluster.wait_ready, len(cluster.daemons))
    finally:
        await engines.close()
    for name, seconds in ours.items():
        peer = swarm[name]
        into.judge(name, f"{seconds:.2f} s", beside=f"{peer:.2f} s Swarm", value=seconds / peer, at_most=1.0)
        if floor := bare.get(name):
            beside = f"{floor:.2f} s bare Docker API"
            into.judge("", "", beside=beside, value=seconds / floor, at_most=RATIO_TO_BARE_MAX)
    for name in swarm.keys() - ours.keys():
        into.add(name, "", beside=f"{swarm[name]:.2f} s Swarm")


async def _ours_and_bare(cluster: Cluster, engines: Engines) -> tuple[Seconds, Seconds]:
    ours, bare = Seconds(), Seconds()
    orchestrator = Ours(cluster)
    try:
        for host_network in (True, False):
            ours |= await _orchestrated(orchestrator, engines, host_network=host_network)
            bare |= await _bare(engines, host_network=host_network)
    finally:
        await orchestrator.close()
    return ours, bare


async def _swarms(cluster: Cluster, engines: Engines) -> Seconds:
    swarm = await Swarm.form(cluster)
    try:
        seconds = Seconds()
        for host_network in (True, False):
            seconds |= await _orchestrated(swarm, engines, host_network=host_network)
            work = _work("late", SCALE_FROM, host_network, restart_delay_seconds=SWARM_DEFAULT_DELAY_SECONDS)
            name = _row("killed -> running again, Swarm's default delay", host_network)
            seconds[name] = await _replacement(swarm, engines, work)
        return seconds
    finally:
        await swarm.close()


async def _orchestrated(orchestrator: Orchestrator, engines: Engines, *, host_network: bool) -> Seconds:
    """Return the seconds of each piece of work on one network."""
    rounds = [
        await _creations(orchestrator, engines, host_network=host_network)
        | await _scaling(orchestrator, engines, host_network=host_network)
        for _ in range(ROUNDS)
    ]
    seconds = {name: min(each[name] for each in rounds) for name in rounds[0]}
    for parallelism in PARALLELISMS:
        work = _work("update", UPDATED, host_network, parallelism=parallelism)
        await orchestrator.create(work)
        newer = dataclasses.replace(work, image=NEXT_IMAGE)
        name = _row(f"update {UPDATED}, {parallelism} at a time", host_network)
        seconds[name] = await _timed(lambda newer=newer: orchestrator.change(newer))
        await _removal(orchestrator, engines, work)
    work = _work("replace", SCALE_FROM, host_network)
    seconds[_row("killed -> running again", host_network)] = await _replacement(orchestrator, engines, work)
    return seconds


async def _creations(orchestrator: Orchestrator, engines: Engines, *, host_network: bool) -> Seconds:
    seconds = Seconds()
    for size in SIZES:
        work = _work("create", size, host_network)
        seconds[_row(f"create {size}", host_network)] = await _timed(lambda work=work: orchestrator.create(work))
        removal = await _removal(orchestrator, engines, work)
    return seconds | {_row(f"remove {size}", host_network): removal}


async def _scaling(orchestrator: Orchestrator, engines: Engines, *, host_network: bool) -> Seconds:
    work = _work("scale", SCALE_FROM, host_network)
    await orchestrator.create(work)
    larger = dataclasses.replace(work, replicas=SCALE_TO)
    scaled = await _timed(lambda: orchestrator.change(larger))
    await _removal(orchestrator, engines, work)
    return {_row(f"scale {SCALE_FROM} -> {SCALE_TO}", host_network): scaled}


async def _removal(orchestrator: Orchestrator, engines: Engines, work: Work) -> float:
    """Remove work; return the seconds until no Engine has a container left."""

    async def removed() -> None:
        await orchestrator.remove(work)
        await engines.until_empty()

    seconds = await _timed(removed)
    await asyncio.sleep(SETTLE_SECONDS)
    return seconds


async def _replacement(orchestrator: Orchestrator, engines: Engines, work: Work) -> float:
    """Return the median seconds from a container's crash to the start of another in its place."""
    await orchestrator.create(work)
    await asyncio.sleep(SETTLE_SECONDS)
    samples = []
    for victim in (await engines.running())[:REPLACEMENTS]:
        async with engines.starts() as starts, asyncio.timeout(WAIT_SECONDS_MAX):
            start = time.monotonic()
            await engines.kill(victim)
            await starts.get()
            samples.append(time.monotonic() - start)
        await asyncio.sleep(SETTLE_SECONDS)
    await _removal(orchestrator, engines, work)
    return statistics.median(samples)


async def _bare(engines: Engines, *, host_network: bool) -> Seconds:
    """Return the floor: what the Engines themselves take at the best concurrency."""
    seconds = Seconds()
    for size in (*SIZES, SCALE_TO - SCALE_FROM):
        starts, ends = [], []
        for concurrency in CONCURRENCIES:
            started, containers = await engines.start(size, host_network=host_network, concurrency=concurrency)
            starts.append(started)
            ends.append(await engines.end(containers, concurrency=concurrency))
        name = f"create {size}" if size in SIZES else f"scale {SCALE_FROM} -> {SCALE_TO}"
        seconds[_row(name, host_network)] = min(starts)
        if size == max(SIZES):
            seconds[_row(f"remove {size}", host_network)] = min(ends)
    for parallelism in PARALLELISMS:
        _, containers = await engines.start(UPDATED, host_network=host_network, concurrency=1)
        name = _row(f"update {UPDATED}, {parallelism} at a time", host_network)
        tries = [
            await engines.replace(containers, host_network=host_network, concurrency=min(parallelism, total))
            for total in ([1] if parallelism == 1 else [3, 6, parallelism])
        ]
        seconds[name] = min(tries)
        await engines.end(containers, concurrency=1)
    return seconds


def _work(
    name: str, replicas: int, host_network: bool, *, parallelism: int = 1, restart_delay_seconds: float = 0.0
) -> Work:
    return Work(
        name,
        replicas,
        host_network,
        parallelism=parallelism,
        restart_delay_seconds=restart_delay_seconds,
    )


def _row(name: str, host_network: bool) -> str:
    return f"{name}, {'host' if host_network else 'default'} network"


async def _timed(step: Callable[[], Awaitable[None]]) -> float:
    start = time.monotonic()
    await step()
    return time.monotonic() - start
