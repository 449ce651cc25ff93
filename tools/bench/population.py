"""A large cluster in memory: nodes, workloads and some thirty thousand Pods, made by the real controllers.

What agents and scheduler would do is done here by hand: Pods are bound in turn, and run with the status that an agent
writes. Everything goes through the store as committed commands do.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from swarmlet.clock import SystemClock
from swarmlet.config import NodeLifecycle
from swarmlet.controllers.nodes.heartbeats import Heartbeats
from swarmlet.controllers.sets import daemonset_pods
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.controllers.work.reconciler import Reconciler
from swarmlet.controllers.work.runner import Controllers
from swarmlet.model import decode, defaults, kinds, names, objects
from swarmlet.model.base import clock_time
from swarmlet.model.core import NamespaceStatus, NodeStatus
from swarmlet.model.kinds import Kind
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.store.commands import OPERATIONS_MAX, Command, Key, Operation
from swarmlet.store.state import Store

NODES = 1_000
DEPLOYMENTS, REPLICAS = 120, 200
STATEFUL_SETS, MEMBERS = 20, 50
JOBS, PARALLELISM = 40, 100
STEPS_MAX = 40
DAY_SECONDS = 86_400
START = datetime(2026, 1, 1, tzinfo=UTC)
WORKLOADS = frozenset({"deployment", "replicaset", "statefulset", "daemonset", "job", "namespaces", "quotas"})
"""The reconcilers that make what the cluster is filled with."""


class FixedReplica:
    """Just enough of a replica for controllers that are asked and never run."""

    is_leader = True

    def __init__(self, store: Store) -> None:
        self.view = store

    def on_leadership(self, _listener: object) -> None:
        """Never turn."""


class Population:
    """The store, the controllers' reconcilers, and the time of this cluster."""

    def __init__(self, *, share: float = 1.0) -> None:
        self.store = Store()
        self.now = START
        self.rng = random.Random(1)  # noqa: S311  names for a benchmark
        self._share = share
        self._requests = 0
        self._next_node = 0
        heartbeats = Heartbeats(SystemClock())
        heartbeats.begin(lambda _name: None)
        self.heartbeats = heartbeats
        self.reconcilers: dict[str, Reconciler] = {each.name: each for each in self._reconcilers(heartbeats)}

    def _reconcilers(self, heartbeats: Heartbeats) -> Sequence[Reconciler]:
        return Controllers(
            replica=cast("Any", FixedReplica(self.store)),
            clock=SystemClock(),
            rng=self.rng,
            heartbeats=heartbeats,
            config=NodeLifecycle(),
        ).reconcilers()

    # Changing the store.

    def apply(self, operations: Sequence[Operation]) -> None:
        """Apply operations as commands of one log would."""
        for start in range(0, len(operations), OPERATIONS_MAX):
            self._requests += 1
            part = tuple(operations[start : start + OPERATIONS_MAX])
            self.store.apply(Command(self._requests.to_bytes(16, "big"), part, atomic=False))

    def create(self, kind: Kind, document: dict[str, Any], **replaced: Any) -> None:
        """Make an object as the API does: read, completed, stamped."""
        stamped = objects.with_metadata(
            decode.decode(kind, document).object,
            uid=names.new_uid(self.rng),
            creation_timestamp=clock_time(self.now),
            generation=1,
        )
        self.apply([creation(kind, msgspec.structs.replace(defaults.fill(stamped), **replaced))])

    # Filling it.

    def fill(self) -> None:
        """Make everything, and let it come to rest."""
        for number in range(self._scaled(NODES)):
            name = f"node-{number:04}"
            self.create(kinds.NODE, {"metadata": {"name": name, "labels": _node_labels(name)}}, status=node_status())
            self.heartbeats.beat(name)
        self.create(kinds.NAMESPACE, {"metadata": {"name": "default"}}, status=NamespaceStatus(phase="Active"))
        for number in range(self._scaled(DEPLOYMENTS)):
            self.create(kinds.DEPLOYMENT, _workload(f"web-{number:03}", replicas=REPLICAS))
        self.create(
            kinds.POD_DISRUPTION_BUDGET, _watching("web-000", {"maxUnavailable": 1, "selector": _selector("web-000")})
        )
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-000"}
        self.create(
            kinds.HORIZONTAL_POD_AUTOSCALER,
            _watching("web-000", {"minReplicas": REPLICAS, "maxReplicas": 2 * REPLICAS, "scaleTargetRef": target}),
        )
        self.create(kinds.RESOURCE_QUOTA, _watching("all", {"hard": {"pods": "100k", "requests.cpu": "100k"}}))
        for number in range(self._scaled(STATEFUL_SETS)):
            parallel = {"replicas": MEMBERS, "podManagementPolicy": "Parallel", "serviceName": "peers"}
            self.create(kinds.STATEFUL_SET, _workload(f"db-{number:03}", **parallel))
        self.create(kinds.DAEMON_SET, _workload("agent"))
        for number in range(self._scaled(JOBS)):
            self.create(kinds.JOB, _job(f"batch-{number:03}"))
        self.settle()

    def _scaled(self, number: int) -> int:
        return max(1, round(number * self._share))

    def settle(self) -> None:
        """Reconcile all workloads and be their agents until nothing changes any more."""
        for _ in range(STEPS_MAX):
            before = self.store.revision
            for name in sorted(WORKLOADS):
                reconciler = self.reconcilers[name]
                for key in list(reconciler.all_keys(self.store)):
                    self.apply(reconciler.reconcile(self.store, key, self.now).operations)
            for operations in _batches(self._served()):
                self.apply(operations)
            if self.store.revision == before:
                return
        raise TimeoutError("the workloads do not come to rest")

    def _served(self) -> Iterator[Operation]:
        for stored in self.store.list(kinds.POD.resource):
            pod = cast("Pod", stored.object)
            if pod.status.phase == "Pending":
                yield update(stored, self.running(pod))

    def running(self, pod: Pod) -> Pod:
        """Return a Pod as it is when it runs and is ready, on the next node in turn where it has none."""
        node = daemonset_pods.node_of(pod)
        if not node:
            node = f"node-{self._next_node % self._scaled(NODES):04}"
            self._next_node += 1
        status = _running_status(pod, self.rng, self.now)
        return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name=node), status=status)


