"""NetworkPolicies on three machines: who may speak with whom, from the first packet on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.e2e import spaces
from tests.e2e.spaces import Space, container
from tools.lab.cluster import Cluster, eventually

HOLD_SECONDS_MAX = 10.0
DELETE_OUR_TABLES = r"nft list tables | sed -n 's/^table \(.*swarmlet.*\)/delete table \1/p' | nft -f -"
"""Docker's stay: it would publish no port of a later test before it is restarted."""

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
    stays = {"operator": "Exists", "effect": "NoExecute"}  # while its node's daemon is away, however long that takes
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "tolerations": [stays], "containers": [main]}
    metadata = {"name": name, "labels": {"app": app or name}}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}) + "---\n"


def policy(name: str, **spec: object) -> str:
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}}
    return yaml.safe_dump(head | {"spec": spec}) + "---\n"


def chosen(app: str) -> dict:
    return {"podSelector": {"matchLabels": {"app": app}}}


@pytest.fixture(scope="module")
def net(three_machines: Cluster) -> Iterator[Space]:
    """A "web" on h1, and a "front" and an "other" on h1 and h2."""
    with spaces.space(three_machines, "policies") as space:
        askers = (pod(f"{app}-{node}", node, WAIT, app) for app in ("front", "other") for node in ("h1", "h2"))
        space.apply(pod("web", "h1", SERVE) + "".join(askers))
        for app, count in (("web", 1), ("front", 2), ("other", 2)):
            space.wait_running(app, count)
        yield space


class Askers:
    """The Pods of an application on h1 and h2, as they were found, and where "web" is."""

    def __init__(self, net: Space, app: str) -> None:
        self._net = net
        [web] = net.wait_running("web", 1)
        self._address = web["status"]["podIP"]
        self._asking = {each["spec"]["nodeName"]: container(each) for each in net.wait_running(app, 2)}

    def reach(self, port: int = 8080) -> list[bool]:
        url = f"http://{self._address}:{port}/"
        return [self._net.fetched(node, [url], inside=self._asking[node]) == ["web"] for node in ("h1", "h2")]


def reaches(net: Space, app: str, port: int = 8080) -> list[bool]:
    """Whether the Pods of an application reach "web": that on h1, and that on h2."""
    return Askers(net, app).reach(port)


def test_only_those_who_are_allowed_reach_a_pod_and_probes_do(net: Space) -> None:
    assert reaches(net, "front") == reaches(net, "other") == [True, True]
    rules = [{"from": [chosen("front")], "ports": [{"port": "http"}]}]
    net.apply(policy("web", **chosen("web"), ingress=rules))
    eventually(lambda: reaches(net, "other") == [False, False], HOLD_SECONDS_MAX, "the policy holds")
    assert reaches(net, "front") == [True, True]
    assert reaches(net, "front", 8081) == [False, False]
    [web] = net.wait_running("web", 1)
    assert net.fetched("h1", [f"http://{web['status']['podIP']}:8081/"]) == ["web"], "its own node"
    assert "Allowing ingress traffic" in net.cluster["h3"].swarmlet("describe", "netpol", "web", "-n", net.name)
    assert "app=web" in net.kubectl("get", "netpol")


def test_it_holds_again_after_a_stranger_deleted_the_rules_and_a_daemon_was_killed(net: Space) -> None:
    front, other = Askers(net, "front"), Askers(net, "other")
    net.cluster["h1"].machine.run("sh", "-c", DELETE_OUR_TABLES)
    eventually(lambda: other.reach() == [False, False], HOLD_SECONDS_MAX, "the policy holds again")
    net.cluster["h1"].kill()
    assert other.reach() == [False, False]
    net.cluster["h1"].start()
    net.cluster.wait_ready(3)
    assert other.reach() == [False, False]
    eventually(lambda: front.reach() == [True, True], HOLD_SECONDS_MAX, "who is allowed still passes")


def test_a_pod_is_held_from_its_first_packet(net: Space) -> None:
    net.apply(policy("eager", **chosen("eager"), policyTypes=["Egress"]))
    net.kubectl("delete", "netpol", "web")
    [web] = net.wait_running("web", 1)
    eventually(lambda: reaches(net, "other") == [True, True], HOLD_SECONDS_MAX, "nothing holds the others")
    tries = TRY.format(address=web["status"]["podIP"])
    eager = "".join(
        pod(f"eager-{number}", node, tries, "eager") for number, node in enumerate(("h1", "h2", "h2", "h3"))
    )
    net.apply(eager)
    net.wait_running("eager", 4)
    logs = [lambda name=f"eager-{number}": net.kubectl("logs", name) for number in range(4)]
    eventually(lambda: all("tried" in log() for log in logs), 15, "all have tried")
    assert ["reached" in log() for log in logs] == [False] * 4
