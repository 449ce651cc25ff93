"""Kinds that users bring, through the libraries' ways for such: make, read, watch, patch, scale, status, delete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kr8s.asyncio
import kubernetes
import lightkube
import pytest
from kr8s.asyncio.objects import new_class
from kubernetes.dynamic import DynamicClient
from lightkube.core.client import PatchType
from lightkube.generic_resource import create_namespaced_resource, load_in_cluster_generic_resources

from tests.api.custom_documents import CERTIFICATES, PROMETHEUSES, certificate
from tests.api.lone_daemon import LoneDaemon, lone_daemon

pytestmark = pytest.mark.slow

GROUP, VERSION, PLURAL, NAMESPACE = "cert-manager.io", "v1", "certificates", "default"
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
WATCH_SECONDS_MAX = 10


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneDaemon]:
    with lone_daemon(tmp_path_factory.mktemp("custom")) as running:
        for document in (CERTIFICATES, PROMETHEUSES):
            running.kubectl("create", "-f", "-", stdin=document)
        running.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=20s")
        yield running


def kubeconfig(daemon: LoneDaemon) -> str:
    return daemon.env["KUBECONFIG"]


def test_kubernetes_with_custom_objects(daemon: LoneDaemon) -> None:
    api = kubernetes.client.CustomObjectsApi(kubernetes.config.new_client_from_config(kubeconfig(daemon)))
    where = (GROUP, VERSION, NAMESPACE, PLURAL)
    made = api.create_namespaced_custom_object(*where, certificate("one", duration="1h"))
    since = made["metadata"]["resourceVersion"]
    api.patch_namespaced_custom_object(*where, "one", {"spec": {"duration": "2h"}})
    api.patch_namespaced_custom_object_status(*where, "one", READY)
    found = api.get_namespaced_custom_object(*where, "one")
    assert (found["spec"]["duration"], found["metadata"]["generation"]) == ("2h", 2)
    assert api.get_namespaced_custom_object_status(*where, "one")["status"] == READY["status"]
    found["spec"]["duration"] = "3h"
    api.replace_namespaced_custom_object(*where, "one", found)
    with pytest.raises(kubernetes.client.ApiException, match=r"spec\.secretName: Required value"):
        api.create_namespaced_custom_object(*where, {**certificate("two"), "spec": {"issuerRef": {"name": "x"}}})
    watch = kubernetes.watch.Watch()
    options = {"resource_version": since, "timeout_seconds": WATCH_SECONDS_MAX}
    seen = []
    for event in watch.stream(api.list_namespaced_custom_object, *where, **options):
        seen.append((event["type"], event["object"]["spec"]["duration"]))
        if len(seen) == 3:
            watch.stop()
    assert seen == [("MODIFIED", "2h"), ("MODIFIED", "2h"), ("MODIFIED", "3h")]
    api.delete_namespaced_custom_object(*where, "one")
    assert api.list_namespaced_custom_object(*where)["items"] == []


def test_kubernetes_with_its_dynamic_client_and_scale(daemon: LoneDaemon) -> None:
    client = DynamicClient(kubernetes.config.new_client_from_config(kubeconfig(daemon)))
    resource = client.resources.get(api_version="monitoring.coreos.com/v1", kind="Prometheus")
    document = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": {"name": "main"}}
    resource.create(body={**document, "spec": {"replicas": 2}}, namespace=NAMESPACE)
    custom = kubernetes.client.CustomObjectsApi(client.client)
    where = ("monitoring.coreos.com", "v1", NAMESPACE, "prometheuses", "main")
    custom.patch_namespaced_custom_object_scale(*where, {"spec": {"replicas": 4}})
    assert resource.get(name="main", namespace=NAMESPACE).spec.replicas == 4
    assert custom.get_namespaced_custom_object_scale(*where)["kind"] == "Scale"
    applied = resource.server_side_apply(body={**document, "spec": {"retention": "1d"}}, namespace=NAMESPACE,
                                         field_manager="test")  # fmt: skip
    assert applied.to_dict()["spec"] == {"replicas": 4, "retention": "1d", "shards": 1}
    resource.delete(name="main", namespace=NAMESPACE)


def test_lightkube_with_a_resource_of_its_own_and_one_found_in_the_cluster(daemon: LoneDaemon) -> None:
    client = lightkube.Client(lightkube.KubeConfig.from_file(kubeconfig(daemon)), field_manager="test")
    kind = create_namespaced_resource(GROUP, VERSION, "Certificate", PLURAL)
    client.create(kind(certificate("one")), namespace=NAMESPACE)
    merge = PatchType.MERGE
    client.patch(kind, "one", {"spec": {"duration": "2h"}}, namespace=NAMESPACE, patch_type=merge)
    client.patch(kind.Status, "one", READY, namespace=NAMESPACE, patch_type=merge)
    with pytest.raises(lightkube.ApiError, match="unknown format"):
        client.patch(kind, "one", {"spec": {}}, namespace=NAMESPACE, patch_type=PatchType.STRATEGIC)
    found = client.get(kind, "one", namespace=NAMESPACE)
    assert (found.spec["duration"], found.status) == ("2h", READY["status"])
    client.apply(kind(certificate("one", revisionHistoryLimit=3)), namespace=NAMESPACE, force=True)
    event, watched = next(iter(client.watch(kind, namespace=NAMESPACE, server_timeout=WATCH_SECONDS_MAX)))
    assert (event, watched.spec["revisionHistoryLimit"]) == ("ADDED", 3)
    load_in_cluster_generic_resources(client)
    loaded = lightkube.generic_resource.get_generic_resource(f"{GROUP}/{VERSION}", "Certificate")
    assert [each.metadata.name for each in client.list(loaded, namespace=NAMESPACE)] == ["one"]
    client.delete(kind, "one", namespace=NAMESPACE)


async def test_kr8s_with_a_class_of_its_own(daemon: LoneDaemon) -> None:
    api = await kr8s.asyncio.api(kubeconfig=kubeconfig(daemon))
    kind: Any = new_class("Certificate", f"{GROUP}/{VERSION}", asyncio=True, namespaced=True)
    made = await kind(certificate("one"), api=api)
    await made.create()
    await made.patch({"spec": {"duration": "2h"}})
    await made.patch(READY, subresource="status")
    await made.wait("condition=Ready", timeout=WATCH_SECONDS_MAX)
    found = await kind.get("one", namespace=NAMESPACE, api=api)
    assert found.spec.duration == "2h"
    async for event, each in api.watch(kind, namespace=NAMESPACE):
        assert (event, each.name) == ("ADDED", "one")
        break
    await made.delete()
    await made.wait("delete", timeout=WATCH_SECONDS_MAX)
    assert [each.name async for each in api.get(kind, namespace=NAMESPACE)] == []