def _batches(operations: Iterator[Operation]) -> Iterator[list[Operation]]:
    while batch := list(itertools.islice(operations, OPERATIONS_MAX)):
        yield batch


def _watching(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _selector(name: str) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": name}}


def _workload(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "shop", "tier": "backend"}
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": _template(labels), **spec},
    }


def _job(name: str) -> dict[str, Any]:
    template = _template({"app": name})
    template["spec"]["restartPolicy"] = "Never"
    spec = {"parallelism": PARALLELISM, "completions": PARALLELISM, "template": template}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _template(labels: dict[str, str]) -> dict[str, Any]:
    """Return a Pod as users write them: two variables, a port, resources, a mount, a hook."""
    container = {
        "name": "main",
        "image": "registry.example.com/shop/backend:1.25.3",
        "args": ["--port=8080", "--log-format=json"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "REGION", "value": "eu-central-1"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/backend", "readOnly": True}],
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
    }
    volumes = [{"name": "config", "configMap": {"name": "backend-config"}}]
    return {
        "metadata": {"labels": labels, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {"containers": [container], "volumes": volumes},
    }


def _node_labels(name: str) -> dict[str, str]:
    return {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": f"z{name[-1]}"}


def node_status() -> NodeStatus:
    """Return what a machine of this cluster offers."""
    offered = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    ready = Condition(type="Ready", status="True", reason="KubeletReady", last_transition_time=START)
    return NodeStatus(capacity=offered, allocatable=offered, conditions=(ready,))


def _running_status(pod: Pod, rng: random.Random, now: datetime) -> Any:
    at = clock_time(now - timedelta(seconds=rng.randrange(DAY_SECONDS)))
    seconds = {"PodScheduled": 0, "Initialized": 1, "PodReadyToStartContainers": 1}
    address = f"10.{rng.randrange(64)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    types = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    document = {
        "phase": "Running",
        "qosClass": pod.status.qos_class,
        "hostIP": "10.77.0.7",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": at,
        "conditions": [
            {"type": each, "status": "True", "lastTransitionTime": at + timedelta(seconds=seconds.get(each, 3))}
            for each in types
        ],
        "containerStatuses": [
            {
                "name": container.name,
                "state": {"running": {"startedAt": at + timedelta(seconds=1)}},
                "ready": True,
                "started": True,
                "restartCount": 0,
                "image": container.image,
                "imageID": f"{container.image.partition(':')[0]}@sha256:{'5f' * 32}",
                "containerID": f"docker://{rng.randbytes(32).hex()}",
            }
            for container in pod.spec.containers
        ],
    }
    return msgspec.convert(document, type(pod.status))


def key_of(kind: Kind, name: str) -> Key:
    """Return where an object of this cluster lies."""
    return Key(kind.resource, "default" if kind.namespaced else "", name)
