"""The official kubectl on Services and their EndpointSlices."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from swarmlet.api.app import ApiServer
from swarmlet.controllers.services.endpoint_slices import EndpointSlices
from swarmlet.controllers.work.drafts import creation
from swarmlet.model import kinds
from swarmlet.model.container import Container, ContainerPort
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodStatus
from tests.api.conftest import START, Api, DirectReplica
from tests.api.documents import DEPLOYMENTS, deployment
from tests.api.test_kubectl import Kubectl

pytestmark = pytest.mark.slow


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


def web_pod() -> Pod:
    return Pod(
        metadata=ObjectMeta(name="web-1", namespace="default", uid="u1", labels={"app": "web"}),
        spec=PodSpec(
            containers=(Container(name="main", image="web:1", ports=(ContainerPort(container_port=8080),)),),
            node_name="n1",
        ),
        status=PodStatus(phase="Running", pod_ip="10.42.0.1", conditions=(Condition(type="Ready", status="True"),)),
    )


async def test_a_deployment_is_exposed_shown_and_described(api: Api, kubectl: Kubectl, replica: DirectReplica) -> None:
    await api.read("POST", DEPLOYMENTS, json=deployment())
    exposed = await kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080", "--type=NodePort")
    assert "service/web exposed" in exposed
    replica.apply([creation(kinds.POD, web_pod())])
    reconciler = EndpointSlices(random.Random(1))
    for key in reconciler.all_keys(replica.view):
        replica.apply(reconciler.reconcile(replica.view, key, START).operations)

    header, row = (await kubectl("get", "svc", "-o", "wide")).splitlines()
    assert header.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"]
    assert row.split()[:2] + row.split()[-1:] == ["web", "NodePort", "app=web"]
    _, slices = (await kubectl("get", "endpointslices")).splitlines()
    assert slices.split()[1:4] == ["IPv4", "8080", "10.42.0.1"]
    described = await kubectl("describe", "svc", "web")
    assert "Endpoints:                10.42.0.1:8080" in described
    assert "service/web" in await kubectl("get", "all")
    await kubectl("delete", "svc", "web")
    assert "web" not in await kubectl("get", "svc", "--no-headers", "--ignore-not-found")
