"""Placements per second: 30,000 Pods onto 100, 1,000 and 5,000 nodes, without and with terms about other Pods.

Twice: the placer alone, which is told what was bound, and the whole reconciler, from the Pods in the store to the
commands that bind them, 500 in each. Processor time of one thread is told. The store's own work is not in it.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import msgspec

from swarmlet.controllers.placing.scheduling import PENDING, PODS_PER_STEP, Scheduling
from swarmlet.controllers.work.drafts import creation
from swarmlet.model import decode, defaults, kinds, names, objects
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta, OwnerReference
from swarmlet.model.pod import Pod
from swarmlet.node import GARBAGE_THRESHOLDS
from swarmlet.scheduler import placement
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.demand import demand_of
from swarmlet.store.commands import OPERATIONS_MAX, Command, Key, Operation
from swarmlet.store.state import Store
from tools.bench.population import START, node_status
from tools.bench.report import Report

PODS = 30_000
ZONES = 3
NODES = (100, 1_000, 5_000)
JUDGED = 1_000
PLAIN_MIN, CONSTRAINED_MIN = 5_000, 1_000
PUBLISHED = "kube-scheduler: 100s; Nomad: 3,750/s"
ROOM = {"cpu": "64", "memory": "256Gi", "pods": "400", "ephemeral-storage": "100Gi"}
"""Of a node: a hundred of them have to hold all the Pods."""


@dataclass(frozen=True, slots=True)
class Workload:
    """How the Pods of each of its Deployments are written, and how many a second there must be on `JUDGED` nodes."""

    name: str
    spec: Callable[[str], dict[str, Any]]
    replicas: int
    at_least: int


async def measure(report: Report) -> None:
    """Place everything for each number of nodes, with the collector of cycles set as in a daemon."""
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    for workload, nodes in itertools.product(WORKLOADS, NODES):
        alone = await asyncio.to_thread(placer_alone, workload, nodes)
        whole = await asyncio.to_thread(reconciler, workload, nodes)
        _tell(report, f"{workload.name}, {nodes:,} nodes: placer alone", alone, workload, nodes)
        _tell(report, f"{workload.name}, {nodes:,} nodes: whole reconciler", whole, workload, nodes)


def _tell(report: Report, name: str, rate: float, workload: Workload, nodes: int) -> None:
    ours = f"{rate:,.0f} placements/s"
    if nodes == JUDGED:
        report.judge(name, ours, value=rate, at_least=workload.at_least, unit="/s", beside=PUBLISHED)
    else:
        report.add(name, ours)


def placer_alone(workload: Workload, nodes: int) -> float:
    """Return how many Pods a second find their nodes, in rounds of as many as one command binds."""
    cluster = Cluster()
    for node in _nodes(nodes):
        cluster.know(node)
    requests = [(Key(kinds.POD.resource, "default", pod.metadata.name), demand_of(pod)) for pod in _pods(workload)]
    demands = dict(requests)
    start = time.thread_time()
    for first in range(0, len(requests), PODS_PER_STEP):
        for each in placement.place(requests[first : first + PODS_PER_STEP], cluster):
            assert each.node, each.refusal
            cluster.bind(each.pod, demands[each.pod], each.node)
    return len(requests) / (time.thread_time() - start)


def reconciler(workload: Workload, nodes: int) -> float:
    """Return how many Pods a second are bound: all wait in the store, and each step's commands are applied to it."""
    store = Store()
    requests = itertools.count(1)
    _apply(store, requests, [creation(kinds.NODE, node) for node in _nodes(nodes)])
    _apply(store, requests, [creation(kinds.POD, pod) for pod in _pods(workload)])
    scheduling = Scheduling(random.Random(1))  # noqa: S311  uids for a benchmark
    seconds = 0.0
    now = START
    while store.pods_on(""):
        now += timedelta(seconds=1)
        start = time.thread_time()
        answer = scheduling.reconcile(store, PENDING, now)
        seconds += time.thread_time() - start
        assert answer.operations, "Pods wait and none is bound"
        _apply(store, requests, answer.operations)
    return PODS / seconds


def _apply(store: Store, requests: Iterator[int], operations: Sequence[Operation]) -> None:
    for start in range(0, len(operations), OPERATIONS_MAX):
        batch = tuple(operations[start : start + OPERATIONS_MAX])
        store.apply(Command(next(requests).to_bytes(16, "big"), batch, atomic=False))


def _nodes(count: int) -> Iterator[Node]:
    for number in range(count):
        name = f"node-{number:04}"
        labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"z{number % ZONES}"}
        labels["disk"] = "ssd" if number % 2 else "hdd"
        status = msgspec.structs.replace(node_status(), allocatable=ROOM, capacity=ROOM)
        yield Node(metadata=ObjectMeta(name=name, labels=labels), status=status)


def _pods(workload: Workload) -> Iterator[Pod]:
    rng = random.Random(1)  # noqa: S311  uids for a benchmark
    for owner in range(PODS // workload.replicas):
        name = f"web-{owner:03}"
        document = {"metadata": {"name": name, "namespace": "default"}, "spec": workload.spec(name)}
        model = cast("Pod", defaults.fill(decode.decode(kinds.POD, document).object))
        uid = names.new_uid(rng)
        reference = OwnerReference(api_version="apps/v1", kind="ReplicaSet", name=name, uid=uid, controller=True)
        for number in range(workload.replicas):
            yield objects.with_metadata(
                model,
                name=f"{name}-{number:03}",
                uid=names.new_uid(rng),
                labels={"app": name},
                owner_references=(reference,),
                creation_timestamp=START + timedelta(seconds=owner),
            )


def _plain(_name: str) -> dict[str, Any]:
    requests = {"cpu": "100m", "memory": "128Mi"}
    return {"containers": [{"name": "main", "image": "web:1", "resources": {"requests": requests}}]}


def _constrained(name: str) -> dict[str, Any]:
    """Even over the zones, never two on a node, rather on a disk of one sort."""
    selector = {"matchLabels": {"app": name}}
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector,
    }
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
    wanted = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    preferred = [{"weight": 50, "preference": wanted}]
    affinity = {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred},
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]},
    }
    return _plain(name) | {"topologySpreadConstraints": [spread], "affinity": affinity}


WORKLOADS = (
    Workload("Deployments of 200", _plain, 200, PLAIN_MIN),
    Workload(
        "Deployments of 100, even over 3 zones, never two a node, rather on ssd", _constrained, 100, CONSTRAINED_MIN
    ),
)
