"""What of an object somebody asks for, and what is bookkeeping: the history is of the first alone.

Desired is what a manifest could say: spec, data, labels, annotations, finalizers. A status, what the server stamps and
what controllers note on their way are not; nor are objects that a controller makes of another one, and an object whose
deletion was asked for is desired no more. All this must be the same on every machine, so it depends on nothing but
bytes: a change of these rules is a change of what the log means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from swarmlet.model import batch, kinds, moves, singletons, storage, volumes
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.differences import BOOKKEEPING_ANNOTATIONS
from swarmlet.store.history_deltas import Document
from swarmlet.store.replica import Change, Stored

Desired = Document | None
"""A document, or None where nobody wants the object."""

UNRECORDED = frozenset(
    {
        kinds.EVENT.resource,
        kinds.LEASE.resource,
        kinds.CONTROLLER_REVISION.resource,
        "endpoints",
        "endpointslices.discovery.k8s.io",
    }
)
"""Collections of what nobody asks for."""

_ANNOTATIONS = BOOKKEEPING_ANNOTATIONS | {
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deployment.kubernetes.io/revision-history",
    "deprecated.daemonset.template.generation",
    storage.BIND_COMPLETED,
    storage.BOUND_BY_CONTROLLER,
    storage.PROVISIONED_BY,
    storage.SELECTED_NODE,
    storage.STORAGE_PROVISIONER,
    storage.FOLDER_MADE,
    moves.FAILURES,
    moves.NOT_BEFORE,
}
_FINALIZERS = frozenset({storage.CLAIM_PROTECTION, storage.VOLUME_PROTECTION, "foregroundDeletion", "orphan"})
_UIDS = (batch.CONTROLLER_UID, batch.LEGACY_CONTROLLER_UID)
_NODE_LABELS = ("kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", NODE_ID_LABEL)
_NODE_ANNOTATIONS = ("swarmlet.io/fence-after-seconds", "swarmlet.io/public-key-sha256", volumes.VOLUMES_DIR)
_NODE_TAINTS = "node.kubernetes.io/"


class _Owner(msgspec.Struct, frozen=True, gc=False):
    controller: bool = False


_ABSENT = msgspec.Raw(b"")
_ELSEWHERE = ("metadata", "status")
"""Fields that are not looked at as a whole."""


class _Metadata(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What tells whether an object is desired, and as bytes what of its metadata may be."""

    labels: msgspec.Raw = _ABSENT
    annotations: msgspec.Raw = _ABSENT
    finalizers: msgspec.Raw = _ABSENT
    deletion_timestamp: str | None = None
    owner_references: tuple[_Owner, ...] = ()

    @property
    def is_desired(self) -> bool:
        return self.deletion_timestamp is None and not any(owner.controller for owner in self.owner_references)


class _Header(msgspec.Struct, frozen=True, gc=False):
    metadata: _Metadata


_headers = msgspec.json.Decoder(_Header)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_metadata = msgspec.json.Decoder(_Metadata)
_documents = msgspec.json.Decoder(Document)
_values = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()

_NOT_JSON = (msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading an object may raise that no API let in; whatever it holds, applying it must not fail."""


def of(stored: Stored | None) -> Desired:
    """Return the desired part of an object."""
    if stored is None or not is_recorded(stored.key.resource):
        return None
    try:
        if _is_made(stored) or _read(stored) is None:
            return None
        return _pruned(stored.key.resource, _documents.decode(stored.json))
    except _NOT_JSON:
        return None


def encode(document: Document) -> bytes:
    """Return a desired document's bytes."""
    return _encoder.encode(document)


def decode(data: bytes) -> Document:
    """Return the document of `encode`'s bytes."""
    return _documents.decode(data)


def is_recorded(resource: str) -> bool:
    """Whether the history is of this collection's objects at all."""
    return resource not in UNRECORDED and not resource.endswith(kinds.INTERNAL_GROUP)


def differ(change: Change) -> tuple[Desired, Desired] | None:
    """Return what was desired before a change and after it, or None where that is the same.

    Of what was desired before and is after, only the fields that are written differently are looked at and returned;
    of what is new, nothing is: nearly all writes are of statuses, and each takes its turn in the log.
    """
    old, new = change.old, change.new
    if not is_recorded(change.key.resource) or ((old is None or _is_made(old)) and (new is None or _is_made(new))):
        return None
    try:
        was = _read(old)
        if was is None:
            return (None, {}) if new is not None and _headers.decode(new.json).metadata.is_desired else None
        told = _read(new)
        if told is not None:
            return _differing(change.key.resource, was, told)
    except _NOT_JSON:
        pass
    before = of(old)
    return (before, None) if before is not None else None


class _Parts(NamedTuple):
    """An object's fields as they are written, and of its metadata what may be desired."""

    fields: dict[str, msgspec.Raw]
    metadata: _Metadata


def _read(stored: Stored | None) -> _Parts | None:
    if stored is None:
        return None
    fields = _fields.decode(stored.json)
    metadata = _metadata.decode(fields["metadata"])
    return _Parts(fields, metadata) if metadata.is_desired else None


def _is_made(stored: Stored) -> bool:
    """Whether a controller makes the object of another one, as its bytes show."""
    return bool(stored.owner_uids) and b'"controller":true' in stored.json


def _differing(resource: str, was: _Parts, told: _Parts) -> tuple[Desired, Desired] | None:
    names = [
        name
        for name in dict.fromkeys((*was.fields, *told.fields))
        if name not in _ELSEWHERE and was.fields.get(name) != told.fields.get(name)
    ]
    if was.metadata != told.metadata:
        names += [name for name in _BY_ANNOTATIONS.get(resource, ()) if name not in names]
    elif not names:
        return None
    before, after = _partly(resource, was.fields, names), _partly(resource, told.fields, names)
    return None if before == after else (before, after)


def _partly(resource: str, fields: dict[str, msgspec.Raw], names: Iterable[str]) -> Document:
    """Return some fields of a document, and its metadata."""
    document = {name: _values.decode(fields[name]) for name in (*names, "metadata") if name in fields}
    return _pruned(resource, document)


# What is left out of a document.


def _pruned(resource: str, document: Document) -> Document:
    document.pop("status", None)
    metadata = document["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace") if metadata.get(name)}
    kept["labels"] = metadata.get("labels") or {}
    kept["annotations"] = _without(metadata.get("annotations") or {}, _ANNOTATIONS)
    kept["finalizers"] = [each for each in metadata.get("finalizers") or () if each not in _FINALIZERS]
    document["metadata"] = kept
    if prune := _PRUNING.get(resource):
        prune(document, metadata.get("annotations") or {})
    document["metadata"] = {name: value for name, value in kept.items() if value}
    return document


