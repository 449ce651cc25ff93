"""The official kubectl against this API on loopback. What controllers would do, the tests do themselves."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from swarmlet.api.app import ApiServer
from swarmlet.model import kinds
from swarmlet.model.core import Node, NodeStatus
from swarmlet.model.meta import Condition, ObjectMeta
from tests.api.conftest import START, Api, DirectReplica
from tests.api.documents import DEPLOYMENTS, MERGE, PODS, deployment, pod

pytestmark = pytest.mark.slow
KUBECTL = Path(sys.executable).with_name("kubectl")
SECONDS_MAX = 30
REPLICA_SETS = DEPLOYMENTS.replace("deployments", "replicasets")
STATUS = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}


class Kubectl:
    def __init__(self, url: str, home: Path, program: Path = KUBECTL) -> None:
        self.url = url
        self.home = home
        self.program = program

    async def __call__(self, *words: str, stdin: Any = None, code: int = 0) -> str:
        """Run it, and return what it printed; with another exit code than `code` the test fails."""
        process = await self.start(*words)
        data = None if stdin is None else json.dumps(stdin).encode()
        async with asyncio.timeout(SECONDS_MAX):
            out, err = await process.communicate(data)
        assert process.returncode == code, (words, out, err)
        return (out + err).decode()

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            self.program,
            "--server",
            self.url,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"], "KUBECONFIG": str(self.home / "none")},
        )


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
async def web(api: Api) -> None:
    await api.read("POST", DEPLOYMENTS, json=deployment())
    await api.read("PATCH", f"{DEPLOYMENTS}/web/status", json={"status": STATUS}, headers=MERGE)


async def test_the_version_is_told_without_a_warning(kubectl: Kubectl) -> None:
    printed = await kubectl("version")
    assert "Server Version: v1.36.0+swarmlet-" in printed
    assert "WARNING" not in printed


async def test_api_resources_and_explain_know_the_kinds(kubectl: Kubectl) -> None:
    printed = await kubectl("api-resources")
    assert {line.split()[-1] for line in printed.splitlines()[1:]} == {kind.kind for kind in kinds.IN_API}
    assert "Number of desired pods" in await kubectl("explain", "deployment.spec.replicas")
    assert "NonResourceAttributes" in await kubectl("explain", "selfsubjectaccessreview.spec")


async def test_apply_creates_then_configures_then_finds_nothing_to_do(kubectl: Kubectl, api: Api) -> None:
    assert "deployment.apps/web created" in await kubectl("apply", "-f", "-", stdin=deployment())
    assert "deployment.apps/web unchanged" in await kubectl("apply", "-f", "-", stdin=deployment())
    changed = deployment(replicas=5)
    assert "+  replicas: 5" in await kubectl("diff", "-f", "-", stdin=changed, code=1)
    assert "deployment.apps/web configured" in await kubectl("apply", "-f", "-", stdin=changed)
    await kubectl("diff", "-f", "-", stdin=changed)
    assert (await api.read("GET", f"{DEPLOYMENTS}/web"))[1]["spec"]["replicas"] == 5


async def test_apply_takes_away_what_left_the_manifest(kubectl: Kubectl, api: Api) -> None:
    document = deployment()
    document["metadata"]["labels"]["extra"] = "yes"
    await kubectl("apply", "-f", "-", stdin=document)
    del document["metadata"]["labels"]["extra"]
    document["spec"]["template"]["spec"]["containers"][0]["env"] = []
    await kubectl("apply", "-f", "-", stdin=document)
    _, found = await api.read("GET", f"{DEPLOYMENTS}/web")
    assert found["metadata"]["labels"] == {"app": "web"}
    assert "env" not in found["spec"]["template"]["spec"]["containers"][0]


async def test_a_typo_is_refused_and_an_unsupported_field_warned_of(kubectl: Kubectl) -> None:
    typo = deployment("typo")
    typo["spec"]["replicsa"] = 1
    assert 'unknown field "spec.replicsa"' in await kubectl("apply", "-f", "-", stdin=typo, code=1)
    document = deployment("probed")
    document["spec"]["template"]["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimName": "gpu"}]
    printed = await kubectl("create", "-f", "-", stdin=document)
    assert "Warning: spec.template.spec.resourceClaims: not supported" in printed
    assert "deployment.apps/probed created" in printed


async def test_get_prints_in_every_form(kubectl: Kubectl, web: None) -> None:
    assert (await kubectl("get", "deploy")).splitlines()[1].split()[:4] == ["web", "3/3", "3", "3"]
    assert "web:1" in await kubectl("get", "deploy", "-o", "wide")
    assert await kubectl("get", "deploy", "-o", "name") == "deployment.apps/web\n"
    assert json.loads(await kubectl("get", "deploy", "web", "-o", "json"))["spec"]["replicas"] == 3
    assert "readyReplicas: 3" in await kubectl("get", "deploy", "web", "-o", "yaml")
    assert await kubectl("get", "deploy", "-o", "jsonpath={.items[*].metadata.name}") == "web"
    assert "deployment.apps/web" in await kubectl("get", "all")
    assert "app=web" in await kubectl("get", "deploy", "--show-labels")
    assert 'deployments.apps "nope" not found' in await kubectl("get", "deploy", "nope", code=1)


async def test_scale_image_label_annotate_and_patch_change_the_object(kubectl: Kubectl, api: Api, web: None) -> None:
    await kubectl("scale", "deploy/web", "--replicas=4")
    await kubectl("set", "image", "deploy/web", "main=web:2")
    await kubectl("label", "deploy/web", "x=y")
    await kubectl("annotate", "deploy/web", "note=a b")
    await kubectl("patch", "deploy/web", "--type=json", "-p", '[{"op":"add","path":"/spec/paused","value":true}]')
    _, found = await api.read("GET", f"{DEPLOYMENTS}/web")
    assert (found["spec"]["replicas"], found["spec"]["paused"]) == (4, True)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"
    assert (found["metadata"]["labels"]["x"], found["metadata"]["annotations"]["note"]) == ("y", "a b")


async def test_rollout_status_waits_for_the_controller(kubectl: Kubectl, api: Api, web: None) -> None:
    await kubectl("set", "image", "deploy/web", "main=web:2")
    process = await kubectl.start("rollout", "status", "deploy/web")
    assert process.stdout is not None
    assert b"Waiting for deployment spec update to be observed" in await process.stdout.readline()
    seen = {"status": STATUS | {"observedGeneration": 2}}
    await api.read("PATCH", f"{DEPLOYMENTS}/web/status", json=seen, headers=MERGE)
    async with asyncio.timeout(SECONDS_MAX):
        out, _ = await process.communicate()
    assert b"successfully rolled out" in out


async def test_rollout_history_and_undo_read_the_replica_sets(kubectl: Kubectl, api: Api, web: None) -> None:
    revised = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "2"}}}
    _, owner = await api.read("PATCH", f"{DEPLOYMENTS}/web", json=revised, headers=MERGE)
    for revision, image in ((1, "web:0"), (2, "web:1")):
        await api.read("POST", REPLICA_SETS, json=replica_set(owner, revision, image))
    history = await kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines()[2:4]] == ["1", "2"]
    assert "rolled back" in await kubectl("rollout", "undo", "deploy/web")
    _, found = await api.read("GET", f"{DEPLOYMENTS}/web")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "web:0"


def replica_set(owner: dict[str, Any], revision: int, image: str) -> dict[str, Any]:
    labels = {"app": "web", "pod-template-hash": f"h{revision}"}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner["metadata"]["uid"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-h{revision}",
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [reference | {"controller": True}],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    }


async def test_wait_ends_when_the_condition_comes(kubectl: Kubectl, api: Api) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    process = await kubectl.start("wait", "pod/p1", "--for=condition=Ready", "--timeout=20s")
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await api.read("PATCH", f"{PODS}/p1/status", json=ready, headers=MERGE)
    async with asyncio.timeout(SECONDS_MAX):
        out, _ = await process.communicate()
    assert out == b"pod/p1 condition met\n"


async def test_get_watch_shows_rows_as_they_change(kubectl: Kubectl, api: Api) -> None:
    await api.read("POST", PODS, json=pod("p1"))
    process = await kubectl.start("get", "pods", "-w", "--output-watch-events")
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS_MAX):
        lines = [await process.stdout.readline() for _ in range(2)]
        await api.read("DELETE", f"{PODS}/p1")
        lines.append(await process.stdout.readline())
    process.terminate()
    await process.wait()
    assert [line.split()[:2] for line in lines] == [[b"EVENT", b"NAME"], [b"ADDED", b"p1"], [b"DELETED", b"p1"]]


async def test_delete_waits_until_the_object_is_gone(kubectl: Kubectl, api: Api, web: None) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    process = await kubectl.start("delete", "pod", "p1")
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS_MAX):
        assert b'pod "p1" deleted' in await process.stdout.readline()
        assert (await api.read("GET", f"{PODS}/p1"))[1]["metadata"]["deletionGracePeriodSeconds"] == 30
        await api.read("DELETE", f"{PODS}/p1?gracePeriodSeconds=0")
        assert await process.wait() == 0
    assert "deleted" in await kubectl("delete", "deploy", "web")
    assert (await api.read("GET", f"{DEPLOYMENTS}/web"))[0] == 404


async def test_a_node_is_cordoned_tainted_and_described(kubectl: Kubectl, replica: DirectReplica) -> None:
    status = NodeStatus(conditions=(Condition(type="Ready", status="True"),))
    replica.put(kinds.NODE, Node(metadata=ObjectMeta(name="node-a", uid="u", creation_timestamp=START), status=status))
    await kubectl("cordon", "node-a")
    assert "Ready,SchedulingDisabled" in await kubectl("get", "nodes")
    await kubectl("uncordon", "node-a")
    await kubectl("taint", "node", "node-a", "k=v:NoSchedule")
    assert "k=v:NoSchedule" in await kubectl("describe", "node", "node-a")


async def test_describe_and_logs_of_a_pod(kubectl: Kubectl, api: Api) -> None:
    await api.read("POST", PODS, json=pod("p1", "node-a"))
    described = await kubectl("describe", "pod", "p1")
    assert "node-a" in described
    assert "web:1" in described
    assert await kubectl("logs", "-f", "p1") == "one\ntwo\n"
