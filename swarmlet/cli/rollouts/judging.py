"""Judging a rollout from the objects: how far it is, whether it has failed, and what its Pods complain about.

Source: kubectl pkg/polymorphichelpers/rollout_status.go, whose sentences these are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]

PATIENT = {"ContainerCreating", "PodInitializing"}
"""Reasons of waiting that are a part of starting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an object is: `done`, `failed` for good, or neither; `told` says it, `ready` of `wanted` are so far."""

    told: str
    done: bool = False
    failed: bool = False
    ready: int = 0
    wanted: int = 0


def deployment(document: Document) -> Progress:
    """Judge the rollout of a Deployment."""
    name, spec, status = document["metadata"]["name"], document.get("spec") or {}, document.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    updated, total = int(status.get("updatedReplicas", 0)), int(status.get("replicas", 0))
    available = int(status.get("availableReplicas", 0))
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    done = failed = False
    if int(document["metadata"].get("generation", 0)) > int(status.get("observedGeneration", 0)):
        told = "Waiting for deployment spec update to be observed..."
        updated = 0
    elif _condition(document, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        told, failed = f'deployment "{name}" exceeded its progress deadline', True
    elif updated < wanted:
        told = f"{waiting}{updated} out of {wanted} new replicas have been updated..."
    elif total > updated:
        told = f"{waiting}{total - updated} old replicas are pending termination..."
    elif available < updated:
        told = f"{waiting}{available} of {updated} updated replicas are available..."
    else:
        told, done = f'deployment "{name}" successfully rolled out', True
    return Progress(told=told, done=done, failed=failed, ready=min(available, updated), wanted=wanted)


def stateful_set(document: Document) -> Progress:
    """Judge the rollout of a StatefulSet; one that is updated `OnDelete` is done when its Pods are ready."""
    spec, status = document.get("spec") or {}, document.get("status") or {}
    wanted, ready = int(spec.get("replicas", 1)), int(status.get("readyReplicas", 0))
    updated, revision = int(status.get("updatedReplicas", 0)), str(status.get("updateRevision", ""))
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    to_update = wanted - int(rolling.get("partition", 0))
    done = False
    if not _is_observed(document):
        told, ready = "Waiting for statefulset spec update to be observed...", 0
    elif ready < wanted:
        told = f"Waiting for {wanted - ready} pods to be ready..."
    elif not is_rolling(document):
        told, done = f"statefulset has {ready} pods ready", True
    elif rolling and updated < to_update:
        told = f"Waiting for partitioned roll out to finish: {updated} out of {to_update} new pods have been updated..."
    elif rolling:
        told, done = f"partitioned roll out complete: {updated} new pods have been updated...", True
    elif revision != status.get("currentRevision"):
        told = f"waiting for statefulset rolling update to complete {updated} pods at revision {revision}..."
    else:
        told, done = f"statefulset rolling update complete {ready} pods at revision {revision}...", True
    return Progress(told=told, done=done, ready=ready, wanted=wanted)


def daemon_set(document: Document) -> Progress:
    """Judge the rollout of a DaemonSet; one that is updated `OnDelete` is done when its Pods are available."""
    name, status = document["metadata"]["name"], document.get("status") or {}
    wanted = int(status.get("desiredNumberScheduled", 0))
    updated, available = int(status.get("updatedNumberScheduled", 0)), int(status.get("numberAvailable", 0))
    waiting, done = f'Waiting for daemon set "{name}" rollout to finish: ', False
    if not _is_observed(document):
        told, available = "Waiting for daemon set spec update to be observed...", 0
    elif is_rolling(document) and updated < wanted:
        told = f"{waiting}{updated} out of {wanted} new pods have been updated..."
    elif available < wanted:
        told = f"{waiting}{available} of {wanted} updated pods are available..."
    else:
        told, done = f'daemon set "{name}" successfully rolled out', True
    return Progress(told=told, done=done, ready=available, wanted=wanted)


def is_rolling(document: Document) -> bool:
    """Whether a StatefulSet or DaemonSet updates its Pods by itself."""
    strategy: Document = (document.get("spec") or {}).get("updateStrategy") or {}
    return str(strategy.get("type", "RollingUpdate")) == "RollingUpdate"


def _is_observed(document: Document) -> bool:
    observed = int((document.get("status") or {}).get("observedGeneration", 0))
    return observed > 0 and int(document["metadata"].get("generation", 0)) <= observed


def pod(document: Document) -> Progress:
    """Judge whether a Pod has come up: ready, or finished well."""
    name, phase = document["metadata"]["name"], (document.get("status") or {}).get("phase")
    ready = _condition(document, "Ready").get("status") == "True" or phase == "Succeeded"
    told = f'pod "{name}" is ready' if ready else f'pod "{name}" is {phase or "Pending"}'
    return Progress(told=told, done=ready, failed=phase == "Failed", ready=int(ready), wanted=1)


def complaint(document: Document) -> str:
    """Return what keeps a Pod from running, as "ImagePullBackOff: ..."; "" where it is only on its way."""
    status = document.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state") or {}
        waiting = state.get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in PATIENT:
            return _sentence(waiting["reason"], waiting.get("message") or _last_end(container))
        ended = state.get("terminated") or {}
        if ended.get("exitCode"):
            return _sentence(ended.get("reason") or "Error", ended.get("message") or f"exit code {ended['exitCode']}")
    scheduled = _condition(document, "PodScheduled")
    if scheduled.get("status") == "False":
        return _sentence(str(scheduled.get("reason") or "Unschedulable"), str(scheduled.get("message") or ""))
    return _sentence(status["reason"], status.get("message") or "") if status.get("reason") else ""


def complaints(pods: Iterable[Document]) -> list[str]:
    """Return a line for each Pod that is in trouble, each trouble once."""
    found: dict[str, str] = {}
    for each in pods:
        if not (each["metadata"].get("deletionTimestamp")) and (what := complaint(each)):
            found.setdefault(what, f"pod/{each['metadata']['name']}: {what}")
    return list(found.values())


def _condition(document: Document, type_: str) -> Document:
    conditions = (document.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == type_), {})


def _last_end(container: Document) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    return f"the last run ended with exit code {ended['exitCode']}" if "exitCode" in ended else ""


def _sentence(reason: str, message: str) -> str:
    return f"{reason}: {' '.join(message.split())}" if message else reason
