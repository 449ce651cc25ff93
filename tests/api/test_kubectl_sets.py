"""The official kubectl on StatefulSets and DaemonSets, with the real reconcilers on Pods that are ready at once."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestServer

from swarmlet.api.app import ApiServer
from swarmlet.controllers.sets.daemonset import DaemonSets
from swarmlet.controllers.sets.daemonset_pods import node_of
from swarmlet.controllers.sets.statefulset import StatefulSets
from swarmlet.controllers.work.drafts import update
from swarmlet.model import conditions, kinds, objects
from swarmlet.model.core import Node
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.store.commands import Delete
from tests.api.conftest import START, Api, DirectReplica
from tests.api.test_kubectl import Kubectl

pytestmark = pytest.mark.slow
ROUNDS = 30


@pytest.fixture
async def listening(server: ApiServer) -> AsyncIterator[TestServer]:
    async with TestServer(server.app, handler_cancellation=True) as serving:
        yield serving


@pytest.fixture
async def api(listening: TestServer) -> AsyncIterator[Api]:
    async with Api(listening) as client:
        yield client


@pytest.fixture
def kubectl(listening: TestServer, tmp_path: Path) -> Kubectl:
    return Kubectl(str(listening.make_url("")).rstrip("/"), tmp_path)


@pytest.fixture
def settle(replica: DirectReplica) -> Callable[[], None]:
    """Return what lets the controllers and nodes do their work until nothing is left to be done."""
    reconcilers = [each(random.Random(1)) for each in (StatefulSets, DaemonSets)]

    def step() -> bool:
        found = [
            operation
            for each in reconcilers
            for key in each.all_keys(replica.store)
            for operation in each.reconcile(replica.store, key, START).operations
        ]
        found += [each for pod in replica.store.list("pods") if (each := served(pod))]
        replica.apply(found, atomic=False)
        return bool(found)

    return lambda: next(round_ for round_ in range(ROUNDS) if not step())


def served(stored: Any) -> Any:
    pod = stored.object
    if objects.is_terminating(pod):
        return Delete(stored.key)
    if conditions.is_true(pod.status.conditions, "Ready"):
        return None
    ready = conditions.put(pod.status.conditions, Condition(type="Ready", status="True"), START)
    spec = msgspec.structs.replace(pod.spec, node_name=pod.spec.node_name or node_of(pod) or "n1")
    status = msgspec.structs.replace(pod.status, phase="Running", conditions=ready)
    return update(stored, msgspec.structs.replace(pod, spec=spec, status=status))


@pytest.fixture(autouse=True)
def _nodes(replica: DirectReplica) -> None:
    for name in ("n1", "n2"):
        replica.put(kinds.NODE, Node(metadata=ObjectMeta(name=name, uid=name, creation_timestamp=START)))


def manifest(kind: str, image: str = "db:1", **spec: Any) -> dict[str, Any]:
    labels = {"app": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "db"}, "spec": whole}


@pytest.mark.parametrize(("kind", "word"), [("StatefulSet", "sts"), ("DaemonSet", "ds")])
async def test_a_rollout_is_followed_told_of_and_undone(
    kubectl: Kubectl, settle: Callable[[], None], kind: str, word: str
) -> None:
    await kubectl("apply", "-f", "-", stdin=manifest(kind, **({"replicas": 2} if word == "sts" else {})))
    settle()
    await kubectl("set", "image", f"{word}/db", "main=db:2")
    settle()
    told = await kubectl("rollout", "status", f"{word}/db")
    done = "partitioned roll out complete: 2 new pods" if word == "sts" else 'daemon set "db" successfully rolled out'
    assert done in told
    history = await kubectl("rollout", "history", f"{word}/db")
    assert [line.split()[0] for line in history.splitlines()[2:4]] == ["1", "2"]
    assert "db:1" in await kubectl("rollout", "history", f"{word}/db", "--revision=1")
    assert "rolled back" in await kubectl("rollout", "undo", f"{word}/db")
    settle()
    pods = await kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.containers[*].image}")
    assert pods == "db:1 db:1"
    revisions = await kubectl("get", "controllerrevisions")
    rows = sorted(line.split()[1:3] for line in revisions.splitlines()[1:])
    owner = f"{kind.lower()}.apps/db"
    assert (revisions.split()[:4], rows) == (["NAME", "CONTROLLER", "REVISION", "AGE"], [[owner, "2"], [owner, "3"]])
    await kubectl("rollout", "restart", f"{word}/db")
    settle()
    assert done in await kubectl("rollout", "status", f"{word}/db")


async def test_a_stateful_set_is_listed_scaled_and_described(kubectl: Kubectl, settle: Callable[[], None]) -> None:
    await kubectl("create", "-f", "-", stdin=manifest("StatefulSet", replicas=1, serviceName="peers"))
    settle()
    wide = (await kubectl("get", "sts", "-o", "wide")).splitlines()
    assert wide[0].split() == ["NAME", "READY", "AGE", "CONTAINERS", "IMAGES"]
    assert [cell for cell in wide[1].split() if cell != wide[1].split()[2]] == ["db", "1/1", "main", "db:1"]
    await kubectl("scale", "sts/db", "--replicas=3")
    settle()
    assert (await kubectl("get", "pods", "-o", "name")).split() == ["pod/db-0", "pod/db-1", "pod/db-2"]
    described = await kubectl("describe", "sts", "db")
    assert "3 desired | 3 total" in described
    assert "Partition:" in described
    assert "statefulset.apps/db" in await kubectl("get", "all")
    await kubectl("delete", "sts", "db", "--wait=false")


async def test_a_daemon_set_is_listed_and_described(kubectl: Kubectl, settle: Callable[[], None]) -> None:
    await kubectl("create", "-f", "-", stdin=manifest("DaemonSet"))
    settle()
    wide = (await kubectl("get", "ds", "-o", "wide")).splitlines()
    assert " ".join(wide[0].split()) == (
        "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE CONTAINERS IMAGES SELECTOR"
    )
    assert wide[1].split()[:7] == ["db", "2", "2", "2", "2", "2", "<none>"]
    described = await kubectl("describe", "ds", "db")
    assert "Desired Number of Nodes Scheduled: 2" in described
    assert "Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed" in described
    assert "daemonset.apps/db" in await kubectl("get", "all")


async def test_what_is_not_supported_is_named(kubectl: Kubectl) -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"volumeMode": "Block"}}
    document = manifest("StatefulSet", volumeClaimTemplates=[claim])
    printed = await kubectl("apply", "-f", "-", stdin=document, code=1)
    assert "spec.volumeClaimTemplates[0].spec.volumeMode" in printed
