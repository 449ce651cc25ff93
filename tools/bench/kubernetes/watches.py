"""How soon a thousand watches hear of an event, what an idle one costs, and what many cost that begin with much."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from tools.bench import client
from tools.bench.kubernetes import pinger, pods, processes, readers
from tools.bench.report import Report
from tools.lab.cluster import Cluster, Daemon

WATCHES = 1_000
MANY_WATCHES = 3_000
EVENTS = 100
EVENT_SECONDS = 0.1
P99_MS_MAX = 100
PAUSE_MS_MAX = 50
IDLE_SECONDS = 30.0
SETTLE_SECONDS = 3.0
"""For what came before to come to its end."""
IDLE_KB_MAX = 30
IDLE_CPU_PERCENT_MAX = 0.2
OBJECTS = 2_000
"""With which the listers are told 0.6 GB; ten thousand would take minutes of encryption, and tell nothing new."""
LISTERS = 100
LISTED_SECONDS_MAX = 90.0
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
ONE = f"{CONFIG_MAPS}/watched"
MERGE = {"Content-Type": "application/merge-patch+json"}
WATCH = f"{CONFIG_MAPS}?watch=true&allowWatchBookmarks=true&resourceVersion=0"
WATCH_LIST = "/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


async def measure(report: Report, cluster: Cluster) -> None:
    """Measure watches that are told something, on the leader and on all three daemons."""
    leader = cluster.leader()
    everywhere = [daemon.machine.address for daemon in cluster]
    async with client.api(cluster.kubeconfig, leader.machine.address) as session:
        async with session.post(CONFIG_MAPS, json={"metadata": {"name": "watched"}}) as answer:
            answer.raise_for_status()
        for where, addresses in (("the leader", [leader.machine.address]), ("three daemons", everywhere)):
            await _events(report, cluster, session, where, addresses)
        async with session.delete(ONE) as answer:
            answer.raise_for_status()
        async with pods.made(session, OBJECTS):
            await _beginnings(report, cluster, leader)


async def measure_idle(report: Report, cluster: Cluster) -> None:
    """Measure what watches cost that nothing happens to. Each figure of memory has a daemon that did nothing before."""
    leader, (second, third) = cluster.leader(), cluster.followers()
    cost, watching = await _idle(cluster, leader, WATCH)
    resting = await _cpu_percent(leader)
    asking_nothing, _ = await _idle(cluster, second, "")
    whole_chain, _ = await _idle(cluster, third, WATCH, chain=True)
    name = "memory of an idle watch, TLS with a client's certificate included"
    beside = f"that sends its CA's, too: {whole_chain:.0f} KB; a connection that asks nothing: {asking_nothing:.0f} KB"
    report.judge(name, f"{cost:.0f} KB", value=cost, at_most=IDLE_KB_MAX, beside=beside, unit=" KB")
    told, beside = f"{watching:.2f} % of a core", f"without any: {resting:.2f} %"
    more = watching - resting
    name = f"CPU of a daemon with {MANY_WATCHES:,} idle watches"
    report.judge(name, told, value=more, at_most=IDLE_CPU_PERCENT_MAX, beside=beside, unit=" % more")


async def _idle(cluster: Cluster, daemon: Daemon, path: str, *, chain: bool = False) -> tuple[float, float]:
    """Return the KB that each takes after the first thousand, with which any daemon grows, and the daemon's CPU."""
    address, more = [daemon.machine.address], MANY_WATCHES - WATCHES
    with readers.reading(cluster.kubeconfig, path, WATCHES, address, chain=chain):
        before = await _resident_bytes(daemon)
        with readers.reading(cluster.kubeconfig, path, more, address, chain=chain):
            cost = (await _resident_bytes(daemon) - before) / more / 1000
            return cost, await _cpu_percent(daemon) if path and not chain else 0.0


