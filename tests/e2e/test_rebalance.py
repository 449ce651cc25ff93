"""A machine joins, another time one returns, under constant HTTP load: Pods move there, and nobody who asks notices."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tools.lab.cluster import Cluster, Daemon, eventually, is_ready
from tools.load.counting import Count
from tools.load.fleet import load

NAMESPACE = "rebalance"
SELECTOR = "app=web"
REPLICAS = 6
EVEN = [2, 2, 2]
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
  maxUnavailable: 0
  selector: {{matchLabels: {{app: web}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  replicas: {REPLICAS}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        readinessProbe: {{httpGet: {{path: /, port: 80}}, periodSeconds: 1}}
        lifecycle: {{preStop: {{sleep: {{seconds: 1}}}}}}
"""


@pytest.fixture(scope="module")
def crowded(three_machines: Cluster) -> Iterator[Cluster]:
    """Six Pods on two machines: the third has left. Moves are switched on, and at the end off again."""
    newcomer = three_machines.followers()[-1]
    newcomer.swarmlet("leave")
    eventually(lambda: not newcomer.running, 30, "the machine has left")
    three_machines.kubectl("apply", "-f", "-", stdin=MANIFESTS)
    wait_serving(three_machines, REPLICAS)
    three_machines.leader().swarmlet("rebalance", "on")
    yield three_machines
    if not newcomer.running:
        newcomer.join(three_machines.leader())
    three_machines.wait_ready(3)
    three_machines.leader().swarmlet("rebalance", "off")
    three_machines.kubectl("delete", "namespace", NAMESPACE)


def pods(cluster: Cluster) -> list[dict[str, Any]]:
    return list(next(each for each in cluster if each.running).door().json("GET", PODS)["items"])


def serving(cluster: Cluster) -> list[dict[str, Any]]:
    return [pod for pod in pods(cluster) if is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]


def counts(cluster: Cluster) -> list[int]:
    return sorted(Counter(pod["spec"].get("nodeName") for pod in pods(cluster)).values())


def wait_serving(cluster: Cluster, count: int) -> None:
    eventually(lambda: len(serving(cluster)) == len(pods(cluster)) == count, 60, f"{count} Pods serve")


def wait_even(cluster: Cluster) -> None:
    """Wait until the Pods lie evenly and nothing is planned any more."""
    eventually(lambda: counts(cluster) == EVEN and len(serving(cluster)) == REPLICAS, 40, "the Pods lie evenly")
    told = json.loads(cluster.leader().swarmlet("rebalance", "--dry-run", "--json"))
    assert (told["planned"], told["moving"]) == ([], [])


def check(*found: Count) -> None:
    count = Count.total(found)
    told = f"{count.requests} requests to {len(count.served)} Pods, {count.failed} failed, idle {count.idle_seconds} s"
    print(told)
    assert count.failed == 0, (told, count.failures)
    assert count.idle_seconds == 0, told
    assert count.requests >= REQUESTS_MIN, told


def under_load(cluster: Cluster, newcomer: Daemon) -> Count:
    """Let a machine come under load, on itself too once it is there; return what was counted until Pods lie evenly."""
    others = [daemon for daemon in cluster if daemon is not newcomer]
    with ExitStack() as stack:
        generators = [stack.enter_context(load(cluster, NAMESPACE, SELECTOR, daemons=others))]
        if newcomer.machine.on:
            newcomer.join(others[0])
        else:
            newcomer.machine.power_on()
            newcomer.start()
        cluster.wait_ready(3)
        generators.append(stack.enter_context(load(cluster, NAMESPACE, SELECTOR, daemons=[newcomer])))
        wait_even(cluster)
        return Count.total(each.stop() for each in generators)


def test_a_machine_joins_and_no_request_is_lost(crowded: Cluster) -> None:
    (newcomer,) = (daemon for daemon in crowded if not daemon.running)
    before = {pod["metadata"]["name"] for pod in serving(crowded)}
    assert counts(crowded) == [3, 3]
    check(under_load(crowded, newcomer))
    assert len(before & {pod["metadata"]["name"] for pod in serving(crowded)}) == 4, "no more moved than had to"
    events = crowded.kubectl("-n", NAMESPACE, "get", "events", "--field-selector", "reason=Rebalanced")
    assert f"to {newcomer.name}: deployment {NAMESPACE}/web had 3 Pods on" in events, events


def test_a_machine_returns_and_no_request_is_lost(crowded: Cluster) -> None:
    newcomer = crowded.followers()[-1]
    newcomer.machine.power_off()
    eventually(lambda: len({pod["spec"]["nodeName"] for pod in serving(crowded)}) == 2, 30, "the machine is missed")
    eventually(lambda: len(serving(crowded)) == REPLICAS, 30, "its Pods are replaced")
    check(under_load(crowded, newcomer))
