"""The official kubectl drains a node through evictions. What agents and controllers would do, the tests do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from swarmlet.api.app import ApiServer
from swarmlet.model import kinds, objects
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta, OwnerReference
from swarmlet.store.commands import Delete, Key
from tests.api.conftest import START, DirectReplica
from tests.api.test_eviction import put_budget, put_pod
from tests.api.test_kubectl import Kubectl

pytestmark = pytest.mark.slow


@pytest.fixture
async def kubectl(server: ApiServer, replica: DirectReplica, tmp_path: Path) -> AsyncIterator[Kubectl]:
    replica.put(kinds.NODE, Node(metadata=ObjectMeta(name="node-a", uid="u", creation_timestamp=START)))
    async with TestServer(server.app, handler_cancellation=True) as serving:
        yield Kubectl(str(serving.make_url("")).rstrip("/"), tmp_path)


def own(replica: DirectReplica, name: str, kind: str) -> None:
    """Let a Pod be one of a controller's."""
    pod = replica.store.get(Key("pods", "default", name)).object
    owner = OwnerReference(api_version="apps/v1", kind=kind, name="x", uid="x", controller=True)
    replica.put(kinds.POD, objects.with_metadata(pod, owner_references=(owner,), resource_version=""))


async def end_pods(replica: DirectReplica) -> None:
    """Be the agent: a Pod that is to go is gone a moment later."""
    while True:
        await asyncio.sleep(0.1)
        gone = [stored for stored in replica.store.list("pods") if objects.is_terminating(stored.object)]
        replica.apply([Delete(stored.key) for stored in gone], atomic=False)


async def test_kubectl_drains_by_evictions(kubectl: Kubectl, replica: DirectReplica) -> None:
    for name in ("web-1", "web-2"):
        put_pod(replica, name)
        own(replica, name, "ReplicaSet")
    put_budget(replica, 2)
    agent = asyncio.create_task(end_pods(replica))
    printed = await kubectl("drain", "node-a")
    agent.cancel()
    assert "pod/web-1 evicted" in printed
    assert "node/node-a drained" in printed
    assert not replica.store.list("pods")
    assert (
        len(replica.store.get(Key(kinds.POD_DISRUPTION_BUDGET.resource, "default", "web")).object.status.disrupted_pods)
        == 2
    )


async def test_kubectl_waits_for_the_budget_in_kubernetes_words(kubectl: Kubectl, replica: DirectReplica) -> None:
    put_pod(replica, "web-1")
    own(replica, "web-1", "ReplicaSet")
    put_budget(replica, 0)
    printed = await kubectl("drain", "node-a", "--timeout=1s", code=1)
    assert (
        'error when evicting pods/"web-1" -n "default" (will retry after 5s): '
        "Cannot evict pod as it would violate the pod's disruption budget."
    ) in printed
    assert "SchedulingDisabled" in await kubectl("get", "nodes")


async def test_kubectl_finds_what_it_would_lose(kubectl: Kubectl, replica: DirectReplica) -> None:
    put_pod(replica, "alone")
    printed = await kubectl("drain", "node-a", code=1)
    assert "cannot delete Pods that declare no controller (use --force to override): default/alone" in printed
