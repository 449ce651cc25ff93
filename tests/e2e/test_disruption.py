"""Pods that serve are replaced, taken away and moved under constant HTTP load, and nobody who asks them notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tools.lab.cluster import BIN, Cluster, Daemon, eventually, is_ready
from tools.load.counting import Count
from tools.load.fleet import load

NAMESPACE = "disruption"
SELECTOR = "app=web"
REPLICAS = 6
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3Dweb"
REQUESTS_MIN = 100
"""Fewer would prove nothing."""

MANIFESTS = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  maxUnavailable: 1
  selector: {{matchLabels: {{app: web}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  replicas: {REPLICAS}
  selector: {{matchLabels: {{app: web}}}}
  strategy: {{rollingUpdate: {{maxSurge: 3, maxUnavailable: 0}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        readinessProbe: {{httpGet: {{path: /, port: 80}}, periodSeconds: 1}}
        lifecycle: {{preStop: {{sleep: {{seconds: 2}}}}}}
"""


@pytest.fixture(scope="module")
def web(three_machines: Cluster) -> Iterator[Cluster]:
    three_machines.kubectl("apply", "-f", "-", stdin=MANIFESTS)
    wait_serving(three_machines, REPLICAS)
    yield three_machines
    three_machines.kubectl("delete", "namespace", NAMESPACE)


def pods(daemon: Daemon) -> list[dict[str, Any]]:
    return list(daemon.door().json("GET", PODS)["items"])


def serving(daemon: Daemon) -> list[dict[str, Any]]:
    return [pod for pod in pods(daemon) if is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]


def wait_serving(cluster: Cluster, count: int) -> None:
    """Wait until exactly so many Pods serve, and none is left that is on its way out."""
    first = next(iter(cluster))

    def settled() -> bool:
        return len(serving(first)) == len(pods(first)) == count

    eventually(settled, 60, f"{count} Pods serve")


def check(count: Count) -> None:
    told = f"{count.requests} requests to {len(count.served)} Pods, {count.failed} failed, idle {count.idle_seconds} s"
    print(told)
    assert count.failed == 0, (told, count.failures)
    assert count.idle_seconds == 0, told
    assert count.requests >= REQUESTS_MIN, told


def test_a_rolling_update_drops_no_request(web: Cluster) -> None:
    before = {pod["metadata"]["name"] for pod in serving(web.leader())}
    with load(web, NAMESPACE, SELECTOR) as generators:
        web.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/web")
        web.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/web", "--timeout=60s")
        wait_serving(web, REPLICAS)
        count = generators.stop()
    check(count)
    after = {pod["metadata"]["name"] for pod in serving(web.leader())}
    assert not before & after
    assert before & count.served.keys(), "the old ones served"
    assert after & count.served.keys(), "and the new ones"


def test_a_drain_waits_for_the_budget_goes_on_and_drops_no_request(web: Cluster) -> None:
    node = web.followers()[0].name
    client = web.leader()
    assert sum(pod["spec"]["nodeName"] == node for pod in serving(client)) > 1, "one has to wait for another"
    fewest = REPLICAS
    with load(web, NAMESPACE, SELECTOR) as generators:
        arguments = ("drain", node, "--timeout=60s", "--socket", str(client.socket))
        draining = client.machine.popen(str(BIN / "swarmlet"), *arguments)
        while draining.poll() is None:
            fewest = min(fewest, len(serving(client)))
        told = draining.communicate()[0]
        count = generators.stop()
    assert draining.returncode == 0, told
    assert told.splitlines()[0] == f"node/{node} cordoned"
    assert told.splitlines()[-1] == f"node/{node} drained"
    assert "The disruption budget web needs 5 healthy pods and has 5 currently" in told
    assert fewest == REPLICAS - 1, "the budget was used, and kept"
    check(count)
    assert node not in {pod["spec"]["nodeName"] for pod in pods(client)}
    assert "SchedulingDisabled" in web.kubectl("get", "node", node)
    assert client.swarmlet("uncordon", node) == f"node/{node} uncordoned\n"
    wait_serving(web, REPLICAS)


def test_a_scale_down_drops_no_request(web: Cluster) -> None:
    with load(web, NAMESPACE, SELECTOR) as generators:
        web.kubectl("-n", NAMESPACE, "scale", "deployment/web", "--replicas=3")
        wait_serving(web, 3)
        count = generators.stop()
    check(count)


def test_unmodified_kubectl_drains(web: Cluster) -> None:
    node = serving(web.leader())[0]["spec"]["nodeName"]
    printed = web.kubectl("drain", node, "--timeout=60s", check=False)
    assert f"node/{node} drained" in printed
    web.kubectl("uncordon", node)
    nodes = json.loads(web.kubectl("get", "nodes", "-o", "json"))["items"]
    assert not any(each["spec"].get("unschedulable") for each in nodes)
