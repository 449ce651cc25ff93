"""The Pod network between three machines: every Pod reaches every other, whatever befalls the machines."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tools.lab import Lab
from tools.lab.cluster import Cluster, eventually

MEND_SECONDS_MAX = 10.0

FETCH = """
import sys, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=1).read().decode().strip())
    except OSError:
        print()
"""

WEB = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |
          trap exit TERM
          mkdir -p /www
          echo $NODE > /www/index.html
          httpd -p 8081 -h /www
          httpd -f -p 8080 -h /www &
          wait
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        ports: [{containerPort: 8080, hostPort: 8099}]
"""


@pytest.fixture(scope="module")
def net(machines: None) -> Iterator[Cluster]:
    """Three machines with the overlay, and a Pod on each."""
    with Lab("podnet", count=3, subnet="10.77.61.0/24") as lab:
        cluster = Cluster(lab, {"network": {"mode": "vxlan"}})
        cluster.form()
        cluster.kubectl("apply", "-f", "-", stdin=WEB)
        cluster.wait_running("app=web", 3)
        yield cluster


def pods(net: Cluster) -> dict[str, dict[str, Any]]:
    return {pod["spec"]["nodeName"]: pod for pod in net.wait_running("app=web", 3)}


def addresses(net: Cluster) -> dict[str, str]:
    return {node: pod["status"]["podIP"] for node, pod in pods(net).items()}


def fetched(net: Cluster, node: str, urls: Sequence[str], *, inside: str = "") -> list[str]:
    """Return what a machine, or a container `inside` it, gets from each URL; "" for nothing."""
    machine = net[node].machine
    argv = [sys.executable, "-S", "-c", FETCH, *urls]
    if inside:
        process = machine.engine.json("GET", f"/containers/{inside}/json")["State"]["Pid"]
        argv = ["nsenter", "-t", str(process), "-n", *argv]
    return machine.run(*argv).stdout.splitlines()


def container(pod: dict[str, Any]) -> str:
    return str(pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2])


def all_pairs_meet(net: Cluster) -> bool:
    """Whether each Pod, and each machine, reaches each Pod: on a port that no host port leads to."""
    found = pods(net)
    urls = [f"http://{pod['status']['podIP']}:8081/" for pod in found.values()]
    return all(
        fetched(net, one, urls, inside=inside) == list(found)
        for one, pod in found.items()
        for inside in ("", container(pod))
    )


def wait_for_all_pairs(net: Cluster) -> None:
    eventually(lambda: all_pairs_meet(net), MEND_SECONDS_MAX, "all Pods reach all Pods")


def test_every_pod_reaches_every_pod_and_every_node_does(net: Cluster) -> None:
    wait_for_all_pairs(net)
    nodes = net.kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.podCIDR}").split()
    assert len(set(nodes)) == 3
    own = addresses(net)
    for name, address in own.items():
        described = net[name].swarmlet("describe", "node", name)
        assert address.rpartition(".")[0] in described.partition("PodCIDR:")[2].splitlines()[0]
        assert "RouteCreated" in described


def test_a_host_port_still_leads_to_its_pod(net: Cluster) -> None:
    for one, other in itertools.permutations(("h1", "h2", "h3"), 2):
        assert fetched(net, one, [f"http://{net[other].machine.address}:8099/"]) == [other]


def test_a_pod_keeps_its_address_when_its_container_is_restarted(net: Cluster) -> None:
    before = pods(net)["h1"]
    net["h1"].machine.engine.call("POST", f"/containers/{container(before)}/kill")
    eventually(lambda: container(pods(net)["h1"]) != container(before), 30, "another container")
    assert pods(net)["h1"]["status"]["podIP"] == before["status"]["podIP"]
    wait_for_all_pairs(net)


def test_a_daemon_that_is_killed_and_comes_back_changes_nothing(net: Cluster) -> None:
    before = addresses(net)
    net["h2"].kill()
    assert all_pairs_meet(net)
    net["h2"].start()
    net.wait_ready(3)
    wait_for_all_pairs(net)
    assert addresses(net) == before


@pytest.mark.parametrize(
    ("node", "harm"),
    [
        ("h2", "iptables -F DOCKER-USER"),
        ("h2", "ip link del swl.vxlan"),
        ("h3", "ip link del swl0"),
        ("h3", "nft flush ruleset"),
    ],
)
def test_what_a_stranger_takes_away_is_put_back(net: Cluster, node: str, harm: str) -> None:
    machine = net[node].machine
    machine.run(*harm.split())
    wait_for_all_pairs(net)
    rules = "nft list table ip swarmlet_fabric | grep -q masquerade && ip link show swl.vxlan && ip addr show swl0"
    eventually(lambda: machine.run("sh", "-c", rules, check=False).returncode == 0, MEND_SECONDS_MAX, "all is back")


def test_after_its_docker_was_restarted_a_machine_is_in_the_network_again(net: Cluster) -> None:
    machine = net["h3"].machine
    machine.stop_dockerd()
    machine.start_dockerd()  # which brings back Docker's own rules too, without which it publishes no port
    eventually(lambda: all_pairs_meet(net), 40, "all Pods reach all Pods")


def test_a_pod_that_comes_later_gets_another_address(net: Cluster) -> None:
    before = addresses(net)
    net.kubectl("delete", "pods", "-l", "app=web", "--wait=true")
    eventually(lambda: len(net.running("app=web")) == 3, 30, "three Pods again")
    after = addresses(net)
    assert not set(before.values()) & set(after.values())
    wait_for_all_pairs(net)
