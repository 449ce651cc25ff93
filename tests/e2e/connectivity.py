"""Who reaches whom in a cluster: every Pod and every machine asks every Pod, Service, node port and name.

    net = Connectivity(cluster, "faults")
    net.apply()
    took = net.wait_whole(seconds=10)           # raises LabError, with what is wrong, where it does not come about
    assert net.wrong(net.look()) == []

All is asked at once, by one small program for each Pod and machine, in its network; a whole matrix of three machines
takes about half a second.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from tools.lab.cluster import Cluster, is_ready
from tools.lab.machine import Machine
from tools.lab.processes import LabError, wait_until

HERE = Path(__file__).parent
WEB_PORT, SERVICE_PORT, ECHO_PORT = 8080, 80, 81
NODE_PORT = 30_090
POD, SERVICE, DOOR, NAME, MEMBERS = "Pod", "Service", "NodePort", "name", "names"
"""What is asked: `NAME` of the Service, through it; `MEMBERS`: which addresses the headless Service's name has."""
BALANCED_TIMES = 3
"""How often each asks what any of several may answer: one of them that does not is then met by somebody."""
TOLD_MAX = 20
TURNS_MAX = 50

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAMESPACE}
spec:
  type: NodePort
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080, nodePort: 30090}
  - {name: echo, port: 81, targetPort: 8081}
