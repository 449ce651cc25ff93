"""Our side of the comparison: Deployments, through the API of the daemon that leads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

from tools.bench import client
from tools.bench.work import COMMAND, GRACE_SECONDS, IMAGE, WAIT_SECONDS_MAX, Work
from tools.lab.cluster import Cluster

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


class Ours:
    """swarmlet."""

    def __init__(self, cluster: Cluster) -> None:
        self._session = client.api(cluster.kubeconfig, cluster.leader().machine.address)

    async def create(self, work: Work) -> None:
        async with self._session.post(DEPLOYMENTS, json=deployment(work)) as answer:
            answer.raise_for_status()
        await self._wait(work)

    async def change(self, work: Work) -> None:
        async with self._session.put(f"{DEPLOYMENTS}/{work.name}", json=deployment(work)) as answer:
            answer.raise_for_status()
        await self._wait(work)

    async def remove(self, work: Work) -> None:
        async with self._session.delete(f"{DEPLOYMENTS}/{work.name}") as answer:
            answer.raise_for_status()

    async def close(self) -> None:
        await self._session.close()

    async def _wait(self, work: Work) -> None:
        path = f"{DEPLOYMENTS}?watch=true&fieldSelector=metadata.name={work.name}"
        await watch(self._session, path, lambda document: _is_whole(document, work.replicas))


def deployment(work: Work) -> dict[str, Any]:
    """Return the Deployment that says `work`."""
    labels = {"app": work.name}
    container = {"name": "main", "image": work.image, "imagePullPolicy": "IfNotPresent", "command": list(COMMAND)}
    spec = {
        "containers": [container],
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "hostNetwork": work.host_network,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": work.name},
        "spec": {
            "replicas": work.replicas,
            "selector": {"matchLabels": labels},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 0, "maxUnavailable": work.parallelism},
            },
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


async def run(session: aiohttp.ClientSession, name: str, replicas: int) -> None:
    """Create a Deployment on the default network; it is not waited for."""
    work = Work(name, replicas, host_network=False, image=IMAGE)
    async with session.post(DEPLOYMENTS, json=deployment(work)) as answer:
        answer.raise_for_status()


async def remove(session: aiohttp.ClientSession, name: str) -> None:
    """Delete a Deployment, and wait until its Pods are gone."""
    async with session.delete(f"{DEPLOYMENTS}/{name}") as answer:
        answer.raise_for_status()
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not await _is_gone(session, name):
            await asyncio.sleep(0.1)


async def watch(session: aiohttp.ClientSession, path: str, done: Callable[[dict[str, Any]], bool]) -> None:
    """Read a watch until an object is as wanted."""
    async with asyncio.timeout(WAIT_SECONDS_MAX), session.get(path, timeout=aiohttp.ClientTimeout()) as answer:
        async for line in answer.content:
            if done(json.loads(line)["object"]):
                return


def _is_whole(document: dict[str, Any], replicas: int) -> bool:
    """Whether exactly `replicas` Pods of the newest template are ready, and the status speaks of the newest spec."""
    status = document["status"]
    return status.get("observedGeneration") == document["metadata"]["generation"] and all(
        status.get(count, 0) == replicas for count in ("replicas", "updatedReplicas", "readyReplicas")
    )


async def _is_gone(session: aiohttp.ClientSession, name: str) -> bool:
    async with session.get(f"/api/v1/namespaces/default/pods?labelSelector=app={name}") as answer:
        return not (await answer.json())["items"]
