"""A leader with a thousand nodes: what their heartbeats and leases cost it.

Three processes are the cluster's voters, with controllers; each hollow node has a certificate and a TLS link to the
leader of its own, beats once a second and asks for a lease each time, as a daemon does. One process stands for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from swarmlet.controllers.nodes.reporting import HEARTBEAT, LEASES
from swarmlet.controllers.work.drafts import creation
from swarmlet.errors import PeerError
from swarmlet.model import kinds, singletons
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Lease, Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.telemetry import logs
from swarmlet.transport.tls_peers import TlsPeers
from tools.bench import replica, replicas
from tools.bench.population import node_status
from tools.bench.replicas import Process, Replicas
from tools.bench.report import Report

NODES = 1_000
BEAT_SECONDS = 1.0
CALL_SECONDS_MAX = 2.0
CONNECT_SECONDS_MAX = 60.0
CONNECTING_MAX = 16
SETTLE_SECONDS = 5.0
SECONDS = 20.0
RUNS = 3
CPU_PERCENT_MAX = 25
FENCE_AFTER_SECONDS = "4"
FIRST_ID = 0x1000


@dataclass
class Tally:
    """What the nodes saw: heartbeats answered, leases granted, calls that failed."""

    answered: int = 0
    granted: int = 0
    failed: int = 0


async def measure(report: Report) -> None:
    """Let a thousand nodes beat; say what share of a core the leader's process took, at best of some runs."""
    logs.configure(level="error", format="console")  # a thousand links are a thousand lines
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarmlet-bench-")))
        cluster = await stack.enter_async_context(replicas.running(folder, replica.CONTROLLERS))
        leader = await cluster.leader()
        await _register(cluster, leader)
        tally = Tally()
        await stack.enter_async_context(_beating(cluster, leader, tally))
        best = min([await _share_of_a_core(leader) for _ in range(RUNS)])
        known = await _known(cluster, leader)
    name = f"leader's CPU, {len(known):,} nodes that beat once a second, with leases"
    report.judge(name, f"{best:.1f} % of a core", value=best, at_most=CPU_PERCENT_MAX, unit=" %")
    share = 100 * tally.granted / max(1, tally.answered + tally.failed)
    report.judge("heartbeats that renewed a lease", f"{share:.1f} %", value=share, at_least=99, unit=" %")


async def _known(cluster: Replicas, leader: Process) -> list[Lease]:
    """Return what the leader has heard of: it must be the same one still."""
    try:
        answer = await cluster.peers.call(leader.member.node_id, LEASES, b"", timeout_seconds=CALL_SECONDS_MAX)
    except PeerError as error:
        raise TimeoutError(
            f"hollow: the leader of {NODES} nodes was deposed meanwhile: is the machine busy?"
        ) from error
    return msgspec.msgpack.decode(answer, type=list[Lease])


async def _register(cluster: Replicas, leader: Process) -> None:
    nodes = [
        Node(
            metadata=ObjectMeta(
                name=_name(number),
                uid=f"{number:08x}-0000-4000-8000-000000000000",
                labels={NODE_ID_LABEL: _id(number)},
                annotations={singletons.FENCE_AFTER: FENCE_AFTER_SECONDS},
            ),
            status=node_status(),
        )
        for number in range(NODES)
    ]
    await cluster.put(leader, tuple(creation(kinds.NODE, node) for node in nodes))


@contextlib.asynccontextmanager
async def _beating(cluster: Replicas, leader: Process, tally: Tally) -> AsyncIterator[None]:
    """Have all nodes connected and beating."""
    links = [cluster.links_of(_name(number), _id(number)) for number in range(NODES)]
    gate = asyncio.Semaphore(CONNECTING_MAX)
    async with asyncio.TaskGroup() as group:
        nodes = [group.create_task(_node(peers, leader, number, gate, tally)) for number, peers in enumerate(links)]
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            while tally.answered < NODES:
                await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_SECONDS)
        tally.answered = tally.granted = tally.failed = 0
        yield
        for task in nodes:
            task.cancel()


async def _node(peers: TlsPeers, leader: Process, number: int, gate: asyncio.Semaphore, tally: Tally) -> None:
    node_id = leader.member.node_id
    async with gate:
        peers.set_addresses({node_id: leader.member.address})
        running = asyncio.create_task(peers.run())
        while not peers.is_connected(node_id):
            await asyncio.sleep(0.01)
    payload = msgspec.msgpack.encode((_name(number), True, "", 0.0, True, (), b""))
    loop = asyncio.get_running_loop()
    due = loop.time() + number / NODES * BEAT_SECONDS
    try:
        while True:
            await asyncio.sleep(due - loop.time())
            due += BEAT_SECONDS
            try:
                answer = await peers.call(node_id, HEARTBEAT, payload, timeout_seconds=CALL_SECONDS_MAX)
            except PeerError:
                tally.failed += 1
                continue
            tally.answered += 1
            tally.granted += bool(msgspec.msgpack.decode(answer)[0])
    finally:
        running.cancel()


async def _share_of_a_core(process: Process) -> float:
    before = _cpu_seconds(process)
    await asyncio.sleep(SECONDS)
    return 100 * (_cpu_seconds(process) - before) / SECONDS


def _cpu_seconds(process: Process) -> float:
    assert process.process is not None
    fields = Path(f"/proc/{process.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _name(number: int) -> str:
    return f"hollow-{number:04}"


def _id(number: int) -> str:
    return f"{FIRST_ID + number:016x}"
