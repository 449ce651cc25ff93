"""NetworkPolicies on three machines: who may speak with whom, from the first packet on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.test_pod_network import container, fetched
from tools.lab import Lab
from tools.lab.cluster import Cluster, eventually

LAB = "netpol" if "LAB_NAME" not in os.environ else f"{os.environ['LAB_NAME']}n"
SUBNET = os.environ.get("LAB_SUBNET", "10.77.65.0/24")
HOLD_SECONDS_MAX = 10.0

SERVE = (
    "trap exit TERM; mkdir -p /www; echo web > /www/index.html; httpd -p 8081 -h /www; httpd -f -p 8080 -h /www & wait"
)
WAIT = "trap exit TERM; sleep 600 & wait"
TRY = "trap exit TERM; wget -T 1 -qO- http://{address}:8080/ && echo reached; echo tried; sleep 600 & wait"


def pod(name: str, node: str, command: str, app: str = "") -> str:
    main = {
        "name": "main",
        "image": "busybox:lab",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", command],
        "ports": [{"name": "http", "containerPort": 8080}],
    }
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [main]}
    metadata = {"name": name, "labels": {"app": app or name}}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}) + "---\n"


def policy(name: str, **spec: object) -> str:
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}}
    return yaml.safe_dump(head | {"spec": spec}) + "---\n"


def chosen(app: str) -> dict:
    return {"podSelector": {"matchLabels": {"app": app}}}


@pytest.fixture(scope="module")
def net(machines: None) -> Iterator[Cluster]:
    """Three machines that hold Pods to policies: a "web" on h1, and a "front" and an "other" on h1 and h2."""
    with Lab(LAB, count=3, subnet=SUBNET) as lab:
        cluster = Cluster(lab, {"network": {"mode": "vxlan", "policies": True}})
        cluster.form()
        askers = (pod(f"{app}-{node}", node, WAIT, app) for app in ("front", "other") for node in ("h1", "h2"))
        cluster.kubectl("apply", "-f", "-", stdin=pod("web", "h1", SERVE) + "".join(askers))
        for app, count in (("web", 1), ("front", 2), ("other", 2)):
            cluster.wait_running(f"app={app}", count)
        yield cluster


class Askers:
    """The Pods of an application on h1 and h2, as they were found, and where "web" is."""

    def __init__(self, net: Cluster, app: str) -> None:
        self._net = net
        [web] = net.wait_running("app=web", 1)
        self._address = web["status"]["podIP"]
        self._asking = {each["spec"]["nodeName"]: container(each) for each in net.wait_running(f"app={app}", 2)}

    def reach(self, port: int = 8080) -> list[bool]:
        url = f"http://{self._address}:{port}/"
        return [fetched(self._net, node, [url], inside=self._asking[node]) == ["web"] for node in ("h1", "h2")]


def reaches(net: Cluster, app: str, port: int = 8080) -> list[bool]:
    """Whether the Pods of an application reach "web": that on h1, and that on h2."""
    return Askers(net, app).reach(port)


def test_only_those_who_are_allowed_reach_a_pod_and_probes_do(net: Cluster) -> None:
    assert reaches(net, "front") == reaches(net, "other") == [True, True]
    rules = [{"from": [chosen("front")], "ports": [{"port": "http"}]}]
    net.kubectl("apply", "-f", "-", stdin=policy("web", **chosen("web"), ingress=rules))
    eventually(lambda: reaches(net, "other") == [False, False], HOLD_SECONDS_MAX, "the policy holds")
    assert reaches(net, "front") == [True, True]
    assert reaches(net, "front", 8081) == [False, False]
    [web] = net.wait_running("app=web", 1)
    assert fetched(net, "h1", [f"http://{web['status']['podIP']}:8081/"]) == ["web"], "its own node"
    assert "Allowing ingress traffic" in net["h3"].swarmlet("describe", "netpol", "web")
    assert "app=web" in net.kubectl("get", "netpol")


def test_it_holds_again_after_a_stranger_flushed_the_rules_and_a_daemon_was_killed(net: Cluster) -> None:
    front, other = Askers(net, "front"), Askers(net, "other")
    net["h1"].machine.run("nft", "flush", "ruleset")
    eventually(lambda: other.reach() == [False, False], HOLD_SECONDS_MAX, "the policy holds again")
    net["h1"].kill()
    assert other.reach() == [False, False]
    net["h1"].start()
    net.wait_ready(3)
    assert other.reach() == [False, False]
    eventually(lambda: front.reach() == [True, True], HOLD_SECONDS_MAX, "who is allowed still passes")


def test_a_pod_is_held_from_its_first_packet(net: Cluster) -> None:
    net.kubectl("apply", "-f", "-", stdin=policy("eager", **chosen("eager"), policyTypes=["Egress"]))
    net.kubectl("delete", "netpol", "web")
    [web] = net.wait_running("app=web", 1)
    eventually(lambda: reaches(net, "other") == [True, True], HOLD_SECONDS_MAX, "nothing holds the others")
    tries = TRY.format(address=web["status"]["podIP"])
    eager = "".join(
        pod(f"eager-{number}", node, tries, "eager") for number, node in enumerate(("h1", "h2", "h2", "h3"))
    )
    net.kubectl("apply", "-f", "-", stdin=eager)
    net.wait_running("app=eager", 4)
    logs = [lambda name=f"eager-{number}": net.kubectl("logs", name) for number in range(4)]
    eventually(lambda: all("tried" in log() for log in logs), 15, "all have tried")
    assert ["reached" in log() for log in logs] == [False] * 4
