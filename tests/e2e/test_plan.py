"""Plan, apply, as planned: on three machines Pods start and stop where and in the order that a plan told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.documents import deployment
from tools.lab.cluster import Cluster, Daemon, eventually

NAMESPACE = "planned"
RIGHT_MIN = 0.95
ONE_BY_ONE = """  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
"""
Places = Counter[tuple[str, str]]
"""Pods by Deployment and node."""


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    yield NAMESPACE
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=60s", seconds=70)


class Planner:
    """Plans on one machine what is applied from another."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.right = self.told = 0

    def plan(self, daemon: Daemon, text: str, *arguments: str) -> dict[str, Any]:
        path = self.folder / "manifests.yaml"
        path.write_text(text, encoding="utf-8")
        answer = daemon.swarmlet("plan", "--json", "-n", NAMESPACE, "-f", str(path), *arguments, check=False)
        return dict(json.loads(answer))

    def done(self, text: str, *arguments: str) -> dict[str, Any]:
        """Plan, apply from another machine, wait until all is ready, and compare where Pods are with what was told."""
        one, other, *_ = self.cluster
        before = self.pods()
        made = self.plan(one, text, *arguments)
        other.swarmlet("apply", "--plan", made["id"])
        eventually(self.settled, 60, "all Pods run and none is on its way out")
        after = self.pods()
        for does, found in (("start", places(after, but=before)), ("stop", places(before, but=after))):
            told = counted(made, does)
            self.right += (told & found).total()
            self.told += max(told.total(), found.total())
        return made

    def pods(self) -> list[dict[str, Any]]:
        return list(json.loads(self.cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"])

    def settled(self) -> bool:
        wanted = json.loads(self.cluster.kubectl("get", "deployments", "-n", NAMESPACE, "-o", "json"))["items"]
        complete = all(
            each["status"].get("observedGeneration") == each["metadata"]["generation"]
            and each["status"].get("updatedReplicas", 0)
            == each["status"].get("readyReplicas", 0)
            == each["status"].get("replicas", 0)
            == each["spec"]["replicas"]
            for each in wanted
        )
        return complete and len(self.pods()) == sum(each["spec"]["replicas"] for each in wanted)


def places(pods: list[dict[str, Any]], *, but: list[dict[str, Any]]) -> Places:
    """Return where the Pods are that are not among others."""
    others = {pod["metadata"]["uid"] for pod in but}
    new = [pod for pod in pods if pod["metadata"]["uid"] not in others]
    return Counter((pod["metadata"]["labels"]["app"], pod["spec"].get("nodeName", "")) for pod in new)


def counted(made: dict[str, Any], does: str) -> Places:
    found: Places = Counter()
    for step in made.get("steps", ()):
        if step["does"] == does:
            for pods in step["pods"]:
                found[step["owner"].partition("/")[2], pods["node"]] += pods.get("count", 1)
    return found


def scalings(cluster: Cluster, name: str) -> list[str]:
    """Return in which order a Deployment's ReplicaSets grew and shrank: "up", "down"."""
    events = json.loads(cluster.kubectl("get", "events", "-n", NAMESPACE, "-o", "json"))["items"]
    told = [each for each in events if each["reason"] == "ScalingReplicaSet" and each["involvedObject"]["name"] == name]
    return [each["message"].split()[1] for each in sorted(told, key=lambda it: int(it["metadata"]["resourceVersion"]))]


def test_pods_go_where_the_plan_said_and_in_its_order(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    planner = Planner(cluster, tmp_path)
    made = planner.done(deployment("crowd", 30))
    assert sum(counted(made, "start").values()) == 30
    planner.done(deployment("crowd", 21))
    few = deployment("few", 3) + ONE_BY_ONE
    planner.done(few)
    eventually(lambda: scalings(cluster, "few") == ["up"], 10, "the event of the first ReplicaSet")
    made = planner.done(few.replace("command: [hold]", "command: [hold], env: [{name: A, value: b}]"))
    order = [step["does"] for step in made["steps"]]
    assert order == ["start", "ready", "stop"] * 3
    wanted = ["up"] + [{"start": "up", "stop": "down"}[does] for does in order if does != "ready"]
    eventually(lambda: scalings(cluster, "few") == wanted, 10, f"the order {wanted}")
    made = planner.done(deployment("crowd", 21), "--delete")
    assert sum(counted(made, "stop").values()) == 21
    print(f"{planner.right} of {planner.told} Pods started and stopped where the plans said")
    assert planner.told == 30 + 9 + 3 + 6 + 21
    assert planner.right >= RIGHT_MIN * planner.told


def test_a_plan_that_is_stale_is_refused_and_changes_nothing(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    planner = Planner(cluster, tmp_path)
    one, other, *_ = cluster
    planner.done(deployment("web", 1))
    made = planner.plan(one, deployment("web", 3))
    cluster.kubectl("scale", "-n", NAMESPACE, "deployment/web", "--replicas=2")
    told = other.swarmlet("apply", "--plan", made["id"], check=False)
    assert "is stale, nothing was done: deployments.apps/planned/web has changed; plan anew" in told
    assert cluster.kubectl("get", "-n", NAMESPACE, "deployment/web", "-o", "jsonpath={.spec.replicas}") == "2"
