"""The cluster's names, as Pods on three machines find them with the resolver that their image brings."""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from tools.lab import Lab
from tools.lab.cluster import Cluster, eventually

LAB = "dns" if "LAB_NAME" not in os.environ else f"{os.environ['LAB_NAME']}d"
SUBNET = os.environ.get("LAB_SUBNET", "10.77.64.0/24")
NAMESPACE = "names"
SERVER = "10.43.0.10"
ELSEWHERE = "192.0.2.7"
STALE_SECONDS_MAX = 1.0

OBJECTS = """
apiVersion: v1
kind: Namespace
metadata: {name: names}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: names}
spec: {selector: {app: db}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: names}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: ext, namespace: names}
spec: {type: ExternalName, externalName: www.elsewhere.test}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: names}
spec:
  serviceName: db
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: main, image: "busybox:lab", imagePullPolicy: IfNotPresent, command: [hold]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: client, namespace: names}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: main, image: "busybox:lab", imagePullPolicy: IfNotPresent, command: [hold]}
"""


@pytest.fixture(scope="module")
def names(machines: None) -> Iterator[Cluster]:
    """Three machines with DNS, whose own name server is the box; and Pods."""
    with Lab(LAB, count=3, subnet=SUBNET) as lab:
        resolv_conf = lab.folder / "resolv.conf"
        resolv_conf.write_text(f"nameserver {_box()}\nsearch lan\n", encoding="ascii")
        cluster = Cluster(lab, {"network": {"dns": True}, "resolv_conf": str(resolv_conf)})
        cluster.form()
        eventually(lambda: SERVER in cluster.kubectl("get", "service", "-n", "kube-system"), 20, "the Service of DNS")
        cluster.kubectl("apply", "-f", "-", stdin=OBJECTS)
        cluster.kubectl("wait", "pod", "--all", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=60s")
        yield cluster


@pytest.fixture(scope="module", autouse=True)
def elsewhere(names: Cluster) -> Iterator[None]:
    """A name server on the box that knows one name."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind((_box(), 53))
    thread = threading.Thread(target=_answer, args=(door,), daemon=True)
    thread.start()
    yield
    door.close()


def _box() -> str:
    return SUBNET.rpartition(".")[0] + ".1"


def _answer(door: socket.socket) -> None:
    while True:
        try:
            data, source = door.recvfrom(4096)
        except OSError:
            return
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        asked = query.question[0]
        if str(asked.name) != "www.elsewhere.test.":
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif asked.rdtype == 1:
            response.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "A", ELSEWHERE))
        door.sendto(response.to_wire(), source)


def pods(cluster: Cluster, selector: str) -> dict[str, dict[str, Any]]:
    """Return Pods by their names."""
    found = json.loads(cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "json"))["items"]
    return {pod["metadata"]["name"]: pod for pod in found}


def inside(cluster: Cluster, pod: dict[str, Any], *argv: str) -> str:
    """Run a program of a Pod's image in its namespaces; return what it printed."""
    machine = cluster[pod["spec"]["nodeName"]].machine
    container = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    process = machine.engine.json("GET", f"/containers/{container}/json")["State"]["Pid"]
    return machine.run("nsenter", "-t", str(process), "-n", "-m", *argv, check=False).stdout


def resolved(cluster: Cluster, pod: dict[str, Any], name: str) -> str:
    """Return the address that a Pod's own resolver finds for a name; "" for none."""
    first = inside(cluster, pod, "/bin/busybox", "ping", "-c1", "-W1", name).partition("\n")[0]
    return first.partition("(")[2].partition(")")[0]


def on_machine(cluster: Cluster, node: str, name: str) -> list[str]:
    """Return the addresses of a whole name, asked on a machine itself."""
    argv = ("busybox", "nslookup", "-type=a", f"{name}.{NAMESPACE}.svc.cluster.local", SERVER)
    _, _, answer = cluster[node].machine.run(*argv, check=False).stdout.partition("\n\n")
    return [line.split()[1] for line in answer.splitlines() if line.startswith("Address:")]


def endpoints(cluster: Cluster) -> set[str]:
    """Return the Pods that the headless Service leads to now."""
    return set(
        cluster.kubectl(
            *("get", "endpointslices", "-n", NAMESPACE, "-l", "kubernetes.io/service-name=db"),
            *("-o", "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].hostname}"),
        ).split()
    )


def test_pods_of_every_node_find_services_pods_and_the_world_by_short_names(names: Cluster) -> None:
    address = names.kubectl("get", "service", "web", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}")
    members = {name: pod["status"]["podIP"] for name, pod in pods(names, "app=db").items()}
    wanted = {
        "web": {address},
        "web.names": {address},
        "db": set(members.values()),
        "db-0.db": {members["db-0"]},
        "ext": {ELSEWHERE},
        "www.elsewhere.test": {ELSEWHERE},
        "nobody": {""},
    }
    clients = {pod["spec"]["nodeName"]: pod for pod in pods(names, "app=client").values()}
    assert set(clients) == {"h1", "h2", "h3"}
    asked = list(itertools.product(clients, wanted))
    with ThreadPoolExecutor(len(asked)) as pool:  # each waits for a second for whoever the name leads to
        found = list(pool.map(lambda pair: resolved(names, clients[pair[0]], pair[1]), asked))
    wrong = {pair: got for pair, got in zip(asked, found, strict=True) if got not in wanted[pair[1]]}
    assert wrong == {}
    assert [set(on_machine(names, node, "db")) for node in clients] == [set(members.values())] * 3


def test_the_service_of_dns_is_there_for_clients(names: Cluster) -> None:
    line = names.kubectl("get", "service", "kube-dns", "-n", "kube-system", "--no-headers").split()
    assert line[:5] == ["kube-dns", "ClusterIP", SERVER, "<none>", "53/UDP,53/TCP"]


def test_a_name_is_gone_and_back_on_every_node_within_a_second_of_its_endpoint(names: Cluster) -> None:
    for replicas in (1, 2):
        names.kubectl("scale", "statefulset", "db", "-n", NAMESPACE, f"--replicas={replicas}")
        wanted = {f"db-{number}" for number in range(replicas)}
        eventually(lambda wanted=wanted: endpoints(names) == wanted, 20, "the endpoint")
        answer = [replicas == 2] * 3
        eventually(
            lambda answer=answer: [bool(on_machine(names, each.name, "db-1.db")) for each in names] == answer,
            STALE_SECONDS_MAX,
            "the same answer on every node",
        )


def test_names_resolve_again_after_the_daemon_was_killed(names: Cluster) -> None:
    daemon = names["h2"]
    (client,) = [each for each in pods(names, "app=client").values() if each["spec"]["nodeName"] == "h2"]
    daemon.kill()
    assert resolved(names, client, "web") == ""
    daemon.start()
    eventually(lambda: resolved(names, client, "web") != "", 20, "names on the machine whose daemon came back")


def test_the_address_comes_back_where_a_stranger_took_it(names: Cluster) -> None:
    names["h3"].machine.run("ip", "link", "delete", "swarmlet-dns")
    eventually(lambda: on_machine(names, "h3", "web") != [], 10, "the address of DNS")
