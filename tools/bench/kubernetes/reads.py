"""What lists of many Pods, discovery and OpenAPI cost a daemon, and for how long others have to wait meanwhile."""

from __future__ import annotations

import asyncio
import functools
import gzip
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import msgspec

from tools.bench import client, rate
from tools.bench.kubernetes import costs, peers, pinger, pods, programs
from tools.bench.rate import Rate
from tools.bench.report import Report
from tools.lab import LabError
from tools.lab.cluster import Cluster, Daemon

PODS = 10_000
ROUNDS = 5
PAGE = 500
CLIENTS = 64
SECONDS = 2.0
PAUSE_MS_MAX = 50
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
PODS_HERE = f"/api/v1/namespaces/{pods.NAMESPACE}/pods"


class _Head(msgspec.Struct):
    metadata: dict[str, str | int]


_head = msgspec.json.Decoder(_Head)


@dataclass(frozen=True)
class Case:
    """A list that is asked for. `cpu_ms_max` 0: without a target."""

    name: str
    path: str
    accept: str = "application/json"
    gzip: bool = False
    cpu_ms_max: float = 0


FIRST = Case("as a Table, for the first time, not at the leader", "/api/v1/pods", TABLE)
CASES = (
    Case("as JSON", "/api/v1/pods", cpu_ms_max=150),
    Case("as JSON, gzip", "/api/v1/pods", gzip=True),
    Case("as a Table", "/api/v1/pods", TABLE, cpu_ms_max=400),
    Case("as a Table, gzip, as kubectl asks", "/api/v1/pods", TABLE, gzip=True, cpu_ms_max=400),
    Case(f"as JSON, in pages of {PAGE}", f"/api/v1/pods?limit={PAGE}"),
    Case(f"as a Table, in pages of {PAGE}, gzip", f"/api/v1/pods?limit={PAGE}", TABLE, gzip=True),
    Case("as PartialObjectMetadataList", "/api/v1/pods", METADATA),
    Case("of one namespace", PODS_HERE),
    Case("by a label", "/api/v1/pods?labelSelector=app.kubernetes.io/name%3Dweb-003"),
    Case("by a field", "/api/v1/pods?fieldSelector=status.phase%21%3DRunning"),
)


async def measure(report: Report, cluster: Cluster, *, count: int = PODS, seconds: float = SECONDS) -> None:
    """Make Pods, and list them in every form at a daemon that does not lead and at the one that does."""
    leader, follower = cluster.leader(), cluster.followers()[0]
    async with (
        client.api(cluster.kubeconfig, leader.machine.address) as session,
        client.api(cluster.kubeconfig, follower.machine.address) as other,
        pods.made(session, count) as names,
    ):
        await _tell(report, other, follower, FIRST, count, rounds=1)
        for case in CASES:
            await _tell(report, session, leader, case, count, rounds=ROUNDS)
        await _beside(report, session, count)
        await programs.measure(report, cluster, leader, count=count)
        one = await _rate(session, f"{PODS_HERE}/{names[0]}", {}, seconds)
        report.add(f"GET of a Pod, {CLIENTS} clients", str(one))
        await _documents(report, session, seconds)


async def _tell(
    report: Report, session: aiohttp.ClientSession, daemon: Daemon, case: Case, count: int, *, rounds: int
) -> None:
    assert daemon.process is not None
    with pinger.pinging(str(daemon.socket), daemon.process.pid) as ping:
        cost = await costs.measure(functools.partial(_list, session, case), [daemon.process.pid], rounds=rounds)
        pause = await asyncio.to_thread(ping.longest)
    name = f"{count:,} Pods {case.name}"
    if case.cpu_ms_max:
        report.judge(name, str(cost), value=cost.cpu_ms, at_most=case.cpu_ms_max, beside=cost.size, unit=" ms")
    else:
        report.add(name, str(cost), beside=cost.size)
    told = f"{pause.wait_ms:.0f} ms, own work {pause.own_ms:.0f} ms"
    report.judge("  longest pause meanwhile", told, value=pause.own_ms, at_most=PAUSE_MS_MAX, unit=" ms")


async def _beside(report: Report, session: aiohttp.ClientSession, count: int) -> None:
    """Report what the same Pods cost others."""
    async with session.get(CASES[0].path, headers={"Accept-Encoding": "identity"}) as answer:
        document = await answer.read()
    least = await peers.floor(document, count)
    report.add("  joined and sent by a bare HTTP server, without TLS", "", beside=f"{least}; {least.size}")
    theirs = await peers.etcd_range(document)
    if theirs is not None:
        report.add("  a range of etcd over gRPC, without TLS", "", beside=f"{theirs}; {theirs.size}")


async def _list(session: aiohttp.ClientSession, case: Case) -> tuple[int, int]:
    """Read a list to its end; return the bytes that came and the requests that it took."""
    headers = {"Accept": case.accept, "Accept-Encoding": "gzip" if case.gzip else "identity"}
    wire, requests, token = 0, 0, ""
    while True:
        path = case.path + (f"&continue={token}" if token else "")
        async with session.get(path, headers=headers, auto_decompress=False) as answer:
            answer.raise_for_status()
            body = await answer.read()
            is_packed = answer.headers.get("Content-Encoding") == "gzip"
        wire, requests = wire + len(body), requests + 1
        if "limit=" in path:
            token = str(_head.decode(gzip.decompress(body) if is_packed else body).metadata.get("continue", ""))
        if not token:
            return wire, requests


async def _documents(report: Report, session: aiohttp.ClientSession, seconds: float) -> None:
    """Report how often the documents are told that clients ask for before anything else."""
    for name, path, accept in (
        ("aggregated discovery", "/apis", DISCOVERY),
        ("OpenAPI of apps/v1", "/openapi/v3/apis/apps/v1", "application/json"),
    ):
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        async with session.get(path, headers=headers, auto_decompress=False) as answer:
            answer.raise_for_status()
            size, tag = len(await answer.read()), answer.headers.get("ETag", "")
        ours = await _rate(session, path, headers, seconds)
        unchanged = await _rate(session, path, headers | {"If-None-Match": tag}, seconds, status=304)
        report.add(f"{name}, {CLIENTS} clients", str(ours), beside=f"{size / 1000:.0f} KB; not changed: {unchanged}")


async def _rate(
    session: aiohttp.ClientSession, path: str, headers: Mapping[str, str], seconds: float, *, status: int = 200
) -> Rate:
    async def work(_number: int) -> None:
        async with session.get(path, headers=headers, auto_decompress=False) as answer:
            await answer.read()
            if answer.status != status:
                raise LabError(f"GET {path}: {answer.status} and not {status}")

    return await rate.measure(work, clients=CLIENTS, seconds=seconds)
