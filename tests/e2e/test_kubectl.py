"""The official kubectl, unmodified, against real daemons: results, not only exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e.documents import deployment
from tools.lab.cluster import Cluster, eventually

SELECTOR = "app=web"


@pytest.fixture
def web(cluster: Cluster) -> Iterator[None]:
    """A Deployment of two made by `kubectl apply`, running; gone afterwards."""
    cluster.kubectl("apply", "-f", "-", stdin=deployment("web", 2))
    cluster.wait_running(SELECTOR, 2)
    yield
    cluster.kubectl("delete", "deployment", "web", "--ignore-not-found")
    eventually(lambda: not cluster.pods(SELECTOR), 60, "the Pods are gone")


def images(cluster: Cluster) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in cluster.running(SELECTOR)}


def test_version_tells_client_and_server_without_a_skew_warning(cluster: Cluster) -> None:
    printed = cluster.kubectl("version", check=False)
    assert "swarmlet" in printed
    assert "WARNING" not in printed


def test_get_nodes_lists_three_ready_nodes(cluster: Cluster) -> None:
    rows = [line.split() for line in cluster.kubectl("get", "nodes", "--no-headers").splitlines()]
    assert [(row[0], row[1]) for row in rows] == [("h1", "Ready"), ("h2", "Ready"), ("h3", "Ready")]


def test_get_prints_pods_in_every_form(cluster: Cluster, web: None) -> None:
    table = cluster.kubectl("get", "pods", "-l", SELECTOR)
    assert re.search(r"^NAME +READY +STATUS +RESTARTS +AGE\nweb-\w+-\w{5} +1/1 +Running +0 +\d+m?\d*s", table)
    wide = cluster.kubectl("get", "pods", "-l", SELECTOR, "-o", "wide")
    assert "NODE" in wide
    assert re.search(r" h[123] ", wide)
    assert len(cluster.kubectl("get", "pods", "-l", SELECTOR, "-o", "name").split()) == 2
    assert json.loads(cluster.kubectl("get", "deploy", "web", "-o", "json"))["status"]["readyReplicas"] == 2
    assert "readyReplicas: 2" in cluster.kubectl("get", "deploy", "web", "-o", "yaml")
    assert cluster.kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "2"


def test_apply_says_created_unchanged_and_configured(cluster: Cluster, web: None) -> None:
    assert "deployment.apps/web unchanged" in cluster.kubectl("apply", "-f", "-", stdin=deployment("web", 2))
    assert "deployment.apps/web configured" in cluster.kubectl("apply", "-f", "-", stdin=deployment("web", 3))
    cluster.wait_running(SELECTOR, 3)


def test_diff_shows_what_would_change(cluster: Cluster, web: None) -> None:
    printed = cluster.kubectl("diff", "-f", "-", stdin=deployment("web", 5), check=False)
    assert "-  replicas: 2" in printed
    assert "+  replicas: 5" in printed


def test_server_side_apply_takes_over_and_meets_who_scaled(cluster: Cluster, web: None) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert "serverside-applied" in cluster.kubectl(*apply, stdin=deployment("web", 3))
    cluster.wait_running(SELECTOR, 3)
    cluster.kubectl("scale", "deployment", "web", "--replicas=2")
    refused = cluster.kubectl(*apply, stdin=deployment("web", 3), check=False)
    assert "Apply failed with 1 conflict" in refused
    assert ".spec.replicas" in refused
    cluster.kubectl(*apply, "--force-conflicts", stdin=deployment("web", 1))
    eventually(lambda: len(cluster.pods(SELECTOR)) == 1, 60, "one Pod is left")
    assert "subresource: scale" not in cluster.kubectl("get", "deploy", "web", "-o", "yaml", "--show-managed-fields")


def test_describe_tells_the_story_of_a_pod(cluster: Cluster, web: None) -> None:
    name = cluster.running(SELECTOR)[0]["metadata"]["name"]

    def story() -> bool:
        printed = cluster.kubectl("describe", "pod", name)
        return all(word in printed for word in ("Scheduled", "Pulled", "Created", "Started"))

    eventually(story, 15, "the events of the Pod")
    assert "ScalingReplicaSet" in cluster.kubectl("describe", "deployment", "web")


def test_scale_changes_the_number_of_pods(cluster: Cluster, web: None) -> None:
    assert "scaled" in cluster.kubectl("scale", "deployment", "web", "--replicas=4")
    cluster.wait_running(SELECTOR, 4)


def test_set_image_rolls_out_and_undo_rolls_back(cluster: Cluster, web: None) -> None:
    cluster.kubectl("set", "image", "deployment/web", "main=busybox:lab2")
    printed = cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert 'deployment "web" successfully rolled out' in printed
    assert images(cluster) == {"busybox:lab2"}
    assert cluster.kubectl("rollout", "history", "deployment/web").count("<none>") == 2
    cluster.kubectl("rollout", "undo", "deployment/web")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert images(cluster) == {"busybox:lab"}


def test_logs_come_from_any_node_and_follow(cluster: Cluster) -> None:
    command = ["sh", "-c", "trap 'exit 0' TERM; for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "talker"},
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {"name": "main", "image": "busybox:lab", "imagePullPolicy": "IfNotPresent", "command": command}
            ],
        },
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    try:
        cluster.kubectl("wait", "pod/talker", "--for=jsonpath={.status.phase}=Running", "--timeout=30s", check=False)
        assert cluster.kubectl("logs", "-f", "talker") == "".join(f"line {i}\n" for i in range(1, 6))
        assert cluster.kubectl("logs", "talker", "--tail=2") == "line 4\nline 5\n"
        eventually(
            lambda: cluster.kubectl("get", "pod", "talker", "--no-headers").split()[2] == "Completed", 15, "completed"
        )
    finally:
        cluster.kubectl("delete", "pod", "talker")


def test_wait_and_watch_see_a_change(cluster: Cluster, web: None) -> None:
    assert "condition met" in cluster.kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=30s")
    printed = cluster.kubectl(
        "get", "pods", "-l", SELECTOR, "-w", "--request-timeout=2s", "--output-watch-events", check=False
    )
    assert printed.count("ADDED") == 2


def test_delete_waits_until_the_object_is_gone(cluster: Cluster, web: None) -> None:
    name = cluster.running(SELECTOR)[0]["metadata"]["name"]
    assert f'pod "{name}" deleted' in cluster.kubectl("delete", "pod", name)
    assert name not in [pod["metadata"]["name"] for pod in cluster.pods(SELECTOR)]
    cluster.wait_running(SELECTOR, 2)
    cluster.kubectl("delete", "deployment", "web")
    assert "NotFound" in cluster.kubectl("get", "deployment", "web", check=False)
    eventually(lambda: not cluster.pods(SELECTOR), 60, "the Pods follow their Deployment")


def test_an_unknown_field_is_refused_by_name(cluster: Cluster) -> None:
    document = deployment("bad", 1).replace("replicas:", "replicsa:")
    printed = cluster.kubectl("apply", "-f", "-", stdin=document, check=False)
    assert 'unknown field "spec.replicsa"' in printed
    assert "NotFound" in cluster.kubectl("get", "deployment", "bad", check=False)