async def _events(
    report: Report, cluster: Cluster, session: aiohttp.ClientSession, where: str, addresses: Sequence[str]
) -> None:
    """Change one object again and again, and report when all who watch have heard of it.

    The clock starts before the write is sent, so that its way to the leader and its commit are in what is judged. The
    next row has the same from the writer's answer, which comes after the commit: what is asked for lies between both.
    """
    leader = cluster.leader()
    writes: list[float] = []
    answered: dict[int, int] = {}
    with (
        readers.reading(cluster.kubeconfig, WATCH, WATCHES, addresses) as watching,
        pinger.pinging(str(leader.socket), _pid(leader)) as ping,
    ):
        await asyncio.to_thread(watching.seen)
        worked = processes.process_seconds(_pid(leader))
        for _ in range(EVENTS):
            begun = time.monotonic()
            stamp = time.monotonic_ns()
            change = {"data": {"v": f"{readers.SENT}{stamp}"}}
            async with session.patch(ONE, json=change, headers=MERGE) as answer:
                answered[stamp] = time.monotonic_ns()
                answer.raise_for_status()
            writes.append(1000 * (time.monotonic() - begun))
            await asyncio.sleep(max(0.0, EVENT_SECONDS - (time.monotonic() - begun)))
        await asyncio.sleep(SETTLE_SECONDS)
        cpu_ms = 1000 * (processes.process_seconds(_pid(leader)) - worked) / EVENTS
        seen, pause = await asyncio.to_thread(watching.seen, answered), await asyncio.to_thread(ping.longest)
    if seen.events != EVENTS * WATCHES:
        raise ConnectionError(f"of {EVENTS * WATCHES} events {seen.events} came")
    name = f"{WATCHES:,} watches on {where}: from the sending of a write to the line"
    beside = f"the write itself p50 {sorted(writes)[EVENTS // 2]:.0f} ms, the leader's CPU {cpu_ms:.0f} ms an event"
    report.judge(name, str(seen), value=seen.p99_ms, at_most=P99_MS_MAX, beside=beside, unit=" ms at p99")
    report.add("  from the write's answer to the line", f"p99 {seen.answered_p99_ms:.0f} ms")
    told = f"{pause.wait_ms:.0f} ms, own work {pause.own_ms:.0f} ms"
    report.judge("  longest pause of the leader meanwhile", told, value=pause.own_ms, at_most=PAUSE_MS_MAX, unit=" ms")


async def _beginnings(report: Report, cluster: Cluster, daemon: Daemon) -> None:
    """Report what it takes to tell many watches of all that there is, and a change that comes meanwhile."""
    before, begun = await _resident_bytes(daemon), time.monotonic()
    with (
        pinger.pinging(str(daemon.socket), _pid(daemon)) as ping,
        readers.reading(cluster.kubeconfig, WATCH_LIST, LISTERS, [daemon.machine.address]) as watching,
    ):
        most = before
        async with asyncio.timeout(LISTED_SECONDS_MAX):
            while (await asyncio.to_thread(watching.seen)).begun < LISTERS:
                most = max(most, _resident_now(daemon))
                await asyncio.sleep(EVENT_SECONDS)
        taken, pause = time.monotonic() - begun, await asyncio.to_thread(ping.longest)
    more = (most - before) / 1e6
    report.add(f"{LISTERS} WatchLists of {OBJECTS:,} Pods at once", f"{taken:.1f} s, {more:.0f} MB more memory")
    told = f"{pause.wait_ms:.0f} ms, own work {pause.own_ms:.0f} ms"
    report.judge("  longest pause meanwhile", told, value=pause.own_ms, at_most=PAUSE_MS_MAX, unit=" ms")


def _pid(daemon: Daemon) -> int:
    assert daemon.process is not None
    return daemon.process.pid


async def _resident_bytes(daemon: Daemon) -> int:
    await asyncio.sleep(SETTLE_SECONDS)
    return _resident_now(daemon)


def _resident_now(daemon: Daemon) -> int:
    pages = Path(f"/proc/{_pid(daemon)}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def _cpu_percent(daemon: Daemon) -> float:
    before = processes.process_seconds(_pid(daemon))
    await asyncio.sleep(IDLE_SECONDS)
    return 100 * (processes.process_seconds(_pid(daemon)) - before) / IDLE_SECONDS
