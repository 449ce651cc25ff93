"""`top` and `autoscale` beside the official kubectl's, on the same API."""

from __future__ import annotations

import json

import pytest

from swarmlet.cli.descriptions import kinds as descriptions
from swarmlet.model import kinds
from swarmlet.model.core import Node, NodeStatus
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.samples import NodeSample
from tests.api.conftest import START
from tests.api.documents import deployment
from tests.api.test_metrics_api import MIB, new_pod, sample
from tests.cli.conftest import Cluster


@pytest.fixture
def measured(cluster: Cluster) -> Cluster:
    pods = {"web-1": 250, "web-2": 900, "db-1": 10}

    def fill() -> None:
        for name, node_cpu in (("n1", 1500), ("n2", 0)):
            amounts = {"cpu": "3900m", "memory": "8Gi"}
            status = NodeStatus(allocatable=amounts, capacity={"cpu": "15", "memory": "64Gi"})
            metadata = ObjectMeta(name=name, uid=f"node-{name}", labels={"zone": name}, creation_timestamp=START)
            cluster.replica.put(kinds.NODE, Node(metadata=metadata, status=status))
            if node_cpu:
                cluster.usage.nodes.append(NodeSample(name, START, 15.0, 15.0, node_cpu * 10**6, 2048 * MIB))
        for name, millis in pods.items():
            pod = new_pod(name, app=name[:-2])
            cluster.replica.put(kinds.POD, pod)
            cluster.usage.pods.append(sample(pod, millis * 10**6, (millis + 1) * MIB))
        far = new_pod("far", "other")
        cluster.replica.put(kinds.POD, far)
        cluster.usage.pods.append(sample(far))

    cluster.do(fill)
    return cluster


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("nodes",),
        ("node", "n1"),
        ("nodes", "-l", "zone=n1", "--no-headers"),
        ("nodes", "--show-capacity"),
        ("pods",),
        ("pods", "-A"),
        ("pods", "-l", "app=web", "--containers"),
        ("pods", "--sort-by=cpu"),
        ("pods", "--sum", "-A"),
        ("pods", "--sum", "--containers"),
        ("pod", "db-1"),
    ],
    ids=" ".join,
)
def test_it_prints_what_kubectl_prints(measured: Cluster, arguments: tuple[str, ...]) -> None:
    ours, theirs = measured.ok("top", *arguments), measured.kubectl("top", *arguments)
    assert theirs.code == 0, theirs
    assert [line.split() for line in ours.splitlines()] == [line.split() for line in theirs.out.splitlines()]


def test_pods_can_be_sorted_by_memory(measured: Cluster) -> None:
    lines = measured.ok("top", "pods", "--sort-by=memory", "--no-headers").splitlines()
    assert [line.split() for line in lines] == [
        ["web-2", "901m", "903Mi"],
        ["web-1", "251m", "253Mi"],
        ["db-1", "11m", "13Mi"],
    ]
    result = measured.run("top", "pods", "--sort-by=size")
    assert (result.code, result.err) == (2, "error: --sort-by: found size; allowed: cpu, memory\n")


def test_pods_that_were_not_sampled_yet_are_told_from_none(measured: Cluster) -> None:
    measured.usage.pods.clear()
    result = measured.run("top", "pods")
    assert result.code == 5
    assert "error: Metrics not available for pod default/db-1, age: " in result.err
    assert measured.run("top", "pods", "-n", "empty").err == "No resources found in empty namespace.\n"
    result = measured.run("top", "pod", "web-1")
    assert (result.code, result.err) == (3, 'error: podmetrics.metrics.k8s.io "default/web-1" not found\n')


DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


@pytest.fixture
def web(cluster: Cluster, tmp_path) -> Cluster:
    manifest = tmp_path / "web.json"
    manifest.write_text(json.dumps(deployment()))
    cluster.ok("apply", "-f", str(manifest))
    return cluster


def test_autoscale_makes_what_kubectl_would_make(web: Cluster) -> None:
    said = web.ok("autoscale", "deployment/web", "--min=2", "--max=10", "--cpu=60%", "--memory=200")
    assert said == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    ours = json.loads(web.ok("get", "hpa/web", "-o", "json"))["spec"]
    command = ("autoscale", "deployment", "web", "--min=2", "--max=10", "--cpu=60%", "--memory=200")
    theirs = json.loads(web.kubectl(*command, "--dry-run=client", "-o", "json").out)["spec"]
    assert ours == theirs


def test_autoscale_leaves_to_the_server_what_it_is_not_told(web: Cluster) -> None:
    web.ok("autoscale", "deploy/web", "--max=4", "--name=other")
    spec = json.loads(web.ok("get", "hpa", "other", "-o", "json"))["spec"]
    assert spec["minReplicas"] == 1
    assert spec["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 80}
    web.ok("autoscale", "deploy/web", "--max=4", "--name=third", "--cpu-percent=30")
    spec = json.loads(web.ok("get", "hpa", "third", "-o", "json"))["spec"]
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 30


def test_autoscale_refuses_what_it_cannot_mean(web: Cluster) -> None:
    assert web.run("autoscale", "deploy/web", "--max=4", "--cpu=much").code == 2
    assert web.run("autoscale", "deploy/web", "--max=4", "--cpu=0%").code == 2
    assert web.run("autoscale", "deploy/web", "--max=4", "--cpu=10%", "--cpu-percent=20").code == 2
    assert web.run("autoscale", "deploy/none", "--max=4").code == 3
    assert web.run("autoscale", "deploy/web", "--min=5", "--max=4").code == 1


def test_an_autoscaler_is_listed_as_kubectl_lists_it(web: Cluster) -> None:
    web.ok("autoscale", "deploy/web", "--max=4")
    ours, theirs = web.ok("get", "hpa"), web.kubectl("get", "hpa").out
    assert ours.splitlines()[0].split() == theirs.splitlines()[0].split()
    assert ours.splitlines()[1].split()[:7] == [
        "web", "Deployment/web", "cpu:", "<unknown>/80%", "1", "4", "0",
    ]  # fmt: skip


def test_an_autoscaler_is_described_with_what_it_sees_and_how_it_may_move() -> None:
    document = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 10,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                },
                {
                    "type": "ContainerResource",
                    "containerResource": {
                        "name": "memory",
                        "container": "main",
                        "target": {"type": "AverageValue", "averageValue": "1Gi"},
                    },
                },
            ],
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": 60,
                    "selectPolicy": "Min",
                    "tolerance": "50m",
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}],
                }
            },
        },
        "status": {
            "currentReplicas": 2,
            "desiredReplicas": 3,
            "currentMetrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "current": {"averageUtilization": 75, "averageValue": "75m"}},
                },
                {"type": ""},
            ],
            "conditions": [
                {"type": "AbleToScale", "status": "True", "reason": "SucceededRescale", "message": "it was able"}
            ],
        },
    }  # fmt: skip
    assert descriptions.rendered(descriptions.describe(document))[5:] == [
        "Metrics (current / target):",
        "  resource cpu on pods (as a percentage of request):  75% (75m) / 50%",
        "  resource memory of container main on pods:          <unknown> / 1Gi",
        "Min Replicas:     1",
        "Max Replicas:     10",
        "Behavior:",
        "  Scale Down:",
        "    Stabilization Window:  60 seconds",
        "    Select Policy:         Min",
        "    Tolerance:             50m",
        "    Policies:              Type: Pods  Value: 1  Period: 30 seconds",
        "Deployment Pods:  2 current / 3 desired",
        "Last Scale Time:  <none>",
        "Conditions:",
        "  AbleToScale:  True   SucceededRescale: it was able",
    ]
