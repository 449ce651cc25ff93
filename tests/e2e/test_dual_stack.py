"""Three machines whose Pods and Services have addresses of both families: who reaches whom, by each of them."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import spaces
from tests.e2e.spaces import Space, container
from tools.lab import Lab
from tools.lab.cluster import Cluster, eventually

LAB = os.environ.get("LAB_NAME", "e2e") + "d"
SUBNET = os.environ.get("DUAL_LAB_SUBNET", "10.77.34.0/24")
MEND_SECONDS_MAX = 10.0
SERVER = "10.43.0.10"

OBJECTS = """
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
        command: [sh, -c, "trap exit TERM; mkdir /www; echo $NODE > /www/index.html; httpd -f -p 8080 -h /www & wait"]
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, ipFamilyPolicy: RequireDualStack, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
"""


@pytest.fixture(scope="module")
def net(machines: None) -> Iterator[Space]:
    """A Pod on each machine, and a Service of both families that leads to them."""
    with Lab(LAB, count=3, subnet=SUBNET) as lab:
        cluster = Cluster(lab, {"network": {"cluster_cidr": "10.42.0.0/16,fd00:10:42::/56"}})
        cluster.form()
        with spaces.space(cluster, "dual") as space:
            space.apply(OBJECTS)
            space.wait_running("web", 3)
            yield space


def pods(net: Space) -> dict[str, dict[str, Any]]:
    return {pod["spec"]["nodeName"]: pod for pod in net.wait_running("web", 3)}


def addresses(net: Space) -> dict[str, list[str]]:
    return {node: [each["ip"] for each in pod["status"]["podIPs"]] for node, pod in pods(net).items()}


def url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


def all_pairs_meet(net: Space) -> bool:
    """Whether each Pod, and each machine, reaches each Pod at both of its addresses."""
    found = pods(net)
    urls = {url(each["ip"], 8080): node for node, pod in found.items() for each in pod["status"]["podIPs"]}
    return all(
        net.fetched(node, list(urls), inside=inside) == list(urls.values())
        for node, pod in found.items()
        for inside in ("", container(pod))
    )


def served(net: Space, address: str, port: int = 80) -> bool:
    """Whether a Service leads from each Pod and each machine to Pods of several machines."""
    asked = (
        {*net.fetched(node, [url(address, port)], times=6, inside=inside)}
        for node, pod in pods(net).items()
        for inside in ("", container(pod))
    )
    return all(each <= {"h1", "h2", "h3"} and len(each) > 1 for each in asked)


def test_each_pod_has_an_address_of_each_family_at_which_all_reach_it(net: Space) -> None:
    for node, held in addresses(net).items():
        subnets = net.get("node", node)["spec"]["podCIDRs"]
        assert [
            ipaddress.ip_address(one) in ipaddress.ip_network(other) for one, other in zip(held, subnets, strict=True)
        ]
    eventually(lambda: all_pairs_meet(net), MEND_SECONDS_MAX, "all Pods reach all Pods")


def test_a_service_of_both_families_answers_at_both_and_by_name(net: Space) -> None:
    service = net.get("service", "web")["spec"]
    assert service["ipFamilies"] == ["IPv4", "IPv6"]
    for address in service["clusterIPs"]:
        eventually(lambda address=address: served(net, address), MEND_SECONDS_MAX, f"the Service at {address}")
    port = service["ports"][0]["nodePort"]
    overlay = net.run("h2", "", "ip", "-6", "-o", "addr", "show", "dev", "swl.vxlan", "scope", "global").split()[3]
    assert {*net.fetched("h1", [url(overlay.partition("/")[0], port)], times=6)} <= {"h1", "h2", "h3"}
    asking = container(pods(net)["h3"])
    told = net.run("h3", asking, "busybox", "nslookup", "-type=aaaa", "web.dual.svc.cluster.local", SERVER)
    assert service["clusterIPs"][1] in told
    told = net.run("h3", asking, "busybox", "nslookup", service["clusterIPs"][1], SERVER)
    assert "web.dual.svc.cluster.local" in told
    slices = net.kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web", "--no-headers")
    assert sorted(line.split()[1] for line in slices.splitlines()) == ["IPv4", "IPv6"]


def test_a_policy_holds_by_both_families(net: Space) -> None:
    there = addresses(net)["h2"]
    asking = container(pods(net)["h1"])

    def reached() -> list[bool]:
        return [each == "h2" for each in net.fetched("h1", [url(one, 8080) for one in there], inside=asking)]

    net.apply(POLICY)
    eventually(lambda: reached() == [False, False], MEND_SECONDS_MAX, "the policy holds")
    net.kubectl("delete", "netpol", "nobody")
    eventually(lambda: reached() == [True, True], MEND_SECONDS_MAX, "it is gone")


def test_addresses_stay_and_what_strangers_take_away_comes_back(net: Space) -> None:
    before = addresses(net)
    net.cluster["h1"].kill()
    net.cluster["h2"].machine.run("nft", "flush", "ruleset")
    net.cluster["h2"].machine.run("ip", "-6", "route", "flush", "proto", "142")
    killed = container(pods(net)["h3"])
    net.cluster["h3"].machine.engine.call("POST", f"/containers/{killed}/kill")
    eventually(lambda: container(pods(net)["h3"]) != killed, 30, "another container")
    net.cluster["h1"].start()
    net.cluster.wait_ready(3)
    assert addresses(net) == before
    eventually(lambda: all_pairs_meet(net), MEND_SECONDS_MAX, "all Pods reach all Pods")
    vip = net.get("service", "web")["spec"]["clusterIPs"][1]
    eventually(lambda: served(net, vip), MEND_SECONDS_MAX, "the Service leads on")
