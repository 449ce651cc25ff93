"""Four Python libraries against a daemon over TLS, as a ServiceAccount with its token: make, patch, watch, delete."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import kr8s.asyncio
import kubernetes
import kubernetes_asyncio
import lightkube
import pytest
import pytest_asyncio
import yaml
from kr8s.asyncio.objects import ConfigMap as Kr8sConfigMap
from kubernetes_asyncio.leaderelection import electionconfig, leaderelection
from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Secret

from swarmlet.config import Config, Network
from swarmlet.identity.state import NodeFiles
from tests.test_node import found, free_port, running

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NAMESPACE = "default"
RULES = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
]
ROLE_REF = {"kind": "Role", "name": "app"}
SUBJECTS = [{"kind": "ServiceAccount", "name": "app", "namespace": NAMESPACE}]
WATCH_SECONDS_MAX = 10


@dataclass(frozen=True)
class Place:
    """A daemon, and a kubeconfig with the token of an account that may use ConfigMaps and Leases alone."""

    kubeconfig: Path


async def prepare(config: Config) -> str:
    """Make the account and its role as the local administrator; return a token of it."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    named = {"metadata": {"name": "app"}}
    connector = aiohttp.UnixConnector(str(config.socket))
    async with aiohttp.ClientSession("http://localhost", connector=connector) as session:
        for path, document in (
            (accounts, named),
            (f"{rbac}/roles", named | {"rules": RULES}),
            (f"{rbac}/rolebindings", named | {"roleRef": ROLE_REF, "subjects": SUBJECTS}),
        ):
            async with session.post(path, json=document) as answer:
                assert answer.status == 201, await answer.text()
        async with session.post(f"{accounts}/app/token", json={"spec": {}}) as answer:
            told: dict[str, Any] = await answer.json()
            return str(told["status"]["token"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("daemon")
    config = Config(
        data_dir=folder / "data",
        node_name="alpha",
        listen=f"127.0.0.1:{free_port()}",
        status_listen=f"127.0.0.1:{free_port()}",
        socket=folder / "data" / "swarmlet.sock",
        runtime="process",
        network=Network(mode="none", dns=False, services="off", policies=False),
    )
    await found(config)
    async with running(config):
        authority = base64.b64encode(NodeFiles(config.data_dir).authority_pem().encode()).decode()
        cluster = {"server": f"https://{config.listen}", "certificate-authority-data": authority}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "c", "user": {"token": await prepare(config)}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": NAMESPACE}}],
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        yield Place(path)


def named(name: str, value: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"is": value}}


async def test_kubernetes(place: Place) -> None:
    def work() -> list[tuple[str, str]]:
        with kubernetes.config.new_client_from_config(str(place.kubeconfig)) as api:
            core = kubernetes.client.CoreV1Api(api)
            made = core.create_namespaced_config_map(NAMESPACE, named("one", "made"))
            core.patch_namespaced_config_map("one", NAMESPACE, {"data": {"is": "patched"}})
            core.delete_namespaced_config_map("one", NAMESPACE)
            with pytest.raises(kubernetes.client.ApiException, match="403"):
                core.list_namespaced_secret(NAMESPACE)
            events = kubernetes.watch.Watch().stream(
                core.list_namespaced_config_map,
                NAMESPACE,
                resource_version=made.metadata.resource_version,
                timeout_seconds=WATCH_SECONDS_MAX,
            )
            return [(each["type"], each["object"].data["is"]) for each in itertools.islice(events, 2)]

    assert await asyncio.to_thread(work) == [("MODIFIED", "patched"), ("DELETED", "patched")]


async def test_kubernetes_asyncio(place: Place) -> None:
    api = await kubernetes_asyncio.config.new_client_from_config(str(place.kubeconfig))
    seen = []
    async with api:
        core = kubernetes_asyncio.client.CoreV1Api(api)
        made = await core.create_namespaced_config_map(NAMESPACE, named("two", "made"))
        await core.patch_namespaced_config_map("two", NAMESPACE, {"data": {"is": "patched"}})
        await core.delete_namespaced_config_map("two", NAMESPACE)
        with pytest.raises(kubernetes_asyncio.client.ApiException, match="403"):
            await core.list_namespaced_secret(NAMESPACE)
        async with kubernetes_asyncio.watch.Watch() as watch:
            async for event in watch.stream(
                core.list_namespaced_config_map,
                NAMESPACE,
                resource_version=made.metadata.resource_version,
                timeout_seconds=WATCH_SECONDS_MAX,
            ):
                seen.append((event["type"], event["object"].data["is"]))
                if len(seen) == 2:
                    break
    assert seen == [("MODIFIED", "patched"), ("DELETED", "patched")]


async def test_kr8s(place: Place) -> None:
    api = await kr8s.asyncio.api(kubeconfig=str(place.kubeconfig))
    made = await Kr8sConfigMap(named("three", "made"), api=api)
    await made.create()
    await made.patch({"data": {"is": "patched"}})
    listed = [each async for each in api.get("configmaps", namespace=NAMESPACE)]
    assert {each.name: each.raw["data"].get("is") for each in listed}["three"] == "patched"
    await made.delete()
    assert not await made.exists()


async def test_lightkube(place: Place) -> None:
    def work() -> list[tuple[str, str]]:
        config = lightkube.KubeConfig.from_file(place.kubeconfig)
        client = lightkube.Client(config=config, namespace=NAMESPACE, field_manager="lightkube")
        made = client.create(ConfigMap(metadata=ObjectMeta(name="four", namespace=NAMESPACE), data={"is": "made"}))
        client.patch(ConfigMap, "four", {"data": {"is": "patched"}})
        applied = ConfigMap(apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name="four"), data={"is": "applied"})
        client.apply(applied, force=True)
        client.delete(ConfigMap, "four")
        with pytest.raises(lightkube.ApiError, match="forbidden"):
            list(client.list(Secret))
        events = client.watch(ConfigMap, resource_version=made.metadata.resourceVersion)
        return [(kind, each.data["is"]) for kind, each in itertools.islice(events, 3)]

    assert await asyncio.to_thread(work) == [
        ("MODIFIED", "patched"),
        ("MODIFIED", "applied"),
        ("DELETED", "applied"),
    ]


