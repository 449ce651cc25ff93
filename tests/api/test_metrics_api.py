"""metrics.k8s.io as clients read it, the official kubectl's `top` among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestServer

from swarmlet import slices
from swarmlet.api.app import ApiServer
from swarmlet.api.reading import metrics_api
from swarmlet.model import kinds, objects
from swarmlet.model.container import Container
from swarmlet.model.core import Node, NodeStatus
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus
from swarmlet.model.samples import ContainerSample, NodeSample, PodSample
from swarmlet.store.replica import Stored
from tests.api.conftest import START, Api, DirectReplica, FakeUsage
from tests.api.test_kubectl import Kubectl

GROUP = "/apis/metrics.k8s.io/v1beta1"
MIB = 1024 * 1024
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def new_pod(name: str, namespace: str = "default", app: str = "web") -> Pod:
    metadata = ObjectMeta(
        name=name, namespace=namespace, uid=f"uid-{name}", labels={"app": app}, creation_timestamp=START
    )
    spec = PodSpec(containers=(Container(name="main", image="web:1"), Container(name="side", image="web:1")))
    return Pod(metadata=metadata, spec=spec, status=PodStatus(phase="Running"))


def sample(pod: Pod, cpu_nanocores: int = 250_000_000, memory_bytes: int = 64 * MIB) -> PodSample:
    containers = (ContainerSample("main", cpu_nanocores, memory_bytes), ContainerSample("side", 1_000_000, 2 * MIB))
    return PodSample(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid, START, 15.02, containers)


@pytest.fixture(autouse=True)
def _measured(replica: DirectReplica, usage: FakeUsage) -> None:
    for name in ("n1", "n2"):
        status = NodeStatus(allocatable={"cpu": "4", "memory": "8Gi"}, capacity={"cpu": "4", "memory": "8Gi"})
        metadata = ObjectMeta(name=name, uid=f"node-{name}", labels={"zone": name}, creation_timestamp=START)
        replica.put(kinds.NODE, Node(metadata=metadata, status=status))
        usage.nodes.append(NodeSample(name, START, 15.0, 15.0, 1_500_000_000, 2048 * MIB))
    for pod in (new_pod("web-1"), new_pod("web-2"), new_pod("db-1", app="db"), new_pod("far", "other")):
        replica.put(kinds.POD, pod)
        usage.pods.append(sample(pod))


async def test_a_nodes_metrics_are_as_the_metrics_server_tells_them(api: Api) -> None:
    status, found = await api.read("GET", f"{GROUP}/nodes/n1")
    assert status == 200
    assert found == {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "NodeMetrics",
        "metadata": {"name": "n1", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"zone": "n1"}},
        "timestamp": "2026-01-02T03:04:05Z",
        "window": "15s",
        "usage": {"cpu": "1500m", "memory": "2Gi"},
    }


async def test_pods_are_listed_by_namespace_and_by_label(api: Api) -> None:
    _, everywhere = await api.read("GET", f"{GROUP}/pods")
    assert everywhere["kind"] == "PodMetricsList"
    assert [each["metadata"]["name"] for each in everywhere["items"]] == ["db-1", "web-1", "web-2", "far"]
    _, here = await api.read("GET", f"{GROUP}/namespaces/default/pods?labelSelector=app%3Dweb")
    assert [each["metadata"]["name"] for each in here["items"]] == ["web-1", "web-2"]
    _, one = await api.read("GET", f"{GROUP}/namespaces/default/pods/web-1")
    assert one["window"] == "15.02s"
    assert one["containers"] == [
        {"name": "main", "usage": {"cpu": "250m", "memory": "64Mi"}},
        {"name": "side", "usage": {"cpu": "1m", "memory": "2Mi"}},
    ]


async def test_what_was_not_sampled_is_not_found_in_the_words_of_the_metrics_server(api: Api) -> None:
    status, found = await api.read("GET", f"{GROUP}/namespaces/default/pods/young")
    assert status == 404
    assert found["message"] == 'podmetrics.metrics.k8s.io "default/young" not found'
    status, found = await api.read("GET", f"{GROUP}/nodes/n9")
    assert found["message"] == 'nodemetrics.metrics.k8s.io "n9" not found'


async def test_a_pod_of_the_same_name_is_not_taken_for_the_one_that_was_sampled(
    api: Api, replica: DirectReplica
) -> None:
    replica.put(kinds.POD, objects.with_metadata(new_pod("web-1"), uid="another"))
    assert (await api.read("GET", f"{GROUP}/namespaces/default/pods/web-1"))[0] == 404


async def test_metrics_are_read_only(api: Api) -> None:
    for method, path in (("POST", "pods"), ("DELETE", "pods/web-1"), ("PATCH", "pods/web-1"), ("GET", "pods?watch=1")):
        status, _ = await api.read(method, f"{GROUP}/namespaces/default/{path}", json={})
        assert status == 405, (method, path)


async def test_tables_tell_what_a_pod_uses_in_all(api: Api) -> None:
    _, table = await api.read("GET", f"{GROUP}/namespaces/default/pods/web-1", headers=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert [row["cells"] for row in table["rows"]] == [["web-1", "251m", "66Mi", "15.02s"]]


@pytest.fixture
async def listening(server: ApiServer) -> AsyncIterator[TestServer]:
    async with TestServer(server.app, handler_cancellation=True) as serving:
        yield serving


@pytest.fixture
def kubectl(listening: TestServer, tmp_path: Path) -> Kubectl:
    return Kubectl(str(listening.make_url("")).rstrip("/"), tmp_path)


def rows(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]


@pytest.mark.slow
async def test_kubectl_top_shows_nodes_and_pods(kubectl: Kubectl) -> None:
    assert rows(await kubectl("top", "nodes"))[1:] == [
        ["n1", "1500m", "37%", "2048Mi", "25%"],
        ["n2", "1500m", "37%", "2048Mi", "25%"],
    ]
    assert rows(await kubectl("top", "pods", "-l", "app=web"))[1:] == [
        ["web-1", "251m", "66Mi"],
        ["web-2", "251m", "66Mi"],
    ]
    everywhere = rows(await kubectl("top", "pods", "-A", "--containers", "--no-headers"))
    assert ["other", "far", "side", "1m", "2Mi"] in everywhere
    assert len(everywhere) == 8


@pytest.mark.slow
async def test_kubectl_top_says_that_it_is_too_early(kubectl: Kubectl, usage: FakeUsage) -> None:
    usage.pods.clear()
    assert "Metrics not available for pod default/db-1" in await kubectl("top", "pods", code=1)


def test_samples_are_the_same_behind_the_wire() -> None:
    given = sample(new_pod("web-1"))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(given), type=PodSample) == given


async def test_others_have_their_turn_while_the_metrics_of_many_are_made(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = metrics_api._as_stored
    turns: list[int] = []

    def in_this_turn(*given: Any) -> Stored:
        asyncio.get_running_loop().call_soon(turns.append, 0)
        turns[-1:] = [turns[-1] + 1]
        return made(*given)

    monkeypatch.setattr(metrics_api, "_as_stored", in_this_turn)
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    turns.append(0)
    _, found = await api.read("GET", f"{GROUP}/pods")
    assert (len(found["items"]), max(turns)) == (4, 1)
