"""What must hold on three machines: spreading, healing, fail-over, a lost machine, a minority."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.e2e.documents import deployment
from tools.lab.cluster import Cluster, Daemon, eventually, stopwatch
from tools.lab.processes import wait_until

pytestmark = pytest.mark.alone

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
FAILOVERS = 10
FAILOVER_SECONDS_MEDIAN_MAX = 1.0
REPLACED_SECONDS_MAX = 15
REFUSED_SECONDS_MAX = 10


@pytest.fixture
def spread(cluster: Cluster) -> Iterator[str]:
    """A Deployment of ten, running; gone afterwards."""
    cluster.kubectl("apply", "-f", "-", stdin=deployment("spread", 10))
    cluster.wait_running("app=spread", 10)
    yield "app=spread"
    cluster.kubectl("delete", "deployment", "spread")
    eventually(lambda: not cluster.pods("app=spread"), 60, "the Pods are gone")


def write(daemon: Daemon, name: str, value: str) -> bool:
    """Return whether a ConfigMap written through this daemon was acknowledged."""
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}}
    try:
        status, _ = daemon.door(timeout_seconds=10).call(
            "POST", CONFIG_MAPS, json.dumps(document).encode(), {"Content-Type": "application/json"}
        )
    except OSError:
        return False
    return status in (201, 409)  # 409: an earlier try whose answer was lost


def containers(daemon: Daemon) -> list[dict[str, object]]:
    """Return the containers of Pods that run on the daemon's Engine."""
    filters = json.dumps({"label": ["io.swarmlet/pod-uid"]})
    return daemon.machine.engine.json("GET", f"/containers/json?filters={quote(filters)}")


def test_ten_replicas_are_spread_over_three_nodes(cluster: Cluster, spread: str) -> None:
    on_node = Counter(pod["spec"]["nodeName"] for pod in cluster.running(spread))
    assert sorted(on_node.values()) == [3, 3, 4]
    # What a test before this one ran may be ending yet.
    eventually(
        lambda: {daemon.name: len(containers(daemon)) for daemon in cluster} == dict(on_node), 30, "no other containers"
    )


def test_a_container_killed_by_hand_is_replaced(cluster: Cluster, spread: str) -> None:
    victim = containers(cluster["h1"])[0]["Id"]
    cluster["h1"].machine.engine.json("POST", f"/containers/{victim}/kill")

    def restarted() -> bool:
        counts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in cluster.running(spread)]
        return len(counts) == 10 and sum(counts) == 1

    eventually(restarted, 15, "the container is replaced and its restart counted")
    assert victim not in {container["Id"] for container in containers(cluster["h1"])}


def test_a_write_is_acknowledged_soon_after_the_leader_is_killed_and_none_is_lost(cluster: Cluster) -> None:
    seconds, acknowledged = [], {}
    for round_ in range(FAILOVERS):
        name = f"failover-{round_}"
        assert write(cluster.leader(), f"{name}-before", "1")
        acknowledged[f"{name}-before"] = "1"
        victim, survivor = cluster.leader(), cluster.followers()[0]
        with stopwatch() as elapsed:
            victim.kill()
            wait_until(lambda: write(survivor, name, "after"), 30, "a write is acknowledged")  # noqa: B023  called here
            seconds.append(elapsed())
        acknowledged[name] = "after"
        victim.start()
        cluster.wait_ready(3)
    stored = {
        item["metadata"]["name"]: item["data"]["v"]
        for item in json.loads(cluster.kubectl("get", "configmaps", "-o", "json"))["items"]
        if item["metadata"]["name"] in acknowledged
    }
    assert stored == acknowledged
    cluster.kubectl("delete", "configmap", *acknowledged)
    assert statistics.median(seconds) <= FAILOVER_SECONDS_MEDIAN_MAX, seconds


def test_the_pods_of_a_lost_machine_run_elsewhere_and_are_cleaned_up_when_it_returns(
    cluster: Cluster, spread: str
) -> None:
    lost = cluster.followers()[0]
    with stopwatch() as elapsed:
        lost.machine.power_off()

        def replaced() -> bool:
            pods = [pod for pod in cluster.running(spread) if pod["spec"]["nodeName"] != lost.name]
            return len(pods) == 10

        eventually(replaced, REPLACED_SECONDS_MAX + 5, "ten Pods run on the machines that are left")
        assert elapsed() <= REPLACED_SECONDS_MAX
    lost.machine.power_on()
    lost.start()
    cluster.wait_ready(3)
    eventually(lambda: len(cluster.pods(spread)) == 10, 30, "the replaced Pods are gone from the API")
    eventually(lambda: len(containers(lost)) == 0, 30, "the replaced containers are gone from the machine")


def test_the_leaders_machine_may_be_lost_too(cluster: Cluster, spread: str) -> None:
    lost = cluster.leader()
    lost.machine.power_off()
    survivor = next(daemon for daemon in cluster if daemon is not lost)
    eventually(lambda: write(survivor, "after-loss", "1"), 10, "a write is acknowledged by those who are left")
    cluster.kubectl("delete", "configmap", "after-loss")

    def replaced() -> bool:
        return len([pod for pod in cluster.running(spread) if pod["spec"]["nodeName"] != lost.name]) == 10

    eventually(replaced, 30, "ten Pods run on the machines that are left")
    lost.machine.power_on()
    lost.start()
    cluster.wait_ready(3)
    eventually(lambda: len(cluster.pods(spread)) == 10, 30, "the replaced Pods are gone from the API")


def test_a_minority_refuses_writes_with_503_and_recovers_when_healed(cluster: Cluster) -> None:
    minority = cluster.leader()
    cluster.lab.isolate(minority.name)
    majority = next(daemon for daemon in cluster if daemon is not minority)
    eventually(lambda: write(majority, "majority", "1"), 10, "the majority goes on")
    # Before it has noticed, a write may be in its log already, and how that ends is unknown to it: a 504.
    eventually(lambda: minority.status().get("healthy") is False, 10, "the machine that is cut off notices")
    start = time.monotonic()
    status, answer = minority.door().call(
        "POST",
        CONFIG_MAPS,
        json.dumps({"metadata": {"name": "refused"}}).encode(),
        {"Content-Type": "application/json"},
    )
    assert (status, json.loads(answer)["reason"]) == (503, "ServiceUnavailable")
    assert time.monotonic() - start < REFUSED_SECONDS_MAX
    cluster.lab.heal()
    eventually(lambda: write(minority, "healed", "1"), 15, "the healed machine writes again")
    cluster.kubectl("delete", "configmap", "majority", "healed")
