"""A HorizontalPodAutoscaler under real load on real Engines, and what `top` shows of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tools.lab.cluster import Cluster, Daemon, eventually

NAMESPACE = "autoscaling"
SELECTOR = "app=busy"
MILLIS_MAX = 100
"""What each container may use; it asks for a fifth of that."""
MANIFEST = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: load, namespace: {NAMESPACE}}}
data: {{wanted: "yes"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: busy, namespace: {NAMESPACE}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: busy}}}}
  template:
    metadata: {{labels: {{app: busy}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |
          trap 'exit 0' TERM
          while :; do
            if [ "$(cat /load/wanted)" = yes ]; then
              i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done
            else
              sleep 1
            fi
          done
        resources: {{requests: {{cpu: {MILLIS_MAX // 5}m}}, limits: {{cpu: {MILLIS_MAX}m, memory: 64Mi}}}}
        volumeMounts: [{{name: load, mountPath: /load}}]
      volumes: [{{name: load, configMap: {{name: load}}}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: busy, namespace: {NAMESPACE}}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: busy}}
  minReplicas: 1
  maxReplicas: 3
  metrics:
  - type: Resource
    resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 50}}}}
  behavior: {{scaleDown: {{stabilizationWindowSeconds: 6}}}}
"""


@pytest.fixture
def busy(cluster: Cluster) -> Iterator[None]:
    """One Pod that is as busy as it may be, and an autoscaler of it; gone afterwards."""
    cluster.kubectl("apply", "-f", "-", stdin=MANIFEST)
    yield
    cluster.kubectl("delete", "namespace", NAMESPACE)


def kubectl(cluster: Cluster, *arguments: str, check: bool = True) -> str:
    return cluster.kubectl("-n", NAMESPACE, *arguments, check=check)


def replicas(cluster: Cluster) -> int:
    return int(kubectl(cluster, "get", "deployment", "busy", "-o", "jsonpath={.spec.replicas}"))


def running(cluster: Cluster) -> list[str]:
    items = json.loads(kubectl(cluster, "get", "pods", "-l", SELECTOR, "-o", "json"))["items"]
    return [item["metadata"]["name"] for item in items if item["status"]["phase"] == "Running"]


def used(printed: str) -> dict[str, int]:
    """Return the thousandths of a core in what `top` printed, by name; {} where it told an error."""
    rows = [line.split() for line in printed.splitlines()]
    return {row[0]: int(row[1].removesuffix("m")) for row in rows if len(row) > 1 and row[1].endswith("m")}


def all_known(cluster: Cluster, daemon: Daemon) -> dict[str, int] | None:
    """Return what each Pod uses as this daemon tells it, once all three are known."""
    found = used(daemon.swarmlet("top", "pods", "-n", NAMESPACE, "--no-headers", check=False))
    return found if len(found) == 3 and set(found) == set(running(cluster)) else None


def events(cluster: Cluster, reason: str) -> list[str]:
    listed = json.loads(kubectl(cluster, "get", "events", "--field-selector", f"reason={reason}", "-o", "json"))
    return [item["message"] for item in listed["items"]]


def test_pods_follow_their_load_through_a_change_of_leader(cluster: Cluster, busy: None) -> None:
    eventually(lambda: replicas(cluster) == 3, 40, "the load brings three Pods")
    grown = "New size: 3; reason: cpu resource utilization (percentage of request) above target"
    eventually(lambda: events(cluster, "SuccessfulRescale") == [grown], 10, "an event tells why")

    found = eventually(lambda: all_known(cluster, cluster.followers()[0]), 20, "a follower knows what all Pods use")
    assert all(10 <= millis <= MILLIS_MAX * 1.3 for millis in found.values()), found
    assert set(used(kubectl(cluster, "top", "pods", "--no-headers"))) == set(found)
    assert kubectl(cluster, "top", "pods", "--containers").split()[:2] == ["POD", "NAME"]
    nodes = used(cluster.kubectl("top", "nodes", "--no-headers"))
    assert set(nodes) == {"h1", "h2", "h3"}
    assert all(millis > 0 for millis in nodes.values())

    victim, failed = cluster.leader(), len(events(cluster, "FailedGetResourceMetric"))
    victim.kill()
    victim.start()
    cluster.wait_ready(3)
    eventually(lambda: all_known(cluster, cluster.leader()), 20, "the new leader knows what all Pods use")
    assert replicas(cluster) == 3
    assert len(events(cluster, "FailedGetResourceMetric")) == failed

    kubectl(cluster, "patch", "configmap", "load", "--type=merge", "-p", '{"data": {"wanted": "no"}}')
    eventually(lambda: replicas(cluster) == 1, 40, "without load there is one Pod")
    between, shrunk = (f"New size: {size}; reason: All metrics below target" for size in (2, 1))
    eventually(lambda: shrunk in events(cluster, "SuccessfulRescale"), 10, "an event tells why")
    told = set(events(cluster, "SuccessfulRescale"))
    assert told <= {grown, between, shrunk}, "a load that falls over two samples goes by way of two Pods"
    row = kubectl(cluster, "get", "hpa", "busy", "--no-headers").split()
    assert row[:2] == ["busy", "Deployment/busy"]
    assert row[2] == "cpu:"
    assert row[3].endswith("/50%")