_BY_ANNOTATIONS = {kinds.PERSISTENT_VOLUME_CLAIM.resource: ("spec",), kinds.PERSISTENT_VOLUME.resource: ("spec",)}
"""Fields of which the annotations say what is desired."""


def _without(mapping: dict[str, Any], names: frozenset[str] | tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}


def _prune_node(node: Document, _annotations: dict[str, str]) -> None:
    """Leave what people ask of a machine: whether it takes Pods, and its labels, annotations and taints of theirs."""
    metadata, spec = node["metadata"], node.get("spec")
    metadata["labels"] = _without(metadata["labels"], _NODE_LABELS)
    metadata["annotations"] = _without(metadata["annotations"], _NODE_ANNOTATIONS)
    if spec is None:
        return
    theirs = [
        taint
        for taint in spec.get("taints") or ()
        if not taint["key"].startswith(_NODE_TAINTS) or taint["key"] == singletons.OUT_OF_SERVICE
    ]
    asked = {"unschedulable": spec.get("unschedulable"), "taints": theirs}
    node["spec"] = {name: value for name, value in asked.items() if value}
    if not node["spec"]:
        del node["spec"]


def _prune_pod(pod: Document, _annotations: dict[str, str]) -> None:
    """Leave out its node, and what admission reads off its classes: another Pod gets what they say then."""
    if pod.get("spec"):
        pod["spec"] = _without(pod["spec"], ("nodeName", "priority", "preemptionPolicy", "overhead"))


def _prune_namespace(namespace: Document, _annotations: dict[str, str]) -> None:
    namespace.pop("spec", None)


def _prune_claim(claim: Document, annotations: dict[str, str]) -> None:
    if storage.BOUND_BY_CONTROLLER in annotations:
        (claim.get("spec") or {}).pop("volumeName", None)


def _prune_volume(volume: Document, annotations: dict[str, str]) -> None:
    spec = volume.get("spec") or {}
    if storage.BOUND_BY_CONTROLLER in annotations:
        spec.pop("claimRef", None)
    elif isinstance(spec.get("claimRef"), dict):
        spec["claimRef"] = _without(spec["claimRef"], ("uid", "resourceVersion"))


def _prune_job(job: Document, _annotations: dict[str, str]) -> None:
    """Leave out what names the Job's own uid, of which another Job knows nothing."""
    spec = job.get("spec") or {}
    if not spec.get("manualSelector"):
        spec.pop("selector", None)
    metadata = (spec.get("template") or {}).get("metadata") or {}
    if "labels" in metadata:
        metadata["labels"] = _without(metadata["labels"], _UIDS)


_PRUNING: dict[str, Callable[[Document, dict[str, str]], None]] = {
    kinds.NODE.resource: _prune_node,
    kinds.POD.resource: _prune_pod,
    kinds.NAMESPACE.resource: _prune_namespace,
    kinds.PERSISTENT_VOLUME_CLAIM.resource: _prune_claim,
    kinds.PERSISTENT_VOLUME.resource: _prune_volume,
    kinds.JOB.resource: _prune_job,
}
