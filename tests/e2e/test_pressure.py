"""A machine that is short of memory, one whose disk is full, one that is lost and returns, one that starts anew."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from tests.e2e.documents import deployment
from tools.lab.cluster import Cluster, Daemon, eventually, stopwatch

NAMESPACE = "pressure"
SECONDS_MAX = 30
UNUSED = "unused:lab"
LONG_AGO = "2020-01-01T00:00:00+00:00"

NAMESPACE_MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: pressure}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: pressure, labels: {{app: tolerant}}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  tolerations:
  - {{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: {seconds}}}
  containers:
  - {{name: main, image: "busybox:lab", imagePullPolicy: IfNotPresent, command: [hold]}}
"""


@pytest.fixture
def spread(cluster: Cluster) -> Iterator[str]:
    """A Deployment of six on three machines, in a namespace of its own."""
    cluster.kubectl("apply", "-f", "-", stdin=NAMESPACE_MANIFEST)
    cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=deployment("spread", 6))
    eventually(lambda: len(running(cluster)) == 6, SECONDS_MAX, "six Pods run")
    yield "app=spread"
    cluster.kubectl("delete", "namespace", NAMESPACE, seconds=60)


@contextmanager
def configured(cluster: Cluster, daemon: Daemon, **settings: Any) -> Iterator[None]:
    """Let a daemon run with other keys for a while."""
    before = daemon.config.read_text(encoding="utf-8")
    daemon.config.write_text(yaml.safe_dump(yaml.safe_load(before) | settings), encoding="utf-8")
    restart(cluster, daemon)
    try:
        yield
    finally:
        daemon.config.write_text(before, encoding="utf-8")
        restart(cluster, daemon)


def restart(cluster: Cluster, daemon: Daemon) -> None:
    daemon.kill(signal.SIGTERM)
    daemon.start()
    cluster.wait_ready(3)


def get(cluster: Cluster, *arguments: str) -> Any:
    return json.loads(cluster.kubectl("get", *arguments, "-o", "json"))


def pods(cluster: Cluster, selector: str = "app=spread") -> list[dict[str, Any]]:
    return list(get(cluster, "pods", "-n", NAMESPACE, "-l", selector)["items"])


def running(cluster: Cluster, selector: str = "app=spread") -> list[dict[str, Any]]:
    return [
        pod
        for pod in pods(cluster, selector)
        if pod["status"].get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
    ]


def places(cluster: Cluster) -> dict[str, str]:
    return {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in running(cluster)}


def condition(cluster: Cluster, node: str, type_: str) -> str:
    found = get(cluster, "node", node)["status"].get("conditions", [])
    return next((each["status"] for each in found if each["type"] == type_), "")


def taints(cluster: Cluster, node: str) -> set[str]:
    return {each["key"].rpartition("/")[2] for each in get(cluster, "node", node)["spec"].get("taints", [])}


def events(cluster: Cluster, namespace: str, reason: str) -> list[dict[str, Any]]:
    return list(get(cluster, "events", "-n", namespace, "--field-selector", f"reason={reason}")["items"])


def test_a_planned_restart_moves_nothing_and_a_full_disk_loses_the_images_that_are_ours(
    cluster: Cluster, spread: str
) -> None:
    daemon = cluster.followers()[0]
    engine = daemon.machine.engine
    before = places(cluster)
    engine.json("POST", "/images/busybox:lab/tag?repo=unused&tag=lab")
    (daemon.data_dir / "pulled-images.json").write_text(json.dumps({UNUSED: LONG_AGO}), encoding="utf-8")
    full = {"high_threshold_percent": 1, "low_threshold_percent": 0, "minimum_age_seconds": 0}
    with configured(cluster, daemon, image_collection=full):
        eventually(lambda: not engine.has_image(UNUSED), SECONDS_MAX, "the unused image is gone")
        assert engine.has_image("busybox:lab"), "another brought it"
        told = eventually(lambda: events(cluster, "default", "FreeDiskSpaceFailed"), SECONDS_MAX, "it is told")
        assert "Failed to garbage collect required amount of images." in told[-1]["message"]
    assert places(cluster) == before


def test_pods_leave_a_machine_that_is_short_of_memory_and_run_elsewhere(cluster: Cluster, spread: str) -> None:
    daemon = cluster.followers()[0]
    short = {"hard": {"memory.available": "99%"}, "pressure_transition_seconds": 2}
    with configured(cluster, daemon, eviction=short):
        eventually(lambda: condition(cluster, daemon.name, "MemoryPressure") == "True", SECONDS_MAX, "it is told")

        def moved() -> bool:
            found = running(cluster)
            return len(found) == 6 and daemon.name not in {pod["spec"]["nodeName"] for pod in found}

        eventually(moved, SECONDS_MAX, "six Pods run on the other machines")
        assert "memory-pressure" in taints(cluster, daemon.name)
        evicted = [pod for pod in pods(cluster) if pod["status"].get("reason") == "Evicted"]
        assert {pod["status"]["phase"] for pod in evicted} == {"Failed"}
        assert evicted[0]["status"]["message"].startswith("The node was low on resource: memory. Threshold quantity: ")
        assert events(cluster, NAMESPACE, "Evicted")
        assert events(cluster, "default", "EvictionThresholdMet")
    eventually(lambda: condition(cluster, daemon.name, "MemoryPressure") == "False", SECONDS_MAX, "it is over")
    eventually(lambda: "memory-pressure" not in taints(cluster, daemon.name), SECONDS_MAX, "Pods may come again")


def test_a_lost_machine_keeps_the_pods_that_wait_for_it(cluster: Cluster, spread: str) -> None:
    lost = cluster.followers()[0]
    for name, seconds in (("patient", 3600), ("hasty", 1)):
        cluster.kubectl("apply", "-f", "-", stdin=POD.format(name=name, node=lost.name, seconds=seconds))
    eventually(lambda: len(running(cluster, "app=tolerant")) == 2, SECONDS_MAX, "both run")
    uid = get(cluster, "pod", "patient", "-n", NAMESPACE)["metadata"]["uid"]
    with stopwatch() as elapsed:
        lost.machine.power_off()
        eventually(lambda: len(running(cluster, "app=tolerant")) == 1, SECONDS_MAX, "the hasty one is given up")
        assert elapsed() < 10, "before the ten seconds that others get"
        eventually(
            lambda: sum(pod["spec"]["nodeName"] != lost.name for pod in running(cluster)) == 6,
            SECONDS_MAX,
            "the others are replaced",
        )
    assert taints(cluster, lost.name) == {"unreachable"}
    lost.machine.power_on()
    lost.start()
    cluster.wait_ready(3)

    def returned() -> bool:
        found = pods(cluster, "app=tolerant")
        return [(pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["ready"]) for pod in found] == [
            (uid, True)
        ]

    eventually(returned, SECONDS_MAX, "the patient one runs on, and the hasty one is gone")
    assert taints(cluster, lost.name) == set()
