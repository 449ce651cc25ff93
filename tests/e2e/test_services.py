"""Services in the kernels of three machines: each of their addresses answers on every node, and from Pods."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tools.lab import Lab
from tools.lab.cluster import Cluster, eventually

LAB = "services" if "LAB_NAME" not in os.environ else f"{os.environ['LAB_NAME']}s"
SUBNET = os.environ.get("LAB_SUBNET", "10.77.62.0/24")
NODES = ("h1", "h2", "h3")
TABLE = ("ip", "swarmlet-services")
FLUSHED_SECONDS_MAX = 3.0

FETCH = """
import sys, urllib.request
for url in sys.argv[2:] * int(sys.argv[1]):
    try:
        print(urllib.request.urlopen(url, timeout=2).read().decode().strip())
    except OSError as error:
        print(error)
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
        command: [sh, -c, "trap exit TERM; mkdir -p /w; echo $NODE > /w/index.html; httpd -f -p 8080 -h /w & wait"]
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 80, targetPort: http, nodePort: 30080}]
"""


@pytest.fixture(scope="module")
def net(machines: None) -> Iterator[Cluster]:
    """Three machines with the overlay, whose kernels balance, and a Service with a Pod on each."""
    with Lab(LAB, count=3, subnet=SUBNET) as lab:
        cluster = Cluster(lab, {"network": {"mode": "vxlan", "services": "nftables"}})
        cluster.form()
        cluster.kubectl("apply", "-f", "-", stdin=WEB)
        cluster.wait_running("app=web", 3)
        wait_for_all(cluster)
        yield cluster


def service(net: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(net.kubectl("get", "service", "web", "-o", "json"))
    return found


def fetched(net: Cluster, node: str, *urls: str, times: int = 1, inside: str = "") -> list[str]:
    """Return what a machine, or a container `inside` it, gets from each URL, several times."""
    machine = net[node].machine
    argv = [sys.executable, "-S", "-c", FETCH, str(times), *urls]
    if inside:
        process = machine.engine.json("GET", f"/containers/{inside}/json")["State"]["Pid"]
        argv = ["nsenter", "-t", str(process), "-n", *argv]
    return machine.run(*argv).stdout.splitlines()


def doors(net: Cluster) -> list[str]:
    """Return each address at which the Service answers."""
    published = [net[each].machine.address for each in NODES]
    ports = [f"{address}:{port}" for address in published for port in (80, 30080)]
    return [f"http://{each}/" for each in (service(net)["spec"]["clusterIP"], *ports)]


def all_answer(net: Cluster, *, ready: int = 3) -> bool:
    """Whether every Pod and every machine is answered at every address, by Pods of so many nodes together."""
    urls = doors(net)
    found: set[str] = set()
    for pod in net.running("app=web"):
        container = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
        for inside in ("", container):
            answers = fetched(net, pod["spec"]["nodeName"], *urls, times=2, inside=inside)
            if not set(answers) <= set(NODES):
                return False
            found.update(answers)
    return len(found) == ready


def wait_for_all(net: Cluster, seconds: float = 40) -> None:
    eventually(lambda: all_answer(net), seconds, "the Service answers at every address, from everywhere")


def test_the_status_tells_where_a_load_balancer_is_published(net: Cluster) -> None:
    addresses = [net[each].machine.address for each in NODES]
    assert [each["ip"] for each in service(net)["status"]["loadBalancer"]["ingress"]] == addresses
    told = net.kubectl("describe", "service", "web")
    assert "EnsuredLoadBalancer" in told
    assert addresses[0] in net["h1"].swarmlet("get", "services", "-o", "wide")


def test_a_pod_that_is_killed_is_missed_by_nobody_for_long(net: Cluster) -> None:
    name = net.running("app=web")[0]["metadata"]["name"]
    net.kubectl("delete", "pod", name, "--wait=false")
    wait_for_all(net)


def test_the_rules_are_back_soon_after_a_stranger_flushed_them(net: Cluster) -> None:
    machine = net["h2"].machine
    machine.run("nft", "flush", "table", *TABLE)
    eventually(lambda: "dnat" in machine.run("nft", "list", "table", *TABLE).stdout, FLUSHED_SECONDS_MAX, "rules")
    wait_for_all(net)


def test_traffic_goes_on_without_the_daemon_and_after_it_came_back(net: Cluster) -> None:
    net["h3"].kill()
    url = f"http://{service(net)['spec']['clusterIP']}/"
    assert set(fetched(net, "h3", url, times=5)) <= set(NODES)
    net["h3"].start()
    net.wait_ready(3)
    wait_for_all(net)


def test_without_any_endpoint_who_comes_is_refused_at_once(net: Cluster) -> None:
    net.kubectl("patch", "service", "web", "-p", '{"spec": {"selector": {"app": "nothing"}}}')
    url = f"http://{service(net)['spec']['clusterIP']}/"
    eventually(lambda: "refused" in fetched(net, "h1", url)[0], 5, "connections are refused")
    net.kubectl("patch", "service", "web", "-p", '{"spec": {"selector": {"app": "web"}}}')
    wait_for_all(net)
