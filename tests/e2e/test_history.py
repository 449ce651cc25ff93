"""A bad change by a named user is found in the history with who and from where, and undone; nothing forgets it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.documents import deployment
from tools.lab.cluster import BIN, Cluster, Daemon, eventually

NAMESPACE = "remembered"
USER = "mallory"
IMAGE, BAD_IMAGE = "busybox:lab", "busybox:none"


@pytest.fixture
def web(cluster: Cluster) -> Iterator[None]:
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=deployment("web", 3, IMAGE))
    eventually(lambda: ready(cluster) == 3, 60, "web runs")
    yield
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=60s", seconds=70)


def kubectl_of(cluster: Cluster, user: str, daemon: Daemon, folder: Path, *arguments: str) -> None:
    """Run kubectl on a machine as a user of the cluster's, with a token of their own."""
    made = daemon.swarmlet("token", "create", "--usage", "api", "--user", user, "--group", "system:masters")
    document = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    document["users"][0]["user"] = {"token": made.split()[-1]}
    config = folder / f"{user}.kubeconfig"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    env = dict(os.environ, HOME=str(folder), KUBECONFIG=str(config))
    server = ("--server", f"https://{daemon.machine.address}:7600")
    daemon.machine.run(str(BIN / "kubectl"), *server, "-n", NAMESPACE, *arguments, env=env)


def ready(cluster: Cluster) -> int:
    """Count the Pods of the present template that are ready."""
    found = json.loads(cluster.kubectl("get", "deployment", "web", "-n", NAMESPACE, "-o", "json"))
    status = found["status"]
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    whole = status.get("updatedReplicas") == status.get("replicas")
    return int(status.get("readyReplicas", 0)) if seen and whole else 0


def image(cluster: Cluster) -> str:
    found = json.loads(cluster.kubectl("get", "deployment", "web", "-n", NAMESPACE, "-o", "json"))
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def changes(daemon: Daemon) -> list[dict[str, Any]]:
    """Return what a daemon tells of the history of the Deployment."""
    answer = daemon.swarmlet("history", "deploy/web", "-n", NAMESPACE, "--json")
    return list(json.loads(answer)["changes"])


def test_a_bad_change_is_found_and_undone_and_the_history_outlives_leader_and_daemons(
    cluster: Cluster, web: None, tmp_path: Path
) -> None:
    one, other, third = cluster
    kubectl_of(cluster, USER, other, tmp_path, "set", "image", "deploy/web", f"main={BAD_IMAGE}")
    bad = changes(third)[0]
    assert (bad["who"], bad["address"], bad["node"]) == (USER, other.machine.address, other.name)
    assert bad["agent"].startswith("kubectl")
    assert BAD_IMAGE in third.swarmlet("diff", str(bad["revision"]))
    past = json.loads(
        one.swarmlet("get", "deploy", "web", "-n", NAMESPACE, "--at", str(bad["revision"] - 1), "-o", "json")
    )
    assert past["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE
    assert "yes" in one.swarmlet("undo", str(bad["revision"]), check=False)  # nobody can answer
    assert image(cluster) == BAD_IMAGE

    told = third.swarmlet("undo", str(bad["revision"]), "--yes")
    assert f"{BAD_IMAGE} -> {IMAGE}" in told
    eventually(lambda: image(cluster) == IMAGE and ready(cluster) == 3, 30, "web is well again")
    assert changes(one)[0]["note"] == f"undo of {bad['revision']}"

    before = changes(one)
    leader = cluster.leader()
    leader.kill(signal.SIGKILL)
    assert changes(cluster.leader()) == before
    leader.start()
    cluster.wait_ready(3)
    assert [changes(daemon) for daemon in cluster] == [before] * 3
