"""What containers on real Engines find in their environment and their volumes, and how it changes under them."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tools.lab.cluster import Cluster, eventually
from tools.lab.processes import wait_until

NAMESPACE = "sources"
SECONDS_MAX = 20

OBJECTS = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: {NAMESPACE}}}
data: {{colour: blue, shape: round}}
---
apiVersion: v1
kind: Secret
metadata: {{name: keys, namespace: {NAMESPACE}}}
stringData: {{password: hush}}
"""
POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: sources, namespace: {NAMESPACE}, labels: {{app: sources}}}}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {{fsGroup: 4321}}
  containers:
  - name: main
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "env; echo arg=$0; ls -ldn /cache /scratch; df -k /cache | tail -1; while :; do
      echo seen=$(cat /all/colour),$(cat /all/labels),$(cat /part); sleep 0.2; done", "$(NAME)-$(SHAPE)"]
    resources: {{limits: {{memory: 64Mi}}}}
    env:
    - {{name: NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}
    - {{name: IP, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}
    - {{name: HOST, valueFrom: {{fieldRef: {{fieldPath: status.hostIP}}}}}}
    - {{name: NODE, valueFrom: {{fieldRef: {{fieldPath: spec.nodeName}}}}}}
    - {{name: MEMORY, valueFrom: {{resourceFieldRef: {{resource: limits.memory, divisor: 1Mi}}}}}}
    - {{name: SHAPE, valueFrom: {{configMapKeyRef: {{name: settings, key: shape}}}}}}
    - {{name: PASSWORD, valueFrom: {{secretKeyRef: {{name: keys, key: password}}}}}}
    - {{name: BOTH, value: "$(SHAPE) $$(SHAPE) $(C_colour)"}}
    envFrom:
    - {{prefix: C_, configMapRef: {{name: settings}}}}
    - {{secretRef: {{name: none, optional: true}}}}
    volumeMounts:
    - {{name: all, mountPath: /all}}
    - {{name: settings, mountPath: /part, subPath: colour}}
    - {{name: cache, mountPath: /cache}}
    - {{name: scratch, mountPath: /scratch, subPathExpr: of-$(NAME)}}
  volumes:
  - name: all
    projected:
      sources:
      - configMap: {{name: settings}}
      - secret: {{name: keys, items: [{{key: password, path: secret/password, mode: 0400}}]}}
      - downwardAPI: {{items: [{{path: labels, fieldRef: {{fieldPath: metadata.labels}}}}]}}
  - {{name: settings, configMap: {{name: settings}}}}
  - {{name: cache, emptyDir: {{medium: Memory, sizeLimit: 1Mi}}}}
  - {{name: scratch, emptyDir: {{}}}}
"""
WAITING = f"""
apiVersion: v1
kind: Pod
metadata: {{name: waiting, namespace: {NAMESPACE}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [hold]
    envFrom: [{{configMapRef: {{name: later}}}}]
"""
KEEPING = f"""
apiVersion: v1
kind: Pod
metadata: {{name: keeping, namespace: {NAMESPACE}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "trap 'exit 3' TERM; for each in /memory /part; do echo x >> $each/starts; done; while :; do
      echo counted $(wc -l < /memory/starts) $(wc -l < /part/starts); sleep 0.2; done"]
    volumeMounts:
    - {{name: memory, mountPath: /memory}}
    - {{name: disk, mountPath: /part, subPath: deep/part}}
  volumes:
  - {{name: memory, emptyDir: {{medium: Memory, sizeLimit: 1Mi}}}}
  - {{name: disk, emptyDir: {{}}}}
"""
ESCAPING = f"""
apiVersion: v1
kind: Pod
metadata: {{name: escaping, namespace: {NAMESPACE}}}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - name: first
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [ln, -s, /etc, /disk/out]
    volumeMounts: [{{name: disk, mountPath: /disk}}]
  containers:
  - name: main
    image: busybox:lab
    imagePullPolicy: IfNotPresent
    command: [hold]
    volumeMounts: [{{name: disk, mountPath: /machine, subPath: out}}]
  volumes: [{{name: disk, emptyDir: {{}}}}]
"""
LATER = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: later, namespace: {NAMESPACE}}}
data: {{k: v}}
"""


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[None]:
    cluster.kubectl("apply", "-f", "-", stdin=OBJECTS)
    yield
    cluster.kubectl("delete", "namespace", NAMESPACE, seconds=60)


def pod(cluster: Cluster, name: str) -> dict[str, Any]:
    return json.loads(cluster.kubectl("get", "pod", name, "-n", NAMESPACE, "-o", "json"))


def is_running(cluster: Cluster, name: str) -> bool:
    return pod(cluster, name)["status"].get("phase") == "Running"


def log(cluster: Cluster, *arguments: str, name: str = "sources") -> str:
    return cluster.kubectl("logs", name, "-n", NAMESPACE, *arguments, check=False)  # it may not have one yet


def waiting(cluster: Cluster, name: str) -> dict[str, str]:
    """Return why the Pod's only container waits."""
    statuses = pod(cluster, name)["status"].get("containerStatuses") or [{}]
    return statuses[0].get("state", {}).get("waiting") or {}


def patch(cluster: Cluster, kind: str, name: str, **change: Any) -> None:
    cluster.kubectl("patch", kind, name, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(change))


def test_variables_and_volumes_are_filled_and_followed(cluster: Cluster, namespace: None) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=POD)
    eventually(lambda: is_running(cluster, "sources"), SECONDS_MAX, "the Pod runs")
    wait_until(lambda: "seen=" in log(cluster), SECONDS_MAX, "the container has looked around")
    status, told = pod(cluster, "sources")["status"], log(cluster)
    node = pod(cluster, "sources")["spec"]["nodeName"]
    for line in (
        "NAME=sources",
        f"IP={status['podIP']}",
        f"HOST={cluster[node].machine.address}",
        f"NODE={node}",
        "MEMORY=64",
        "SHAPE=round",
        "PASSWORD=hush",
        "BOTH=round $(SHAPE) blue",
        "C_colour=blue",
        "arg=sources-round",
        'seen=blue,app="sources",blue',
    ):
        assert f"{line}\n" in told
    folders = [line.split() for line in told.splitlines() if line.startswith("d")]
    assert [(each[0], each[3], each[-1]) for each in folders] == [
        ("drwxrwsrwx", "4321", "/cache"),
        ("drwxrwsrwx", "4321", "/scratch"),
    ]
    assert "tmpfs                     1024" in told

    patch(cluster, "configmap", "settings", data={"colour": "red"})
    patch(cluster, "pod", "sources", metadata={"labels": {"app": "changed"}})
    wait_until(lambda: 'seen=red,app="changed",blue' in log(cluster, "--tail=1"), 5, "the changes are seen inside")
    assert pod(cluster, "sources")["status"]["containerStatuses"][0]["restartCount"] == 0

    described = cluster.kubectl("describe", "pod", "sources", "-n", NAMESPACE)
    assert "<set to the key 'password' in secret 'keys'>" in described
    assert "hush" not in described
    assert all("hush" not in daemon.log.read_text(encoding="utf-8") for daemon in cluster)
    assert base64.b64encode(b"hush").decode() not in cluster.kubectl("get", "events", "-n", NAMESPACE, "-o", "json")


def test_a_missing_source_is_waited_for(cluster: Cluster, namespace: None) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=WAITING)
    told = {"reason": "CreateContainerConfigError", "message": 'configmap "later" not found'}
    eventually(lambda: waiting(cluster, "waiting") == told, SECONDS_MAX, "the Pod says what it waits for")
    assert "CreateContainerConfigError" in cluster.kubectl("get", "pod", "waiting", "-n", NAMESPACE)
    cluster.kubectl("apply", "-f", "-", stdin=LATER)
    eventually(lambda: is_running(cluster, "waiting"), 5, "the Pod runs once it is there")


def test_volumes_outlive_containers_and_daemons_and_go_with_their_pod(cluster: Cluster, namespace: None) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=KEEPING)
    eventually(lambda: "counted 1 1" in log(cluster, name="keeping"), SECONDS_MAX, "the container writes")
    found = pod(cluster, "keeping")
    daemon = cluster[found["spec"]["nodeName"]]
    daemon.kill(signal.SIGTERM)
    daemon.start()
    cluster.wait_ready(3)
    container = found["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://")
    daemon.machine.engine.json("POST", f"/containers/{container}/kill")
    eventually(lambda: "counted 2 2" in log(cluster, name="keeping"), SECONDS_MAX, "the next container finds its files")
    mounted = daemon.machine.run("cat", "/proc/self/mountinfo").stdout.splitlines()
    assert sum(found["metadata"]["uid"] in line for line in mounted) == 2  # no more for the second container
    cluster.kubectl("delete", "pod", "keeping", "-n", NAMESPACE)
    left = daemon.machine.run("sh", "-c", "cat /proc/self/mountinfo; ls /dev/shm/*").stdout
    assert found["metadata"]["uid"] not in left


def test_a_link_in_a_volume_leads_no_container_to_the_machine(cluster: Cluster, namespace: None) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=ESCAPING)
    told = {
        "reason": "CreateContainerConfigError",
        "message": 'failed to prepare subPath for volumeMount "disk" of container "main": '
        "subpath out is not within the volume path",
    }
    eventually(lambda: waiting(cluster, "escaping") == told, SECONDS_MAX, "the container is not started")


def test_a_volume_that_cannot_be_had_is_refused_by_name(cluster: Cluster, namespace: None) -> None:
    manifest = WAITING.replace("spec:\n", "spec:\n  volumes: [{name: disk, nfs: {server: example.com, path: /}}]\n", 1)
    said = cluster.kubectl("apply", "-f", "-", stdin=manifest, check=False)
    assert "spec.volumes[0].nfs: Forbidden: not supported by swarmlet yet" in said
