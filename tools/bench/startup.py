"""From `apply` to N Pods ready on three Engines, against the same containers through the bare Docker API."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp

from tools.bench import client
from tools.bench.report import Report
from tools.lab.cluster import Cluster

SIZES = (10, 50, 100)
BARE_CONCURRENCIES = (1, 2, 4)
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
IMAGE = "busybox:lab"
READY_SECONDS_MAX = 180
RATIO_MAX = 1.15


async def report(into: Report, cluster: Cluster) -> None:
    """Add each size, ours beside the bare Docker API."""
    for size, (ours, bare, concurrency) in (await measure(cluster)).items():
        beside = f"{bare:.2f} s bare Docker API ({concurrency} an Engine)"
        name = f"apply -> {size} Pods ready"
        into.judge(name, f"{ours:.2f} s", beside=beside, value=ours / bare, at_most=RATIO_MAX)


async def measure(cluster: Cluster) -> dict[str, tuple[float, float, int]]:
    """Return, for each size: our seconds, the bare seconds at the best concurrency, and that concurrency."""
    results = {}
    for size in SIZES:
        ours = await apply_to_ready(cluster, size)
        bare = {each: await bare_start(cluster, size, each) for each in BARE_CONCURRENCIES}
        best = min(bare, key=lambda each: bare[each])
        results[str(size)] = (ours, bare[best], best)
    return results


def deployment(name: str, replicas: int) -> dict[str, object]:
    """Return a Deployment whose container only holds."""
    labels = {"app": name}
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["hold"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


async def apply_to_ready(cluster: Cluster, size: int) -> float:
    """Create a Deployment and return the seconds until a watch says that all its replicas are ready; then delete it."""
    name = f"start-{size}"
    async with client.api(cluster.kubeconfig, cluster.leader().machine.address) as session:
        start = time.monotonic()
        async with session.post(DEPLOYMENTS, json=deployment(name, size)) as answer:
            answer.raise_for_status()
        await _watch(session, f"{DEPLOYMENTS}?watch=true&fieldSelector=metadata.name={name}", lambda d: _ready(d, size))
        seconds = time.monotonic() - start
        await remove(session, name)
    return seconds


async def remove(session: aiohttp.ClientSession, name: str) -> None:
    """Delete a Deployment, and wait until its Pods are gone."""
    async with session.delete(f"{DEPLOYMENTS}/{name}") as answer:
        answer.raise_for_status()
    await _until(lambda: _gone(session, name), READY_SECONDS_MAX)


def _ready(document: dict[str, dict[str, int]], size: int) -> bool:
    return document["status"].get("readyReplicas", 0) >= size


async def _watch(session: aiohttp.ClientSession, path: str, done: Callable[[dict[str, dict[str, int]]], bool]) -> None:
    async with asyncio.timeout(READY_SECONDS_MAX), session.get(path, timeout=aiohttp.ClientTimeout()) as answer:
        async for line in answer.content:
            if done(json.loads(line)["object"]):
                return


async def _gone(session: aiohttp.ClientSession, name: str) -> bool:
    async with session.get(f"/api/v1/namespaces/default/pods?labelSelector=app={name}") as answer:
        return not (await answer.json())["items"]


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)


async def bare_start(cluster: Cluster, size: int, concurrency: int) -> float:
    """Return the seconds to create and start `size` containers spread over the Engines, `concurrency` an Engine."""
    engines = [client.engine(daemon.machine.socket) for daemon in cluster]
    shares = [list(range(index, size, len(engines))) for index in range(len(engines))]
    try:
        start = time.monotonic()
        limits = [asyncio.Semaphore(concurrency) for _ in engines]
        starts = [
            _start(session, limit) for session, limit, share in zip(engines, limits, shares, strict=True) for _ in share
        ]
        ids = await asyncio.gather(*starts)
        seconds = time.monotonic() - start
        await asyncio.gather(*(_remove(session, container) for session, container in ids))
    finally:
        await asyncio.gather(*(session.close() for session in engines))
    return seconds


async def _start(session: aiohttp.ClientSession, limit: asyncio.Semaphore) -> tuple[aiohttp.ClientSession, str]:
    # The same runtime as ours: crun is registered in the lab.
    body = {"Image": IMAGE, "Cmd": ["hold"], "HostConfig": {"Runtime": "crun"}}
    async with limit:
        async with session.post("/containers/create", json=body) as answer:
            container = (await answer.json())["Id"]
        async with session.post(f"/containers/{container}/start") as answer:
            answer.raise_for_status()
    return session, container


async def _remove(session: aiohttp.ClientSession, container: str) -> None:
    async with session.delete(f"/containers/{container}?force=true") as answer:
        await answer.read()
