"""Why a PersistentVolumeClaim has no volume, and how a PersistentVolume is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from swarmlet.explain.case import PODS, Case, about, by_condition, by_event, listed
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import conditions, kinds, objects, storage, volumes
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass

TOLD = ("ProvisioningFailed", "FailedBinding", "ExternalProvisioning", "VolumeMismatch")


def explain(case: Case, value: Object) -> list[Finding]:
    """Return how a claim is, who uses it, and what it waits for."""
    claim = cast("PersistentVolumeClaim", value)
    users = [pod.metadata.name for pod in _users(case, claim)]
    found = troubles(case, claim, waiting_pod=next(iter(_waiting(case, claim)), ""))
    name = claim.metadata.name
    text = f"claim {name} is {claim.status.phase or 'Pending'}"
    if volumes.is_bound(claim):
        text += f" to volume {claim.spec.volume_name}"
    headline = Finding(
        text=text,
        severity=severity_of(found),
        since=None if volumes.is_bound(claim) else claim.metadata.creation_timestamp,
        about=about(claim),
        source="status.phase",
        causes=worst_first(found),
    )
    used = f"mounted by {listed(users)}" if users else "no Pod mounts it"
    return [headline, Finding(text=used, about=about(claim), source="now")]


def explain_volume(case: Case, value: Object) -> list[Finding]:
    """Return how a volume is, and for whom it is kept."""
    volume = cast("PersistentVolume", value)
    kept = volume.spec.claim_ref
    text = f"volume {volume.metadata.name} is {volume.status.phase or 'Pending'}"
    text += f", kept for claim {kept.namespace}/{kept.name}" if kept else ""
    told = ": ".join(filter(None, (volume.status.reason, volume.status.message)))
    found = [*_of_home(case, volume), *_going(volume)]
    if told:
        found.insert(0, Finding(text=told, severity=ERROR, about=about(volume), source="status.message"))
    if volume.status.phase == storage.RELEASED:
        policy = volume.spec.persistent_volume_reclaim_policy
        text += f"; its claim is gone and its reclaim policy is {policy}"
    since = volume.status.last_phase_transition_time
    return [
        Finding(
            text=text,
            severity=severity_of(found),
            since=since,
            about=about(volume),
            source="status.phase",
            causes=worst_first(found),
        )
    ]


def troubles(case: Case, claim: PersistentVolumeClaim, *, waiting_pod: str = "") -> list[Finding]:
    """Return what a claim waits for, or what is wrong with its volume; `waiting_pod` mounts it and has no node."""
    found = list(_going(claim))
    if claim.status.phase == storage.LOST:
        text = f"its volume {claim.spec.volume_name} does not exist any more: the data are lost"
        found.append(Finding(text=text, severity=ERROR, about=about(claim), source="status.phase"))
    elif volumes.is_bound(claim):
        volume = cast("PersistentVolume | None", case.get(kinds.PERSISTENT_VOLUME, "", claim.spec.volume_name))
        found += list(_of_home(case, volume)) if volume else []
    else:
        found += _unbound(case, claim, waiting_pod)
    return found


def _unbound(case: Case, claim: PersistentVolumeClaim, waiting_pod: str) -> Iterator[Finding]:
    name = claim.spec.storage_class_name
    storage_class = _class(case, name) if name else _default_class(case) if name is None else None
    where = about(claim)
    if name and storage_class is None:
        advice = f"make the StorageClass {name}, or name one that there is: {_classes(case)}"
        text = f"its StorageClass {name} does not exist"
        yield Finding(text=text, severity=ERROR, about=where, source="spec.storageClassName", advice=advice)
    elif storage_class is None:
        text = "it has no StorageClass, so it waits for a PersistentVolume that fits"
        yield Finding(text=text, severity=WARNING, about=where, source="spec.storageClassName")
    elif storage_class.volume_binding_mode == storage.WAIT_FOR_FIRST_CONSUMER:
        own = storage_class.metadata.name
        if waiting_pod:
            text = f"its volume is made where Pod {waiting_pod} goes (StorageClass {own}: WaitForFirstConsumer)"
            yield Finding(text=text, severity=INFO, about=where, source="now")
        else:
            text = f"it waits for the first Pod that mounts it (StorageClass {own}: WaitForFirstConsumer)"
            yield Finding(text=text, severity=WARNING, about=where, source="now")
    told = case.event(claim, *TOLD)
    if told is not None:
        yield by_event(claim, told, severity=WARNING)


def _of_home(case: Case, volume: PersistentVolume) -> Iterator[Finding]:
    """Yield what is wrong with the one node that a volume lies on."""
    name = volumes.node_name(volume)
    if not name:
        return
    node = case.node(name)
    wanted = volumes.node_id(volume)
    if node is None or (wanted and node.metadata.labels.get(NODE_ID_LABEL) != wanted):
        text = f"volume {volume.metadata.name} lies on node {name}, which has left the cluster"
        yield Finding(text=text, severity=ERROR, about=about(volume), source="spec.nodeAffinity")
        return
    ready = conditions.get(node.status.conditions, "Ready")
    if ready is not None and ready.status != "True":
        text = f"volume {volume.metadata.name} lies on node {name}, which is not ready"
        yield by_condition(node, ready, text, ERROR, f"swarmlet why node/{name}")


def _going(value: Object) -> Iterator[Finding]:
    if objects.is_terminating(value):
        held = ", ".join(value.metadata.finalizers)
        yield Finding(
            text=f"it is being deleted, and held by {held}" if held else "it is being deleted",
            severity=WARNING,
            since=value.metadata.deletion_timestamp,
            about=about(value),
            source="metadata.deletionTimestamp",
        )


def _users(case: Case, claim: PersistentVolumeClaim) -> Iterator[Pod]:
    for stored in case.view.list(PODS, claim.metadata.namespace):
        pod = cast("Pod", stored.object)
        if claim.metadata.name in volumes.claim_names(pod):
            yield pod


def _waiting(case: Case, claim: PersistentVolumeClaim) -> Iterator[str]:
    return (pod.metadata.name for pod in _users(case, claim) if not pod.spec.node_name)


def _class(case: Case, name: str) -> StorageClass | None:
    return cast("StorageClass | None", case.get(kinds.STORAGE_CLASS, "", name))


def _default_class(case: Case) -> StorageClass | None:
    every = (cast("StorageClass", each.object) for each in case.view.list(kinds.STORAGE_CLASS.resource))
    return next(filter(volumes.is_default, every), None)


def _classes(case: Case) -> str:
    return listed((each.key.name for each in case.view.list(kinds.STORAGE_CLASS.resource)), 5) or "none"
