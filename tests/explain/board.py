"""A store with troubles in it, and what is said of them: the lines that `swarmlet why` would print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from swarmlet.cli import why
from swarmlet.explain import explainers
from swarmlet.explain.case import Case
from swarmlet.explain.refusals import Refusals
from swarmlet.model import kinds, objects
from swarmlet.store.commands import NOBODY, Command, Key, Origin, Put, Verdict
from swarmlet.store.state import Store

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
Document = dict[str, Any]


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


class Board:
    def __init__(self) -> None:
        self.store = Store()
        self.heartbeats: dict[str, datetime] = {}
        self.filters = False
        self.network: Document = {}
        self._count = 0

    def put(
        self, api_version: str, kind: str, name: str, *, namespace: str = "default", by: str = "", **rest: Any
    ) -> Document:
        """Store an object; `meta` adds to its metadata, `by` says who asks for it, a minute ago."""
        known = kinds.BY_GVK[api_version, kind]
        metadata = {"name": name, "uid": f"uid-{kind.lower()}-{name}", "creationTimestamp": ago(600)}
        metadata |= {"namespace": namespace} if known.namespaced else {}
        document = {"apiVersion": api_version, "kind": kind, "metadata": metadata | rest.pop("meta", {}), **rest}
        value = msgspec.json.decode(json.dumps(document), type=known.type)
        self._count += 1
        key = Key(known.resource, document["metadata"].get("namespace", ""), name)
        put = Put(key, objects.to_json(value))
        origin = Origin(by, NOW - timedelta(seconds=60), address="10.0.0.7") if by else NOBODY
        (outcome,) = self.store.apply(Command(self._count.to_bytes(16, "big"), (put,), origin=origin))
        assert outcome.verdict in (Verdict.DONE, Verdict.UNCHANGED), outcome
        return document

    def node(
        self, name: str, *, ready: str = "True", message: str = "", reason: str = "KubeletReady", **rest: Any
    ) -> None:
        condition = {"type": "Ready", "status": ready, "reason": reason, "message": message}
        condition["lastTransitionTime"] = ago(45)
        status = {"conditions": [condition, *rest.pop("conditions", ())]}
        status["allocatable"] = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        self.put("v1", "Node", name, status=status, **rest)

    def pod(self, name: str, *, owner: Document | None = None, node: str = "h1", **rest: Any) -> Document:
        """Store a Pod of one container "main", ready unless `status` says otherwise."""
        meta = {"labels": {"app": "web"}} | rest.pop("meta", {})
        if owner:
            reference = {key: owner["metadata"][key] for key in ("name", "uid")}
            meta["ownerReferences"] = [
                reference | {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True}
            ]
        container = {"name": "main", "image": "web:1"} | rest.pop("container", {})
        spec = {"containers": [container], "nodeName": node} | rest.pop("spec", {})
        return self.put("v1", "Pod", name, meta=meta, spec=spec, status=rest.pop("status", ready()), **rest)

    def deployment(
        self, name: str = "web", *, wanted: int = 1, ready: int = 0, meta: Document | None = None, **rest: Any
    ) -> Document:
        """Store a Deployment with one ReplicaSet, and return the latter."""
        selector = {"matchLabels": {"app": name}}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}
        status = {"replicas": wanted, "updatedReplicas": wanted, "readyReplicas": ready, "availableReplicas": ready}
        status |= rest.pop("status", {})
        spec = {"replicas": wanted, "selector": selector, "template": template} | rest.pop("spec", {})
        made = self.put("apps/v1", "Deployment", name, meta=meta or {}, spec=spec, status=status, **rest)
        return self.replica_set(f"{name}-1", made, wanted=wanted, ready=ready)

    def replica_set(
        self, name: str, owner: Document, *, wanted: int, ready: int = 0, revision: int = 1, **status: Any
    ) -> Document:
        reference = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": owner["metadata"]["name"],
            "controller": True,
        }
        meta = {
            "ownerReferences": [reference | {"uid": owner["metadata"]["uid"]}],
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
        }
        return self.put(
            "apps/v1",
            "ReplicaSet",
            name,
            meta=meta,
            spec={"replicas": wanted},
            status={"replicas": wanted, "readyReplicas": ready} | status,
        )

    def event(
        self, about: Document | str, reason: str, message: str, *, at: float = 10, count: int = 1, **rest: Any
    ) -> None:
        if isinstance(about, str):
            kind, _, name = about.partition("/")
            about = {"kind": kind, "metadata": {"name": name, "uid": f"uid-{kind.lower()}-{name}"}}
        metadata = about["metadata"]
        involved = {
            "kind": about["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "fieldPath": rest.pop("field", ""),
        }
        involved["namespace"] = metadata.get("namespace", "")
        times = {"firstTimestamp": ago(at + 60 * (count - 1)), "lastTimestamp": ago(at), "count": count}
        self._count += 1
        type_ = rest.pop("type", "Warning")
        name = f"event-{self._count}"
        self.put("v1", "Event", name, involvedObject=involved, reason=reason, message=message, type=type_, **times)

    def why(self, resource: str, name: str, namespace: str = "default") -> list[str]:
        """Return what is printed."""
        kind = kinds.BY_RESOURCE[resource]
        stored = self.store.get(Key(kind.resource, namespace if kind.namespaced else "", name))
        assert stored, f"{resource}/{name}"
        refusals = Refusals().on(self.store) if self.filters else None
        case = Case(self.store, NOW, self.heartbeats, refusals, node_name="h1", network=self.network)
        explained = explainers.shortened(explainers.explain(case, stored.object))
        return list(why.lines(json.loads(msgspec.json.encode(explained))))


def ready(since: float = 300) -> Document:
    """Return the status of a Pod that serves."""
    return {
        "phase": "Running",
        "startTime": ago(since + 2),
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": ago(since)}],
        "containerStatuses": [container(running=since, ready=True)],
    }


def unready(*statuses: Mapping[str, Any], since: float = 60, phase: str = "Running", **rest: Any) -> Document:
    """Return the status of a Pod whose containers are so."""
    ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": ago(since)}
    return {
        "phase": phase,
        "startTime": ago(since + 2),
        "conditions": [ready],
        "containerStatuses": list(statuses),
        **rest,
    }


def unscheduled(message: str = "", *, reason: str = "Unschedulable", since: float = 240) -> Document:
    told = {
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(since),
    }
    return {"phase": "Pending", "conditions": [told] if message or reason == "SchedulingGated" else []}


def container(
    name: str = "main",
    *,
    waiting: str = "",
    message: str = "",
    running: float | None = None,
    ended: Document | None = None,
    last: Document | None = None,
    restarts: int = 0,
    ready: bool = False,
) -> Document:
    """Return a container's status; `running` is since how many seconds."""
    state: Document = {}
    if waiting:
        state = {"waiting": {"reason": waiting, "message": message}}
    elif running is not None:
        state = {"running": {"startedAt": ago(running)}}
    elif ended:
        state = {"terminated": ended}
    status = {"name": name, "state": state, "ready": ready, "restartCount": restarts, "image": "web:1"}
    return status | ({"lastState": {"terminated": last}} if last else {})


def end(code: int, *, reason: str = "Error", at: float = 20, message: str = "") -> Document:
    return {"exitCode": code, "reason": reason, "message": message, "startedAt": ago(at + 5), "finishedAt": ago(at)}