---
apiVersion: v1
kind: Service
metadata: {name: each, namespace: NAMESPACE}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 8080}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: NAMESPACE}
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
          mkdir -p /w
          echo $NODE > /w/index.html
          nc -ll -p 8081 -e sh -c 'echo $NODE; exec cat' &
          httpd -f -p 8080 -h /w &
          wait
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A Pod: one a machine. `process` is its first one's id there."""

    name: str
    node: str
    address: str
    process: int


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to be reached at a moment; `machines` are the addresses of those that are on, by name."""

    peers: tuple[Peer, ...]
    machines: dict[str, str]
    service: str

    def only(self, nodes: Collection[str]) -> Picture:
        """Return what of it is on some machines."""
        machines = {name: address for name, address in self.machines.items() if name in nodes}
        return Picture(tuple(each for each in self.peers if each.node in nodes), machines, self.service)


@dataclass(frozen=True, slots=True)
class Question:
    """`host` may be a name; port 0 asks for its addresses. Any of `good` is right."""

    what: str
    host: str
    port: int
    good: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wrong:
    """Who did not get from whom what it should have."""

    who: str
    question: Question
    got: str

    def __str__(self) -> str:
        asked = self.question
        where = f"{asked.host}:{asked.port}" if asked.port else asked.host
        return f"{self.who} -> {asked.what} {where}: {self.got} (not {' or '.join(sorted(asked.good))})"


class Connectivity:
    """The Pods of one namespace, on every machine of a cluster."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def apply(self) -> None:
        """Make the namespace, a Pod on each machine, and the Services before them."""
        self._cluster.kubectl("apply", "-f", "-", stdin=MANIFEST.replace("NAMESPACE", self._namespace))

    def delete(self) -> None:
        """Take all of it away, and wait until it is gone."""
        self._cluster.kubectl("delete", "namespace", self._namespace)

    def look(self) -> Picture:
        """Return what there is now, as the cluster tells it; LabError where nobody does."""
        door = next(daemon for daemon in self._cluster if daemon.running).door(timeout_seconds=2)
        here = f"/api/v1/namespaces/{self._namespace}"
        try:
            found = door.json("GET", f"{here}/pods")["items"]
            service = door.json("GET", f"{here}/services/web")["spec"]["clusterIP"]
        except OSError as error:
            raise LabError(f"the Pods cannot be listed: {error}") from None
        on = {machine.name: machine.address for machine in self._cluster.lab if machine.on}
        pods = [each for each in found if is_ready(each) and not each["metadata"].get("deletionTimestamp")]
        return Picture(tuple(self._peer(each) for each in pods if each["spec"]["nodeName"] in on), on, service)

    def wrong(self, picture: Picture) -> list[Wrong]:
        """Let everybody in a picture ask everything in it; return what was not answered as it should be."""
        askers: list[tuple[str, Machine, int, list[Question]]] = []
        for peer in picture.peers:
            machine = self._cluster.lab[peer.node]
            askers.append((f"Pod on {peer.node}", machine, peer.process, [*_places(picture), *_names(picture)]))
        askers += [(name, self._cluster.lab[name], 0, _places(picture)) for name in picture.machines]
        with ThreadPoolExecutor(len(askers)) as pool:
            found = list(pool.map(lambda asker: _ask(*asker), askers))
        return [each for some in found for each in some]

    def wait_whole(self, seconds: float, *, nodes: Collection[str] = ()) -> float:
        """Wait until all of these machines (default: all) have a Pod and everybody reaches everything.

        Returns how many seconds that took; raises `LabError`, with what is wrong, where it took longer.
        """
        start, wanted = time.monotonic(), set(nodes or self._cluster.daemons)
        fault = ""
        while (now := time.monotonic() - start) < seconds or not fault:
            try:
                picture = self.look().only(wanted)
                fault = told(self.wrong(picture)) if {each.node for each in picture.peers} == wanted else ""
                if not fault and len(picture.peers) == len(wanted):
                    return time.monotonic() - start
                fault = fault or f"there are Pods on {sorted(each.node for each in picture.peers)} alone"
            except LabError as error:
                fault = str(error)
        raise LabError(f"not whole after {now:.1f} s:\n{fault}")

    @contextmanager
    def conversation(self, picture: Picture, node: str, partner: str) -> Iterator[Conversation]:
        """Let the Pod of a node talk, through the Service, with that of another: sooner or later it is its turn."""
        (peer,) = picture.only({node}).peers
        argv = (sys.executable, "-I", "-S", str(HERE / "talker.py"), str(peer.process), picture.service, str(ECHO_PORT))
        for _ in range(TURNS_MAX):
            talking = Conversation(self._cluster.lab[node].popen(*argv))
            try:
                if talking.partner == partner:
                    yield talking
                    return
            finally:
                talking.end()
        raise LabError(f"of {TURNS_MAX} conversations of {node} none was with {partner}")

    def _peer(self, pod: dict[str, Any]) -> Peer:
        node = pod["spec"]["nodeName"]
        container = pod["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
        process = self._cluster.lab[node].engine.json("GET", f"/containers/{container}/json")["State"]["Pid"]
        if not process:
            raise LabError(f"the Pod on {node} does not run")
        return Peer(pod["metadata"]["name"], node, pod["status"]["podIP"], process)


class Conversation:
    """A connection on which something is said all the time. `partner`: the node of who answers, or what went wrong."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self._said = process.stdout
        self.partner = self._said.readline().strip()

    @property
    def goes_on(self) -> bool:
        """Whether it is still being held, as far as whoever holds it knows."""
        return self._process.poll() is None

    def outcome(self, seconds: float) -> str:
        """Return how it ended, within so many seconds: "closed", or in the kernel's words."""
        wait_until(lambda: not self.goes_on, seconds, "the connection ends")
        return (self._said.read().splitlines() or [""])[-1]

    def end(self) -> None:
        """Hold it no longer."""
        self._said.close()
        self._process.wait()


def _places(picture: Picture) -> list[Question]:
    nodes = frozenset(each.node for each in picture.peers)
    pods = [Question(POD, each.address, WEB_PORT, frozenset({each.node})) for each in picture.peers]
    service = Question(SERVICE, picture.service, SERVICE_PORT, nodes)
    doors = [Question(DOOR, address, NODE_PORT, nodes) for address in picture.machines.values()]
    return [*pods, *[service] * BALANCED_TIMES, *doors]


def _names(picture: Picture) -> list[Question]:
    nodes = frozenset(each.node for each in picture.peers)
    members = frozenset({" ".join(sorted(each.address for each in picture.peers))})
    return [Question(NAME, "web", SERVICE_PORT, nodes), Question(MEMBERS, "each", 0, members)]


def _ask(who: str, machine: Machine, process: int, questions: list[Question]) -> list[Wrong]:
    given = {"process": process, "questions": [(each.host, each.port) for each in questions]}
    argv = (sys.executable, "-I", "-S", str(HERE / "asker.py"))
    done = machine.run(*argv, stdin=json.dumps(given), check=False)
    if done.returncode:
        return [Wrong(who, Question("anything", "", 0, frozenset()), done.stderr.strip().rpartition("\n")[2])]
    answers = zip(questions, json.loads(done.stdout), strict=True)
    return [Wrong(who, question, got) for question, got in answers if got not in question.good]


def told(wrong: Iterable[Wrong]) -> str:
    """Return what is wrong, a line each, or as much of it as a person reads."""
    lines = sorted({str(each) for each in wrong})
    more = [f"and {len(lines) - TOLD_MAX} more"] if len(lines) > TOLD_MAX else []
    return "\n".join([*lines[:TOLD_MAX], *more])
