"""What it takes to give a claim its volume, whoever decides it: the scheduler with a Pod, or the claims' reconciler.

The volume of a claim has a name that follows from the claim's uid: whoever makes it, and however often, there is never
a second one. A volume of the class `local` is a folder that the agent of its node makes when it is first mounted, so
nothing about making one can fail here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.model import kinds, names, objects, storage, volumes
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.storage import (
    LocalVolumeSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    StorageClass,
)
from swarmlet.store.replica import Stored

YES = "yes"


@dataclass(frozen=True, slots=True)
class Maker:
    """What a new volume is made with."""

    storage_class: StorageClass
    node: Node
    now: datetime
    rng: random.Random

    def new_volume(self, claim: PersistentVolumeClaim) -> PersistentVolume:
        """Return the volume of a claim, kept for it."""
        name = volumes.name_for(claim)
        folder = self.node.metadata.annotations.get(volumes.VOLUMES_DIR, volumes.VOLUMES_DIR_DEFAULT)
        size = claim.spec.resources.requests.get(storage.STORAGE, "0")
        made = PersistentVolume(
            metadata=ObjectMeta(
                name=name,
                uid=names.new_uid(self.rng),
                creation_timestamp=clock_time(self.now),
                annotations={storage.PROVISIONED_BY: storage.LOCAL_PROVISIONER},
                finalizers=(storage.VOLUME_PROTECTION, storage.LOCAL_FOLDER),
            ),
            spec=PersistentVolumeSpec(
                capacity={storage.STORAGE: size},
                access_modes=claim.spec.access_modes,
                persistent_volume_reclaim_policy=self.storage_class.reclaim_policy,
                storage_class_name=self.storage_class.metadata.name,
                volume_mode=storage.FILESYSTEM,
                node_affinity=volumes.on_node(self.node.metadata.labels),
                local=LocalVolumeSource(path=f"{folder}/{name}"),
            ),
        )
        return kept_for(made, claim, self.now)


def make(drafts: Drafts, claim: Stored, value: PersistentVolumeClaim, maker: Maker) -> PersistentVolume:
    """Make the volume of a claim, `value` as it is to become, and give it to the claim."""
    made = maker.new_volume(value)
    drafts.create(kinds.PERSISTENT_VOLUME, made)
    selected = _annotated(value, {storage.SELECTED_NODE: maker.node.metadata.name})
    told = {storage.STORAGE_PROVISIONER: storage.LOCAL_PROVISIONER}
    drafts.update(claim, bound_to(made, _annotated(selected, told)))
    return made


def bind(drafts: Drafts, claim: Stored, value: PersistentVolumeClaim, volume: Stored, now: datetime) -> None:
    """Give a claim, `value` as it is to become, a volume that is there."""
    kept = kept_for(cast("PersistentVolume", volume.object), value, now)
    drafts.update(volume, kept)
    drafts.update(claim, bound_to(kept, value))


def kept_for(volume: PersistentVolume, claim: PersistentVolumeClaim, now: datetime) -> PersistentVolume:
    """Return the volume bound to a claim."""
    if volume.spec.claim_ref is None:
        volume = _annotated(volume, {storage.BOUND_BY_CONTROLLER: YES})
    spec = msgspec.structs.replace(volume.spec, claim_ref=volumes.reference_to(claim))
    return in_phase(msgspec.structs.replace(volume, spec=spec), storage.BOUND, now)


def bound_to(volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    """Return the claim bound to a volume, with the volume's size and modes as its own."""
    told = {storage.BIND_COMPLETED: YES}
    if not claim.spec.volume_name:
        told[storage.BOUND_BY_CONTROLLER] = YES
    spec = msgspec.structs.replace(claim.spec, volume_name=volume.metadata.name)
    status = PersistentVolumeClaimStatus(
        phase=storage.BOUND,
        access_modes=volume.spec.access_modes,
        capacity=volume.spec.capacity,
        conditions=claim.status.conditions,
    )
    return msgspec.structs.replace(_annotated(claim, told), spec=spec, status=status)


def in_phase(volume: PersistentVolume, phase: str, now: datetime, message: str = "") -> PersistentVolume:
    """Return the volume in a phase, since now where it was in another."""
    status = volume.status
    if (status.phase, status.message) == (phase, message):
        return volume
    since = status.last_phase_transition_time if status.phase == phase else clock_time(now)
    told = PersistentVolumeStatus(phase=phase, message=message, last_phase_transition_time=since)
    return msgspec.structs.replace(volume, status=told)


def _annotated(value: objects.ObjectType, told: dict[str, str]) -> objects.ObjectType:
    return objects.with_metadata(value, annotations=value.metadata.annotations | told)