async def elect(api: kubernetes_asyncio.client.ApiClient, name: str, began: asyncio.Queue[str]) -> None:
    """Stand for election under a name, and tell when it is won."""

    async def lead() -> None:
        await began.put(name)
        await asyncio.Event().wait()

    async def stop() -> None:
        """Tell nobody: who is cancelled is asked, too."""

    config = electionconfig.Config(
        LeaseLock("leader", NAMESPACE, name, api),
        lease_duration=3,
        renew_deadline=2,
        retry_period=1,
        onstarted_leading=lead,
        onstopped_leading=stop,
    )
    await leaderelection.LeaderElection(config).run()


async def test_one_leads_by_a_lease_and_another_after_it(place: Place) -> None:
    began: asyncio.Queue[str] = asyncio.Queue()
    async with await kubernetes_asyncio.config.new_client_from_config(str(place.kubeconfig)) as api:
        first = asyncio.create_task(elect(api, "first", began))
        async with asyncio.timeout(WATCH_SECONDS_MAX):
            assert await began.get() == "first"
        second = asyncio.create_task(elect(api, "second", began))
        first.cancel()
        async with asyncio.timeout(WATCH_SECONDS_MAX):
            assert await began.get() == "second"
        lease = await kubernetes_asyncio.client.CoordinationV1Api(api).read_namespaced_lease("leader", NAMESPACE)
        assert lease.spec.holder_identity == "second"
        second.cancel()
        await asyncio.wait([first, second])
