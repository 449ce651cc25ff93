"""Pods lie as their spread and affinity ask for, on real machines, and one that fits nowhere says why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tools.lab.cluster import Cluster, eventually

NAMESPACE = "scheduling"
ZONE = "lab.example.com/zone"
SECONDS_MAX = 25

SPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: scheduling}
"""
TEMPLATE = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: scheduling}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {{name: main, image: "busybox:lab", imagePullPolicy: IfNotPresent, command: [hold]}}
"""
EVEN = """
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: lab.example.com/zone
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {matchLabels: {app: even}}
"""
APART = """
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: kubernetes.io/hostname
            labelSelector: {matchLabels: {app: apart}}
"""
BESIDE = """
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: lab.example.com/zone
            labelSelector: {matchLabels: {app: anchor}}
"""
ANCHOR = """
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference: {matchExpressions: [{key: lab.example.com/zone, operator: In, values: [b]}]}
"""


@pytest.fixture(scope="module")
def zones(three_machines: Cluster) -> Iterator[dict[str, str]]:
    """Put two machines into one zone and the third into another; return each one's zone by its name."""
    names = sorted(each.machine.name for each in three_machines)
    zones = dict(zip(names, ["a", "a", "b"], strict=True))
    for name, zone in zones.items():
        three_machines.kubectl("label", "node", name, f"{ZONE}={zone}")
    three_machines.kubectl("apply", "-f", "-", stdin=SPACE)
    yield zones
    three_machines.kubectl("delete", "namespace", NAMESPACE)
    three_machines.kubectl("label", "node", *zones, f"{ZONE}-")


def apply(cluster: Cluster, name: str, replicas: int, asked: str) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=TEMPLATE.format(name=name, replicas=replicas) + asked)


def pods(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    listed = cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", f"app={name}", "-o", "json")
    return list(json.loads(listed)["items"])


def running(cluster: Cluster, name: str, count: int) -> Counter[str]:
    """Wait until so many Pods run; return how many there are on each node."""

    def look() -> Counter[str] | None:
        found = [pod for pod in pods(cluster, name) if pod["status"]["phase"] == "Running"]
        return Counter(pod["spec"]["nodeName"] for pod in found) if len(found) == count else None

    return eventually(look, SECONDS_MAX, f"{count} Pods of {name} run")


def by_zone(nodes: Counter[str], zones: dict[str, str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, count in nodes.items():
        found[zones[name]] += count
    return found


def test_a_deployment_is_even_over_zones_that_are_not(cluster: Cluster, zones: dict[str, str]) -> None:
    apply(cluster, "even", 6, EVEN)
    nodes = running(cluster, "even", 6)
    assert by_zone(nodes, zones) == {"a": 3, "b": 3}
    assert len(nodes) == 3, "within the zone of two machines each of them has some"


def test_pods_that_may_not_share_a_machine_do_not_and_the_fourth_says_why(
    cluster: Cluster, zones: dict[str, str]
) -> None:
    apply(cluster, "apart", 4, APART)
    assert running(cluster, "apart", 3) == dict.fromkeys(zones, 1)
    (waiting,) = [pod for pod in pods(cluster, "apart") if "nodeName" not in pod["spec"]]
    why = "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules (kubernetes.io/hostname)."

    def told() -> bool:
        described = cluster.kubectl("-n", NAMESPACE, "describe", "pod", waiting["metadata"]["name"])
        return "FailedScheduling" in described and why in described

    eventually(told, SECONDS_MAX, "kubectl describe says why the Pod waits")
    cluster.kubectl("-n", NAMESPACE, "delete", "deployment", "apart")


def test_pods_follow_another_into_the_zone_that_it_prefers(cluster: Cluster, zones: dict[str, str]) -> None:
    apply(cluster, "beside", 2, BESIDE)
    apply(cluster, "anchor", 1, ANCHOR)
    assert by_zone(running(cluster, "anchor", 1), zones) == {"b": 1}
    assert by_zone(running(cluster, "beside", 2), zones) == {"b": 2}, "they waited for the Pod that they belong to"


def test_what_kubernetes_would_not_take_is_refused_by_name(cluster: Cluster, zones: dict[str, str]) -> None:
    wrong = EVEN.replace("maxSkew: 1", "maxSkew: 0").replace("DoNotSchedule", "ScheduleAnyway")
    text = TEMPLATE.format(name="wrong", replicas=1) + wrong + "        minDomains: 2\n"
    refused = cluster.kubectl("apply", "-f", "-", stdin=text, check=False)
    for words in (
        "topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        "minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
    ):
        assert words in refused
