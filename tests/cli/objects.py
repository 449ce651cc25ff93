"""Objects that the tests put into the store as controllers and agents would."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from swarmlet.clock import SystemClock
from swarmlet.model import kinds, objects
from swarmlet.model.core import Event
from swarmlet.model.kinds import Kind
from swarmlet.store.commands import Key
from tests.api.conftest import DirectReplica

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "busybox:1.36", command: [sleep, "1000"]}
"""


def now() -> str:
    return SystemClock().now().replace(microsecond=0).isoformat().replace("+00:00", "Z")


def pod(name: str, *, ready: bool = True, waiting: str = "", containers: tuple[str, ...] = ("main",)) -> dict[str, Any]:
    """Return a Pod of web."""
    state: dict[str, Any] = {"running": {"startedAt": now()}}
    if not ready:
        state = {"waiting": {"reason": waiting or "ContainerCreating", "message": "so it is" if waiting else ""}}
    statuses = [
        {"name": each, "state": state, "ready": ready, "restartCount": 0, "image": "busybox:1.36"}
        for each in containers
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "creationTimestamp": now(),
            "labels": {"app": "web"},
        },
        "spec": {"nodeName": "node-a", "containers": [{"name": each, "image": "busybox:1.36"} for each in containers]},
        "status": {
            "phase": "Running" if ready else "Pending",
            "podIP": "10.1.0.5",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": statuses,
        },
    }


def event(name: str, *, reason: str, about: str, message: str, last: str, count: int = 1) -> dict[str, Any]:
    kind, _, named = about.partition("/")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "involvedObject": {"kind": kind, "name": named, "namespace": "default", "uid": f"uid-{named}"},
        "reason": reason,
        "message": message,
        "type": "Normal",
        "source": {"component": "agent"},
        "firstTimestamp": last,
        "lastTimestamp": last,
        "count": count,
    }


def put(replica: DirectReplica, kind: Kind, document: dict[str, Any]) -> None:
    replica.put(kind, msgspec.json.decode(json.dumps(document), type=kind.type))


def put_event(replica: DirectReplica, document: dict[str, Any]) -> None:
    assert msgspec.json.decode(json.dumps(document), type=Event)
    put(replica, kinds.EVENT, document)


def finish_rollout(replica: DirectReplica, name: str = "web", replicas: int = 2) -> None:
    """Write the status of a Deployment that is rolled out."""
    stored = replica.store.get(Key(kinds.DEPLOYMENT.resource, "default", name))
    assert stored is not None
    document = objects.to_document(stored.object)
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    document["status"] = {"observedGeneration": document["metadata"].get("generation", 0), **counts}
    put(replica, kinds.DEPLOYMENT, document)
