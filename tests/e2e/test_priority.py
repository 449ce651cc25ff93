"""Priorities on real machines: who goes for whom, and what holds a Pod back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tools.lab.cluster import Cluster, eventually, is_ready

NAMESPACE = "priority"
SECONDS_MAX = 20
CLASSES = """
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: e2e-high}
value: 1000
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: e2e-low}
value: 1
---
apiVersion: v1
kind: Namespace
metadata: {name: priority}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded, namespace: priority}
spec:
  maxUnavailable: 0
  selector: {matchLabels: {app: guarded}}
---
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: priority}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      priorityClassName: e2e-low
      terminationGracePeriodSeconds: 2
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command: [hold]
        resources: {{requests: {{cpu: {cpu}m}}}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: priority}}
spec:
  {more}
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [hold]
    resources: {{requests: {{cpu: {cpu}m}}}}
"""


def pods(cluster: Cluster) -> dict[str, dict[str, Any]]:
    found = cluster.leader().door().json("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
    return {pod["metadata"]["name"]: pod for pod in found}


def of(cluster: Cluster, app: str) -> dict[str, dict[str, Any]]:
    return {name: pod for name, pod in pods(cluster).items() if pod["metadata"].get("labels", {}).get("app") == app}


def more_than_half(cluster: Cluster) -> int:
    """Return so many thousandths of a CPU that one Pod fits on each node, and no second one."""
    nodes = cluster.leader().door().json("GET", "/api/v1/nodes")["items"]
    texts = [node["status"]["allocatable"]["cpu"] for node in nodes]
    millis = {int(text[:-1]) if text.endswith("m") else int(text) * 1000 for text in texts}
    assert max(millis) < 2 * (min(millis) // 2 + 1), "the machines of the lab are alike"
    return min(millis) // 2 + 1


@pytest.fixture
def full(cluster: Cluster) -> Iterator[int]:
    """A cluster with a Pod of low priority on each node, two of which a budget guards: the CPU that each asks for."""
    cpu = more_than_half(cluster)
    manifest = CLASSES + "---\n".join(
        DEPLOYMENT.format(name=name, replicas=replicas, cpu=cpu) for name, replicas in (("guarded", 2), ("spare", 1))
    )
    cluster.kubectl("apply", "-f", "-", stdin=manifest)
    eventually(lambda: sum(map(is_ready, pods(cluster).values())) == 3, SECONDS_MAX, "each node has its Pod")
    yield cpu
    cluster.kubectl("delete", "namespace", NAMESPACE)
    cluster.kubectl("delete", "priorityclass", "e2e-high", "e2e-low")


def test_a_pod_of_high_priority_gets_the_room_of_the_one_that_no_budget_guards(cluster: Cluster, full: int) -> None:
    before = pods(cluster)
    (spare,) = of(cluster, "spare")
    node = before[spare]["spec"]["nodeName"]
    cluster.kubectl(
        "apply", "-f", "-", stdin=POD.format(name="important", more="priorityClassName: e2e-high", cpu=full)
    )
    eventually(lambda: is_ready(pods(cluster)["important"]), SECONDS_MAX, "the important Pod runs")
    after = pods(cluster)
    assert after["important"]["spec"]["nodeName"] == node
    assert after["important"]["spec"]["priority"] == 1000
    assert of(cluster, "guarded").keys() == {name for name in before if name.startswith("guarded")}
    assert spare not in after
    (waiting,) = of(cluster, "spare").values()
    assert waiting["status"]["phase"] == "Pending"
    told = cluster.kubectl("-n", NAMESPACE, "get", "events", "--field-selector", "reason=Preempted", "-o", "json")
    (event,) = json.loads(told)["items"]
    assert event["involvedObject"]["name"] == spare
    assert event["message"] == f"Preempted by pod {after['important']['metadata']['uid']} on node {node}"
    rows = [line.split()[:3] for line in cluster.kubectl("get", "priorityclasses").splitlines()]
    assert ["e2e-high", "1000", "false"] in rows
    assert ["system-node-critical", "2000001000", "false"] in rows
    described = cluster.leader().swarmlet("describe", "pod", "important", "-n", NAMESPACE)
    assert "Priority:" in described

    cluster.kubectl("-n", NAMESPACE, "delete", "pod", "important")
    eventually(lambda: all(map(is_ready, of(cluster, "spare").values())), SECONDS_MAX, "the spare one is back")


def test_a_gate_holds_a_pod_back_until_it_is_taken_off(cluster: Cluster, full: int) -> None:
    gated = POD.format(name="gated", more="schedulingGates: [{name: example.com/wait}]", cpu=1)
    cluster.kubectl("apply", "-f", "-", stdin=gated)
    assert "SchedulingGated" in cluster.kubectl("-n", NAMESPACE, "get", "pod", "gated")
    removal = '[{"op": "remove", "path": "/spec/schedulingGates"}]'
    cluster.kubectl("-n", NAMESPACE, "patch", "pod", "gated", "--type=json", "-p", removal)
    eventually(lambda: is_ready(pods(cluster)["gated"]), SECONDS_MAX, "the gated Pod runs")
