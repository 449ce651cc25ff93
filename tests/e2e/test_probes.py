"""Probes, sidecars and containers that run out of memory, on three machines with real Engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tools.lab.cluster import Cluster, eventually, is_ready

NAMESPACE = "probes"
SERVE = "mkdir /www; {prepare}; exec httpd -f -p 8080 -h /www"

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  strategy: {{rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}}}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web, version: {version}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "{command}"]
        ports: [{{containerPort: 8080, name: http}}]
        startupProbe: {{tcpSocket: {{port: http}}, periodSeconds: 1}}
        readinessProbe: {{httpGet: {{path: /ready, port: http}}, periodSeconds: 1, failureThreshold: 2}}
        livenessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
"""

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: dies, labels: {app: dies}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "touch /tmp/alive; sleep 2; rm /tmp/alive; exec sleep 1000"]
    livenessProbe: {exec: {command: [test, -e, /tmp/alive]}, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 5}
---
apiVersion: v1
kind: Pod
metadata: {name: hungry, labels: {app: hungry}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "sleep 1; x=x; while true; do x=$x$x; done"]
    resources: {limits: {memory: 16Mi}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  template:
    metadata: {labels: {app: work}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 2
      initContainers:
      - name: proxy
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        restartPolicy: Always
        command: [sh, -c, "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 8080 -h /www"]
        startupProbe: {httpGet: {port: 8080, path: /}, periodSeconds: 1}
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "wget -q -O /dev/termination-log http://localhost:8080/"]
---
apiVersion: v1
kind: Pod
metadata: {name: late, labels: {app: late}}
spec:
  activeDeadlineSeconds: 4
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: busybox:lab, imagePullPolicy: IfNotPresent, command: [hold]}]
"""


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    yield NAMESPACE
    cluster.kubectl("delete", "deployments,jobs,pods", "--all", "-n", NAMESPACE)
    cluster.kubectl("delete", "namespace", NAMESPACE)


def pods(cluster: Cluster, selector: str) -> list[dict[str, Any]]:
    return json.loads(cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "json"))["items"]


def events(cluster: Cluster, reason: str) -> str:
    return cluster.kubectl("get", "events", "-n", NAMESPACE, "--field-selector", f"reason={reason}")


def roll_out(cluster: Cluster, version: str, *, ready: bool) -> None:
    command = SERVE.format(prepare="echo ok > /www/index.html; " + ("echo ok > /www/ready" if ready else "true"))
    document = DEPLOYMENT.format(version=version, command=command)
    cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=document)


def ready_since(cluster: Cluster, selector: str) -> dict[str, tuple[int, str]]:
    """Return restarts and the time since which it is ready, of each Pod that is."""
    return {
        pod["metadata"]["name"]: (
            pod["status"]["containerStatuses"][0]["restartCount"],
            next(each["lastTransitionTime"] for each in pod["status"]["conditions"] if each["type"] == "Ready"),
        )
        for pod in pods(cluster, selector)
        if is_ready(pod)
    }


def test_readiness_holds_up_a_rollout_and_a_killed_daemon_changes_nothing(cluster: Cluster, namespace: str) -> None:
    roll_out(cluster, "v1", ready=True)
    eventually(lambda: len(ready_since(cluster, "version=v1")) == 3, 30, "three Pods are ready")
    roll_out(cluster, "v2", ready=False)

    def stuck() -> dict[str, Any] | None:
        found = [pod for pod in pods(cluster, "version=v2") if pod["status"].get("phase") == "Running"]
        return found[0] if found and found[0]["status"]["containerStatuses"][0]["started"] else None

    new = eventually(stuck, 30, "a Pod of the new version has started")
    before = ready_since(cluster, "app=web")
    assert len(before) == 3
    node = cluster[new["spec"]["nodeName"]]
    node.kill()
    node.start()
    cluster.wait_ready(3)
    told = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    eventually(lambda: told in events(cluster, "Unhealthy"), 20, "the new Pod is told to be unready")
    assert ready_since(cluster, "app=web") == before
    roll_out(cluster, "v3", ready=True)
    cluster.kubectl("rollout", "status", "deployment/web", "-n", NAMESPACE, "--timeout=40s")
    assert {restarts for restarts, _ in ready_since(cluster, "version=v3").values()} == {0}


def test_what_dies_runs_out_of_memory_or_ends_is_shown_and_healed(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=PODS)

    def status(name: str) -> dict[str, Any]:
        (pod,) = pods(cluster, f"app={name}") or [{}]
        return pod.get("status", {})

    def last(name: str) -> dict[str, Any]:
        (container,) = status(name).get("containerStatuses") or [{}]
        return container.get("lastState", {}).get("terminated", {})

    eventually(lambda: last("hungry").get("reason") == "OOMKilled", 30, "the hungry one is killed and starts again")
    assert last("hungry")["exitCode"] == 137
    eventually(lambda: last("dies"), 30, "what is not alive is restarted")
    told = "Container main failed liveness probe, will be restarted"
    eventually(lambda: told in events(cluster, "Killing"), 20, "and that is told")
    eventually(lambda: status("late").get("reason") == "DeadlineExceeded", 20, "the deadline is kept")
    eventually(lambda: status("late")["phase"] == "Failed", 20, "and the Pod has failed")
    cluster.kubectl("wait", "--for=condition=complete", "job/work", "-n", NAMESPACE, "--timeout=30s")
    assert status("work")["phase"] == "Succeeded"
    assert status("work")["containerStatuses"][0]["state"]["terminated"]["message"] == "hello\n"
    assert "terminated" in status("work")["initContainerStatuses"][0]["state"]
