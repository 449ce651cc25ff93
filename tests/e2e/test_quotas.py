"""Quotas and limits on three machines, and the end of a namespace with everything in it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.documents import deployment
from tools.chaos.doors import Doors
from tools.lab.cluster import Cluster, eventually

NAMESPACE = "narrow"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
PLACES, WRITERS = 7, 30
ENDS_SECONDS_MAX = 30

EVERYTHING = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "busybox:lab", command: [hold]}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: long}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 1
      restartPolicy: Never
      containers: [{name: c, image: "busybox:lab", imagePullPolicy: IfNotPresent, command: [hold]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: modest}
spec:
  limits:
  - {type: Container, default: {memory: 64Mi}, defaultRequest: {memory: 16Mi}, max: {memory: 128Mi}}
"""
NAMED = """
apiVersion: v1
kind: Namespace
metadata: {{name: {}}}
"""
HELD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: held, finalizers: [example.com/hold]}
"""
QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: q}
spec: {hard: %s}
"""
TOO_MUCH = """
apiVersion: v1
kind: Pod
metadata: {name: greedy}
spec:
  containers: [{name: main, image: "busybox:lab", resources: {limits: {memory: 256Mi}}}]
"""


@pytest.fixture
def narrow(cluster: Cluster) -> Iterator[Cluster]:
    cluster.kubectl("apply", "-f", "-", stdin=NAMED.format(NAMESPACE))
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
    eventually(lambda: NAMESPACE not in namespaces(cluster), ENDS_SECONDS_MAX, "the namespace is gone")


def kubectl(cluster: Cluster, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
    return cluster.kubectl("-n", NAMESPACE, *arguments, check=check, stdin=stdin)


def namespaces(cluster: Cluster) -> list[str]:
    return cluster.kubectl("get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}").split()


def limit(cluster: Cluster, hard: dict[str, str]) -> None:
    kubectl(cluster, "apply", "-f", "-", stdin=QUOTA % json.dumps(hard))


def used(cluster: Cluster) -> dict[str, str]:
    return json.loads(kubectl(cluster, "get", "quota", "q", "-o", "json"))["status"]["used"]


def pods(cluster: Cluster) -> int:
    return len(kubectl(cluster, "get", "pods", "-o", "name").split())


def test_a_deployment_fills_its_quota_and_grows_with_it(narrow: Cluster) -> None:
    kubectl(narrow, "apply", "-f", "-", stdin=EVERYTHING.rpartition("---\n")[2])
    limit(narrow, {"pods": "2", "requests.memory": "1Gi"})
    kubectl(narrow, "apply", "-f", "-", stdin=deployment("web", 4))
    eventually(lambda: "FailedCreate" in kubectl(narrow, "get", "events"), 10, "the refusal is told")
    assert pods(narrow) == 2
    assert "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2" in kubectl(narrow, "get", "events")
    assert "ReplicaFailure" in kubectl(narrow, "describe", "deployment", "web")
    assert "pods: 2/2, requests.memory: 32Mi/1Gi" in kubectl(narrow, "get", "quota")
    told = kubectl(narrow, "describe", "namespace", NAMESPACE)
    assert "requests.memory  32Mi  1Gi" in told
    assert "Container  memory    -    128Mi  16Mi             64Mi" in told
    kubectl(narrow, "patch", "quota", "q", "-p", '{"spec":{"hard":{"pods":"4"}}}')
    eventually(lambda: pods(narrow) == 4, 10, "the room is used")
    assert used(narrow) == {"pods": "4", "requests.memory": "64Mi"}
    refused = kubectl(narrow, "apply", "-f", "-", check=False, stdin=TOO_MUCH)
    assert "maximum memory usage per Container is 128Mi, but limit is 256Mi" in refused


def test_writers_through_three_daemons_never_exceed_a_quota(narrow: Cluster) -> None:
    limit(narrow, {"count/secrets": str(PLACES)})

    async def write() -> Counter[int]:
        async with Doors(narrow) as doors:
            documents = (
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"c{number}"}} for number in range(WRITERS)
            )
            names = (doors.names[number % len(doors.names)] for number in range(WRITERS))
            asked = [doors.ask(name, "POST", SECRETS, each) for name, each in zip(names, documents, strict=True)]
            return Counter(answer.code for answer in await asyncio.gather(*asked))

    assert asyncio.run(write()) == {201: PLACES, 403: WRITERS - PLACES}
    assert used(narrow) == {"count/secrets": str(PLACES)}
    kubectl(narrow, "delete", kubectl(narrow, "get", "secrets", "-o", "name").split()[0])
    eventually(lambda: used(narrow) == {"count/secrets": str(PLACES - 1)}, 5, "what is gone is not counted")


def test_a_namespace_ends_with_everything_in_it_and_says_what_holds_it(narrow: Cluster) -> None:
    kubectl(narrow, "apply", "-f", "-", stdin=EVERYTHING)
    limit(narrow, {"pods": "9"})
    kubectl(narrow, "apply", "-f", "-", stdin=deployment("web", 2))
    kubectl(narrow, "apply", "-f", "-", stdin=HELD)
    eventually(lambda: pods(narrow) >= 3, 15, "the Pods are there")
    narrow.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    told = "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    eventually(lambda: told in status(narrow), ENDS_SECONDS_MAX, "only what is held is left")
    eventually(
        lambda: "remaining: configmaps. has 1 resource instances" in status(narrow), ENDS_SECONDS_MAX, "one left"
    )
    assert "because it is being terminated" in kubectl(
        narrow, "apply", "-f", "-", check=False, stdin=HELD.replace("held", "late")
    )
    kubectl(narrow, "patch", "configmap", "held", "-p", '{"metadata":{"finalizers":null}}')
    eventually(lambda: NAMESPACE not in namespaces(narrow), 5, "the namespace goes with the last of it")


def status(cluster: Cluster) -> str:
    return cluster.kubectl("get", "namespace", NAMESPACE, "-o", "jsonpath={.status.conditions[*].message}")
