"""A program in a Pod finds the API by itself, is known by its account, and may what its role says and no more."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator
from typing import Any

import pytest
from packaging.requirements import Requirement

from tools.lab import programs
from tools.lab.cluster import Cluster, eventually

NAME = "in-cluster"
IMAGE = "swarmlet-test/kubernetes-client:1"
HOME = "h2"
SECONDS_MAX = 60.0
PROGRAM = """
from kubernetes import client, config, watch
config.load_incluster_config()
core = client.CoreV1Api()
namespace = open("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read()
print("host", client.Configuration.get_default_copy().host)
print("pods", [each.metadata.name for each in core.list_namespaced_pod(namespace).items])
made = core.create_namespaced_config_map(namespace, {"metadata": {"name": "made-inside"}, "data": {"by": "a Pod"}})
version = core.list_namespaced_config_map(namespace).metadata.resource_version
core.patch_namespaced_config_map("made-inside", namespace, {"data": {"and": "patched"}})
for event in watch.Watch().stream(
    core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=20
):
    print("seen", event["type"], sorted(event["object"].data))
    break
for ask in (core.list_namespaced_secret, core.list_namespaced_pod):
    try:
        ask("default" if ask == core.list_namespaced_pod else namespace)
    except client.ApiException as error:
        print("refused", error.status)
"""
MANIFEST = f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: app}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: app}}
rules:
- {{apiGroups: [""], resources: [pods], verbs: [get, list]}}
- {{apiGroups: [""], resources: [configmaps], verbs: ["*"]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: app}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: app}}
subjects: [{{kind: ServiceAccount, name: app, namespace: {NAME}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: app}}
spec:
  serviceAccountName: app
  restartPolicy: Never
  nodeName: {HOME}
  containers:
  - name: app
    image: {IMAGE}
    imagePullPolicy: IfNotPresent
    command: [python3, -W, ignore, -c, {json.dumps(PROGRAM)}]
"""


def distributions(name: str, found: set[str] | None = None) -> set[str]:
    """Return a package and all that it needs."""
    found = set() if found is None else found
    if name not in found:
        found.add(name)
        for each in importlib.metadata.distribution(name).requires or ():
            needed = Requirement(each)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                distributions(needed.name, found)
    return found


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Cluster]:
    cluster[HOME].machine.engine.load(programs.python_image(IMAGE, *sorted(distributions("kubernetes"))))
    cluster.kubectl("create", "namespace", NAME)
    yield cluster
    cluster.kubectl("delete", "namespace", NAME, "--wait=false")

    def gone() -> bool:
        return f"namespace/{NAME}" not in cluster.kubectl("get", "namespaces", "-o", "name").split()

    eventually(gone, SECONDS_MAX, "the namespace is gone")


def test_a_program_in_a_pod_uses_the_api_as_its_account(namespace: Cluster) -> None:
    cluster = namespace
    cluster.kubectl("-n", NAME, "apply", "-f", "-", stdin=MANIFEST)

    def ended() -> dict[str, Any] | None:
        pod: dict[str, Any] = json.loads(cluster.kubectl("-n", NAME, "get", "pod", "app", "-o", "json"))
        return pod if pod["status"]["phase"] in ("Succeeded", "Failed") else None

    eventually(ended, SECONDS_MAX, "the program has ended")
    said = cluster.kubectl("-n", NAME, "logs", "app")
    assert said.splitlines() == [
        "host https://10.43.0.1:443",
        "pods ['app']",
        "seen MODIFIED ['and', 'by']",
        "refused 403",
        "refused 403",
    ]
