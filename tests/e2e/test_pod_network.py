"""The Pod network between three machines: addresses that stay, ways that come back, and Pods on their machine's own.

That everybody reaches everybody through each fault is in test_network_faults.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import spaces
from tests.e2e.spaces import Space, container
from tools.lab.cluster import Cluster, eventually

MEND_SECONDS_MAX = 10.0
HOST_PORT, HOST_NETWORK_PORT = 8099, 8098

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
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: host}
spec:
  selector: {matchLabels: {app: host}}
  template:
    metadata: {labels: {app: host}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "trap exit TERM; mkdir /www; echo $NODE > /www/index.html; httpd -f -p 8098 -h /www & wait"]
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
"""


@pytest.fixture(scope="module")
def net(three_machines: Cluster) -> Iterator[Space]:
    """A Pod with an address of its own on each machine, and one with its machine's."""
    with spaces.space(three_machines, "podnet") as space:
        space.apply(WEB)
        space.wait_running("web", 3)
        space.wait_running("host", 3)
        yield space


def pods(net: Space, app: str = "web") -> dict[str, dict[str, Any]]:
    return {pod["spec"]["nodeName"]: pod for pod in net.wait_running(app, 3)}


def addresses(net: Space) -> dict[str, str]:
    return {node: pod["status"]["podIP"] for node, pod in pods(net).items()}


def all_pairs_meet(net: Space) -> bool:
    """Whether each Pod, and each machine, reaches each Pod: on a port that no host port leads to."""
    found = pods(net)
    urls = [f"http://{pod['status']['podIP']}:8081/" for pod in found.values()]
    return all(
        net.fetched(one, urls, inside=inside) == list(found)
        for one, pod in found.items()
        for inside in ("", container(pod))
    )


def wait_for_all_pairs(net: Space) -> None:
    eventually(lambda: all_pairs_meet(net), MEND_SECONDS_MAX, "all Pods reach all Pods")


def test_every_pod_has_an_address_of_its_nodes_subnet_and_the_node_says_which(cluster: Cluster, net: Space) -> None:
    wait_for_all_pairs(net)
    assert len(set(cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.podCIDR}").split())) == 3
    for name, address in addresses(net).items():
        described = cluster[name].swarmlet("describe", "node", name)
        assert address.rpartition(".")[0] in described.partition("PodCIDR:")[2].splitlines()[0]
        assert "RouteCreated" in described


def test_each_machine_says_what_of_the_network_it_does(cluster: Cluster) -> None:
    wanted = [
        ["Pod", "network:", "vxlan"],
        ["Services:", "nftables:", "the", "kernel", "balances"],
        ["DNS:", "10.43.0.10"],
        ["Policies:", "enforced"],
    ]
    for daemon in cluster:
        lines = [line.split() for line in daemon.swarmlet("status").splitlines()]
        assert [line for line in lines if line in wanted] == wanted
        assert daemon.status()["network"]["faults"] == {}


def test_host_ports_and_the_hosts_network_are_reached_from_every_machine_and_pod(net: Space) -> None:
    inside = {node: container(pod) for node, pod in pods(net).items()}
    for one, other in itertools.product(inside, repeat=2):
        address = net.cluster[other].machine.address
        urls = [f"http://{address}:{HOST_NETWORK_PORT}/"]
        urls += [f"http://{address}:{HOST_PORT}/"] if one != other else []
        assert net.fetched(one, urls) == [other] * len(urls)
        assert net.fetched(one, urls, inside=inside[one]) == [other] * len(urls)
    assert {node: pod["status"]["podIP"] for node, pod in pods(net, "host").items()} == {
        each.name: each.machine.address for each in net.cluster
    }


def test_a_pod_keeps_its_address_when_its_container_is_restarted(net: Space) -> None:
    before = pods(net)["h1"]
    net.cluster["h1"].machine.engine.call("POST", f"/containers/{container(before)}/kill")
    eventually(lambda: container(pods(net)["h1"]) != container(before), 30, "another container")
    assert pods(net)["h1"]["status"]["podIP"] == before["status"]["podIP"]
    wait_for_all_pairs(net)


@pytest.mark.parametrize(
    ("node", "harm"),
    [("h2", "iptables -F DOCKER-USER"), ("h2", "ip link del swl.vxlan"), ("h3", "ip link del swl0")],
)
def test_what_a_stranger_takes_away_is_put_back(net: Space, node: str, harm: str) -> None:
    machine = net.cluster[node].machine
    machine.run(*harm.split())
    wait_for_all_pairs(net)
    links = "ip link show swl.vxlan && ip addr show swl0 && iptables -S DOCKER-USER | grep -q SWARMLET"
    eventually(lambda: machine.run("sh", "-c", links, check=False).returncode == 0, MEND_SECONDS_MAX, "all is back")


def test_a_pod_that_comes_later_gets_another_address(net: Space) -> None:
    before = addresses(net)
    net.kubectl("delete", "pods", "-l", "app=web", "--wait=true")
    net.wait_running("web", 3)
    assert not set(before.values()) & set(addresses(net).values())
    wait_for_all_pairs(net)
