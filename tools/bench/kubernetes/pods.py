"""Pods as a large cluster has them, made through the API of a small one: no scheduler takes them, so none is run."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp

from swarmlet.model import kinds
from tools.bench.population import Population
from tools.lab import LabError

NAMESPACE = "bench-pods"
NO_SCHEDULER = "nobody"
WRITERS = 64
POPULATION = 30_000
"""What `Population` makes as a whole."""
UNTRACKED: list[dict[str, str]] = [{}]
"""As Pods are that controllers make: docs/decisions/0038."""
_STAMPED = ("resourceVersion", "uid", "creationTimestamp", "generation")
_PATCH = {"Content-Type": "application/merge-patch+json"}


@contextlib.asynccontextmanager
async def made(session: aiohttp.ClientSession, count: int) -> AsyncIterator[Sequence[str]]:
    """Have so many Pods of `NAMESPACE` until the end of the block, each with the status of one that runs.

    Yields their names. They are those that `make bench PARTS=memory` weighs, without their node, and with an owner that
    is there: a ConfigMap.
    """
    documents = await asyncio.to_thread(_documents, count)
    await _send(session, "POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    try:
        here = f"/api/v1/namespaces/{NAMESPACE}"
        owner = await _send(session, "POST", f"{here}/configmaps", {"metadata": {"name": "owner"}})
        gate = asyncio.Semaphore(WRITERS)
        await asyncio.gather(*(_make(session, gate, here, each, owner["metadata"]["uid"]) for each in documents))
        yield [each["metadata"]["name"] for each in documents]
    finally:
        await _send(session, "DELETE", f"/api/v1/namespaces/{NAMESPACE}", None)


def _documents(count: int) -> list[dict[str, Any]]:
    population = Population(share=1.05 * count / POPULATION)
    population.fill()
    found = population.store.list(kinds.POD.resource)
    if len(found) < count:
        raise LabError(f"the population has {len(found)} Pods, not {count}")
    return [json.loads(each.json) for each in found[:count]]


async def _make(
    session: aiohttp.ClientSession, gate: asyncio.Semaphore, here: str, pod: dict[str, Any], owner_uid: str
) -> None:
    metadata = {name: value for name, value in pod["metadata"].items() if name not in _STAMPED}
    owner = {**metadata["ownerReferences"][0], "apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}
    metadata |= {"namespace": NAMESPACE, "ownerReferences": [owner | {"uid": owner_uid}]}
    spec = {name: value for name, value in pod["spec"].items() if name != "nodeName"}
    async with gate:
        document = {"metadata": metadata, "spec": spec | {"schedulerName": NO_SCHEDULER}}
        await _send(session, "POST", f"{here}/pods", document)
        path = f"{here}/pods/{metadata['name']}"
        await _send(session, "PATCH", path, {"metadata": {"managedFields": UNTRACKED}})
        await _send(session, "PATCH", f"{path}/status", {"status": pod["status"]})


async def _send(session: aiohttp.ClientSession, method: str, path: str, document: object) -> dict[str, Any]:
    headers = _PATCH if method == "PATCH" else {"Content-Type": "application/json"}
    body = json.dumps(document) if document else None
    async with session.request(method, path, data=body, headers=headers) as answer:
        if not answer.ok:
            raise LabError(f"{method} {path}: {answer.status} {await answer.text()}")
        found: dict[str, Any] = await answer.json()
        return found
