"""A dozen kinds of trouble on three machines, all at once, and what `swarmlet why` says of each."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.documents import deployment
from tools.lab.cluster import Cluster, Daemon, eventually
from tools.lab.processes import LabError

SPACE, NARROW = "why", "why-narrow"
SECONDS_MAX = 30

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: {{{selector}}}
  containers:
  - {{name: main, image: "{image}", imagePullPolicy: IfNotPresent, command: {command}, resources: {resources}}}
"""
STALLED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: stalled}
spec:
  replicas: 1
  progressDeadlineSeconds: 3
  selector: {matchLabels: {app: stalled}}
  template:
    metadata: {labels: {app: stalled}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: busybox:lab
        imagePullPolicy: IfNotPresent
        command: [hold]
        readinessProbe: {exec: {command: ["false"]}, periodSeconds: 1}
"""
OTHERS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Service
metadata: {name: lost}
spec: {selector: {app: stalld}, ports: [{port: 80}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded}
spec: {minAvailable: 2, selector: {matchLabels: {app: guarded}}}
"""
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {{name: {name}}}
"""
QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: narrow}
spec: {hard: {pods: "1"}}
"""
EATS = ["sh", "-c", "x=0123456789abcdef; while true; do x=$x$x; done"]
CRASHES = ["sh", "-c", "exit 3"]


def pod(name: str, *, command: object = "[hold]", image: str = "busybox:lab", on: str = "", **resources: object) -> str:
    command = command if isinstance(command, str) else json.dumps(command)
    selector = f"kubernetes.io/hostname: {on}" if on else ""
    return POD.format(name=name, image=image, command=command, selector=selector, resources=json.dumps(resources))


def says(cluster: Cluster, words: str, *sentences: str, namespace: str = SPACE, seconds: float = SECONDS_MAX) -> str:
    """Wait until `why` says all of this, and return the whole of it."""
    told = ""

    def look() -> bool:
        nonlocal told
        told = cluster["h1"].swarmlet("why", words, "-n", namespace, check=False)
        return all(sentence in told for sentence in sentences)

    try:
        eventually(look, seconds, f"why {words} says {sentences}")
    except LabError as error:
        raise AssertionError(f"{error}; it says:\n{told}") from error
    return told


@pytest.fixture
def troubled(cluster: Cluster) -> Iterator[Cluster]:
    """Three machines, one of them cordoned and one tainted, and two namespaces full of trouble."""
    for name in (SPACE, NARROW):
        cluster.kubectl("apply", "-f", "-", stdin=NAMESPACE.format(name=name))
    cluster.kubectl("apply", "-n", SPACE, "-f", "-", stdin=deployment("guarded", 2))
    cluster.kubectl("apply", "-n", NARROW, "-f", "-", stdin=QUOTA)
    eventually(lambda: len(ready(cluster, "guarded")) == 2, SECONDS_MAX, "two Pods serve")
    cluster["h1"].swarmlet("cordon", "h3")
    cluster.kubectl("taint", "node", "h2", "night=yes:NoSchedule")
    troubles = [
        pod("imageless", image="nosuch.example/nothing:1"),
        pod("crashing", command=CRASHES),
        pod("greedy", command=EATS, limits={"memory": "16Mi"}),
        pod("large", requests={"memory": "900Gi"}),
        pod("cordoned", on="h3"),
        pod("tainted", on="h2"),
        STALLED,
        OTHERS,
    ]
    cluster.kubectl("apply", "-n", SPACE, "-f", "-", stdin="---".join(troubles))
    cluster.kubectl("apply", "-n", NARROW, "-f", "-", stdin=deployment("narrow", 3))
    yield cluster
    cluster.kubectl("taint", "node", "h2", "night-", check=False)
    cluster.kubectl("uncordon", "h3")
    for name in (SPACE, NARROW):
        cluster.kubectl("delete", "namespace", name, "--wait=false")
    eventually(lambda: SPACE not in cluster.kubectl("get", "namespaces", "-o", "name"), 60, "the namespaces are gone")


def ready(cluster: Cluster, name: str) -> list[dict]:
    items = json.loads(cluster.kubectl("get", "pods", "-n", SPACE, "-l", f"app={name}", "-o", "json"))["items"]
    return [
        each
        for each in items
        if {"type": "Ready", "status": "True"}.items()
        <= next((c for c in each["status"].get("conditions", ()) if c["type"] == "Ready"), {}).items()
        and not each["metadata"].get("deletionTimestamp")
    ]


def test_ten_kinds_of_trouble_are_told_with_what_helps(troubled: Cluster) -> None:
    says(troubled, "pod/large", "1 lacks memory (need 900Gi, best has", "-> ask for less in resources.requests")
    says(troubled, "pod/cordoned", "1 cordoned", "h3 would do, but that it is cordoned", "-> swarmlet uncordon h3")
    says(
        troubled,
        "pod/tainted",
        "h2 would do, but that it has the taint night=yes:NoSchedule",
        "let the Pod tolerate it",
    )
    says(troubled, "pvc/data", "its StorageClass fast does not exist", "or name one that there is: local")
    says(troubled, "svc/lost", "no ready endpoint", "its selector app=stalld matches no Pod", "app=stalled")
    says(troubled, "pdb/guarded", "allows no eviction now: of 2 Pods 2 are healthy, and 2 must be", "none may ever go")
    says(troubled, "deploy/narrow", "it cannot make more Pods", "exceeded quota: narrow", namespace=NARROW)
    says(troubled, "quota/narrow", "pods: 1 of 1 are used: nothing more is made", namespace=NARROW)
    says(troubled, "node/h3", "is ready and cordoned", "it was cordoned", "-> swarmlet uncordon h3")
    says(troubled, "node/h2", "its taint night=yes:NoSchedule keeps off Pods", "-> kubectl taint node h2 night-")
    says(troubled, "pod/greedy", "was killed for using more memory than its limit of 16Mi (OOMKilled)")
    says(troubled, "pod/crashing", "exit code 3", "next try", "--previous")
    says(troubled, "stalled", "Deployment stalled", "has not progressed within 3 s", "runs and is not ready")
    says(troubled, "pod/imageless", 'has no image "nosuch.example/nothing:1"', "-> correct the image's name or tag")


def test_a_machine_that_dies_and_the_pods_that_came_from_it(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=NAMESPACE.format(name=SPACE))
    try:
        cluster.kubectl("apply", "-n", SPACE, "-f", "-", stdin=deployment("moved", 3))
        eventually(lambda: len(ready(cluster, "moved")) == 3, SECONDS_MAX, "three Pods serve")
        dead = _not_asked(cluster)
        before = {each["metadata"]["name"] for each in ready(cluster, "moved")}
        dead.machine.power_off()
        name = dead.machine.name
        says(cluster, f"node/{name}", "The node stopped sending heartbeats", "the leader last heard of it")
        eventually(lambda: {each["metadata"]["name"] for each in ready(cluster, "moved")} - before, 40, "one moved")
        (new, *_) = {each["metadata"]["name"] for each in ready(cluster, "moved")} - before
        says(cluster, f"pod/{new}", "was chosen of 3 nodes", "1 not ready", f"left {name}: Taint manager")
    finally:
        cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


def _not_asked(cluster: Cluster) -> Daemon:
    """Return a machine that neither leads nor is the one that is asked."""
    leader = cluster.leader().machine.name
    return next(each for each in cluster if each.machine.name not in ("h1", leader))
