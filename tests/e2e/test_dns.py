"""The cluster's names, as Pods on three machines find them with the resolver that their image brings."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.e2e import spaces
from tests.e2e.spaces import Space, container
from tools.lab.cluster import Cluster, eventually

NAMESPACE = "names"
SERVER = "10.43.0.10"
ELSEWHERE = "192.0.2.7"
STALE_SECONDS_MAX = 1.0

FLOOD = """
import random, socket, time
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.connect(("10.43.0.10", 53))
number, end = 0, time.monotonic() + 4
while time.monotonic() < end:
    number += 1
    if number == 5_000:
        print("flooded", flush=True)
    name = b"%010d" % random.getrandbits(30)
    try:
        door.send(b"xx\\1\\0\\0\\1" + bytes(6) + b"\\x0a" + name + b"\\3svc\\7cluster\\5local\\0\\0\\1\\0\\1")
    except OSError:
        pass
"""
"""Asks for another name that there is not each time, as fast as it can, for four seconds."""

OBJECTS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: db}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: ext}
spec: {type: ExternalName, externalName: www.elsewhere.test}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
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
      - name: main
        image: "busybox:lab"
        imagePullPolicy: IfNotPresent
        command: [hold]
        readinessProbe: {exec: {command: [test, "!", -e, /tmp/away]}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: client}
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
def names(three_machines: Cluster) -> Iterator[Space]:
    """Pods, and Services that lead to some of them."""
    with spaces.space(three_machines, NAMESPACE) as space:
        space.apply(OBJECTS)
        space.wait_running("db", 2)
        space.wait_running("client", 3)
        yield space


@pytest.fixture(scope="module", autouse=True)
def elsewhere(names: Space) -> Iterator[None]:
    """A name server on the box, which the machines ask, that knows one name."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind((str(names.cluster.lab.subnet[1]), 53))
    thread = threading.Thread(target=_answer, args=(door,), daemon=True)
    thread.start()
    yield
    door.close()


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
        with contextlib.suppress(OSError):  # the door may be closed while this is answered
            door.sendto(response.to_wire(), source)


def pods(names: Space, app: str) -> dict[str, dict[str, Any]]:
    """Return Pods by their names."""
    return {pod["metadata"]["name"]: pod for pod in names.running(app)}


def clients(names: Space) -> dict[str, dict[str, Any]]:
    """Return the Pods that only ask, by their nodes."""
    return {pod["spec"]["nodeName"]: pod for pod in names.running("client")}


def resolved(names: Space, pod: dict[str, Any], name: str) -> str:
    """Return the address that a Pod's own resolver finds for a name; "" for none."""
    argv = ("/bin/busybox", "ping", "-c1", "-W1", name)
    first = names.run(pod["spec"]["nodeName"], container(pod), *argv, namespaces="-n -m").partition("\n")[0]
    return first.partition("(")[2].partition(")")[0]


def on_machine(names: Space, node: str, name: str) -> list[str]:
    """Return the addresses of a whole name, asked on a machine itself."""
    argv = ("busybox", "nslookup", "-type=a", f"{name}.{NAMESPACE}.svc.cluster.local", SERVER)
    _, _, answer = names.run(node, "", *argv).partition("\n\n")
    return [line.split()[1] for line in answer.splitlines() if line.startswith("Address:")]


def endpoints(names: Space) -> set[str]:
    """Return the Pods that the headless Service leads to now."""
    ready = "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].hostname}"
    found = names.kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=db", "-o", ready)
    return set(found.split())


def test_pods_of_every_node_find_services_pods_and_the_world_by_short_names(names: Space) -> None:
    address = names.get("service", "web")["spec"]["clusterIP"]
    members = {name: pod["status"]["podIP"] for name, pod in pods(names, "db").items()}
    wanted = {
        "web": {address},
        "web.names": {address},
        "db": set(members.values()),
        "db-0.db": {members["db-0"]},
        "ext": {ELSEWHERE},
        "www.elsewhere.test": {ELSEWHERE},
        "nobody": {""},
    }
    askers = clients(names)
    assert set(askers) == {"h1", "h2", "h3"}
    asked = list(itertools.product(askers, wanted))
    with ThreadPoolExecutor(len(asked)) as pool:  # each waits for a second for whoever the name leads to
        found = list(pool.map(lambda pair: resolved(names, askers[pair[0]], pair[1]), asked))
    wrong = {pair: got for pair, got in zip(asked, found, strict=True) if got not in wanted[pair[1]]}
    assert wrong == {}
    assert [set(on_machine(names, node, "db")) for node in askers] == [set(members.values())] * 3


def test_the_service_of_dns_is_there_for_clients(names: Space) -> None:
    line = names.cluster.kubectl("get", "service", "kube-dns", "-n", "kube-system", "--no-headers").split()
    assert line[:5] == ["kube-dns", "ClusterIP", SERVER, "<none>", "53/UDP,53/TCP"]


@pytest.mark.alone
def test_a_name_is_gone_and_back_on_every_node_within_a_second_of_its_readiness(names: Space) -> None:
    pod = pods(names, "db")["db-1"]
    for verb, wanted in (("touch", {"db-0"}), ("rm", {"db-0", "db-1"})):
        argv = ("/bin/busybox", verb, "/tmp/away")
        names.run(pod["spec"]["nodeName"], container(pod), *argv, namespaces="-m")
        eventually(lambda wanted=wanted: endpoints(names) == wanted, 20, "the endpoint")
        answer = ["db-1" in wanted] * 3
        eventually(
            lambda answer=answer: [bool(on_machine(names, each.name, "db-1.db")) for each in names.cluster] == answer,
            STALE_SECONDS_MAX,
            "the same answer on every node",
        )


@pytest.mark.alone
def test_a_flood_from_one_pod_leaves_others_their_names_and_the_cluster_its_leader(names: Space) -> None:
    leader = names.cluster.leader()
    before = leader.status()["term"]
    machine, pod = leader.machine, clients(names)[leader.name]
    process = machine.engine.json("GET", f"/containers/{container(pod)}/json")["State"]["Pid"]
    with machine.popen("nsenter", "-t", str(process), "-n", sys.executable, "-S", "-c", FLOOD) as flood:
        assert flood.stdout is not None
        flood.stdout.readline()
        for _ in range(5):
            assert on_machine(names, leader.name, "web") != []
            names.kubectl("annotate", "service", "web", "--overwrite", f"asked={time.monotonic()}")
    numbers = machine.run("busybox", "wget", "-qO-", "http://127.0.0.1:7601/metrics").stdout
    (dropped,) = re.findall(r'^swarmlet_dns_dropped_total\{reason="over_budget"\} (\S+)', numbers, re.MULTILINE)
    assert float(dropped) > 0
    assert names.cluster.leader() is leader
    assert leader.status()["term"] == before


def test_the_address_comes_back_where_a_stranger_took_it(names: Space) -> None:
    names.cluster["h3"].machine.run("ip", "link", "delete", "swarmlet-dns")
    eventually(lambda: on_machine(names, "h3", "web") != [], 10, "the address of DNS")
