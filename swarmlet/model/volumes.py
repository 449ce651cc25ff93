"""What can be read off claims and volumes: whether they belong to each other, how large they are, where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swarmlet.model import objects, quantity, selectors
from swarmlet.model.affinity import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import ObjectReference
from swarmlet.model.pod import Pod
from swarmlet.model.storage import (
    AVAILABLE,
    BIND_COMPLETED,
    DEFAULT_CLASS,
    LOCAL_PROVISIONER,
    PENDING,
    PROVISIONED_BY,
    READ_WRITE_ONCE,
    READ_WRITE_ONCE_POD,
    STORAGE,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
    VolumeNodeAffinity,
)

HOSTNAME = "kubernetes.io/hostname"
NAME_PREFIX = "pvc-"
VOLUMES_DIR = "swarmlet.io/volumes-dir"
"""On a Node: the folder of its machine that holds its volumes of the class `local`."""
VOLUMES_DIR_DEFAULT = "/var/lib/swarmlet/volumes"


def claim_names(pod: Pod) -> tuple[str, ...]:
    """Return the claims that a Pod mounts, each once."""
    sources = (each.persistent_volume_claim for each in pod.spec.volumes)
    return tuple(dict.fromkeys(source.claim_name for source in sources if source))


def is_bound(claim: PersistentVolumeClaim) -> bool:
    """Whether the claim has its volume for good; a user may name one beforehand, which is a wish."""
    return bool(claim.spec.volume_name) and BIND_COMPLETED in claim.metadata.annotations


def is_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is kept for this claim: by name, and where its uid is told, by that too."""
    kept_for = volume.spec.claim_ref
    if kept_for is None or (kept_for.namespace, kept_for.name) != (claim.metadata.namespace, claim.metadata.name):
        return False
    return kept_for.uid in ("", claim.metadata.uid)


def is_free(volume: PersistentVolume) -> bool:
    """Whether any claim may have it."""
    return (
        volume.spec.claim_ref is None
        and not objects.is_terminating(volume)
        and volume.status.phase in ("", PENDING, AVAILABLE)
    )


def reference_to(claim: PersistentVolumeClaim) -> ObjectReference:
    """Return the reference by which a volume names the claim that it is kept for."""
    return ObjectReference(
        kind=claim.kind,
        api_version=claim.api_version,
        namespace=claim.metadata.namespace,
        name=claim.metadata.name,
        uid=claim.metadata.uid,
    )


def requested_bytes(claim: PersistentVolumeClaim) -> int:
    """Return how much a claim asks for."""
    return quantity.to_int(claim.spec.resources.requests.get(STORAGE, "0"))


def capacity_bytes(volume: PersistentVolume) -> int:
    """Return how large a volume says it is."""
    return quantity.to_int(volume.spec.capacity.get(STORAGE, "0"))


def why_unfit(volume: PersistentVolume, claim: PersistentVolumeClaim, class_name: str) -> str:
    """Return why a volume cannot be this claim's, "" where it can; `class_name` is the class that the claim has."""
    if capacity_bytes(volume) < requested_bytes(claim):
        return "requested PV is too small"
    if volume.spec.storage_class_name != class_name:
        return "storageClassName does not match"
    if (volume.spec.volume_mode or "Filesystem") != (claim.spec.volume_mode or "Filesystem"):
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return ""


def fitting(
    volumes: Iterable[PersistentVolume], claim: PersistentVolumeClaim, class_name: str
) -> list[PersistentVolume]:
    """Return the free volumes that a claim could have, the smallest first."""
    selects = selectors.from_labels(claim.spec.selector) if claim.spec.selector else None
    found = [
        volume
        for volume in volumes
        if is_free(volume)
        and not why_unfit(volume, claim, class_name)
        and (selects is None or selects(volume.metadata.labels))
    ]
    return sorted(found, key=lambda volume: (capacity_bytes(volume), volume.metadata.name))


def must_be_held_once(claim: PersistentVolumeClaim, volume: PersistentVolume) -> bool:
    """Whether never two Pods on two sides of a broken network may write it, and nothing but their end prevents it.

    A ReadWriteOnce volume that lies on one node keeps its Pods there by itself.
    """
    modes = set(claim.spec.access_modes)
    if modes == {READ_WRITE_ONCE_POD}:
        return True
    return modes == {READ_WRITE_ONCE} and required_nodes(volume) is None


def is_default(storage_class: StorageClass) -> bool:
    """Whether claims that name no class get this one."""
    return storage_class.metadata.annotations.get(DEFAULT_CLASS) == "true"


# Volumes of the class `local`: a folder on one node.


def name_for(claim: PersistentVolumeClaim) -> str:
    """Return the name of the volume that is made for a claim: never two, whoever makes it."""
    return NAME_PREFIX + claim.metadata.uid


def is_our_own(volume: PersistentVolume) -> bool:
    """Whether the cluster made it: its folder is the business of its node's agent."""
    return volume.metadata.annotations.get(PROVISIONED_BY) == LOCAL_PROVISIONER and volume.spec.local is not None


def on_node(labels: Mapping[str, str]) -> VolumeNodeAffinity:
    """Return the affinity of a volume to one node: its id tells it from a later machine of the same name."""
    wanted = {key: labels[key] for key in (HOSTNAME, NODE_ID_LABEL) if key in labels}
    term = NodeSelectorTerm(
        match_expressions=tuple(
            NodeSelectorRequirement(key=key, operator="In", values=(value,)) for key, value in wanted.items()
        )
    )
    return VolumeNodeAffinity(required=NodeSelector(node_selector_terms=(term,)))


def required_nodes(volume: PersistentVolume) -> NodeSelector | None:
    """Return what a node must match to reach the volume; None where any will do."""
    return volume.spec.node_affinity.required if volume.spec.node_affinity else None


def node_name(volume: PersistentVolume) -> str:
    """Return the name of the one node that a volume lies on; "" where its affinity does not say one."""
    return _only_value(volume, HOSTNAME)


def node_id(volume: PersistentVolume) -> str:
    """Return the consensus id of the one node that a volume lies on; "" where its affinity does not say one."""
    return _only_value(volume, NODE_ID_LABEL)


def _only_value(volume: PersistentVolume, label: str) -> str:
    selector = required_nodes(volume)
    if selector is None or len(selector.node_selector_terms) != 1:
        return ""
    for each in selector.node_selector_terms[0].match_expressions:
        if each.key == label and each.operator == "In" and len(each.values) == 1:
            return each.values[0]
    return ""
