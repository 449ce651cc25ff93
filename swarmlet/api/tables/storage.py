"""The rows of claims, volumes and storage classes.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from swarmlet.api.tables.shapes import AGE, NAME, UNSET, Column, Columns, age
from swarmlet.model import objects, storage, volumes
from swarmlet.model.meta import Object

NOTHING = "0"
_SHORT = {
    storage.READ_WRITE_ONCE: "RWO",
    storage.READ_ONLY_MANY: "ROX",
    storage.READ_WRITE_MANY: "RWX",
    storage.READ_WRITE_ONCE_POD: "RWOP",
}


def _claim(value: storage.PersistentVolumeClaim, now: datetime) -> list[object]:
    """Return the cells of a claim; its size and modes once it has a volume."""
    spec, status = value.spec, value.status
    has_volume = bool(spec.volume_name)
    return [
        value.metadata.name,
        _phase(value, status.phase),
        spec.volume_name,
        status.capacity.get(storage.STORAGE, NOTHING) if has_volume else "",
        _modes(status.access_modes) if has_volume else "",
        spec.storage_class_name or "",
        UNSET,
        age(value, now),
        spec.volume_mode or UNSET,
    ]


def _volume(value: storage.PersistentVolume, now: datetime) -> list[object]:
    spec = value.spec
    return [
        value.metadata.name,
        spec.capacity.get(storage.STORAGE, NOTHING),
        _modes(spec.access_modes),
        spec.persistent_volume_reclaim_policy,
        _phase(value, value.status.phase),
        f"{spec.claim_ref.namespace}/{spec.claim_ref.name}" if spec.claim_ref else "",
        spec.storage_class_name,
        UNSET,
        value.status.reason,
        age(value, now),
        spec.volume_mode or UNSET,
    ]


def _storage_class(value: storage.StorageClass, now: datetime) -> list[object]:
    name = value.metadata.name
    return [
        f"{name} (default)" if volumes.is_default(value) else name,
        value.provisioner,
        value.reclaim_policy or storage.DELETE,
        value.volume_binding_mode or storage.IMMEDIATE,
        bool(value.allow_volume_expansion),
        age(value, now),
    ]


def _modes(access_modes: Iterable[str]) -> str:
    """Return access modes as kubectl shortens them: "RWO,ROX"."""
    named = set(access_modes)
    return ",".join(short for mode, short in _SHORT.items() if mode in named)


def _phase(value: Object, phase: str) -> str:
    return "Terminating" if objects.is_terminating(value) else phase


_CLAIM, _VOLUME = "api.core.v1.PersistentVolumeClaim", "api.core.v1.PersistentVolume"

PERSISTENT_VOLUME_CLAIM = Columns(
    (
        NAME,
        Column("Status", field=f"{_CLAIM}Status.phase"),
        Column("Volume", field=f"{_CLAIM}Spec.volumeName"),
        Column("Capacity", field=f"{_CLAIM}Status.capacity"),
        Column("Access Modes", field=f"{_CLAIM}Status.accessModes"),
        Column("StorageClass", description="StorageClass of the pvc"),
        Column("VolumeAttributesClass", description="VolumeAttributesClass of the pvc"),
        AGE,
        Column("VolumeMode", priority=1, field=f"{_CLAIM}Spec.volumeMode"),
    ),
    _claim,
)
PERSISTENT_VOLUME = Columns(
    (
        NAME,
        Column("Capacity", field=f"{_VOLUME}Spec.capacity"),
        Column("Access Modes", field=f"{_VOLUME}Spec.accessModes"),
        Column("Reclaim Policy", field=f"{_VOLUME}Spec.persistentVolumeReclaimPolicy"),
        Column("Status", field=f"{_VOLUME}Status.phase"),
        Column("Claim", field=f"{_VOLUME}Spec.claimRef"),
        Column("StorageClass", description="StorageClass of the pv"),
        Column("VolumeAttributesClass", description="VolumeAttributesClass of the pv"),
        Column("Reason", field=f"{_VOLUME}Status.reason"),
        AGE,
        Column("VolumeMode", priority=1, field=f"{_VOLUME}Spec.volumeMode"),
    ),
    _volume,
)
STORAGE_CLASS = Columns(
    (
        NAME,
        Column("Provisioner", field="api.storage.v1.StorageClass.provisioner"),
        Column("ReclaimPolicy", field="api.storage.v1.StorageClass.reclaimPolicy"),
        Column("VolumeBindingMode", field="api.storage.v1.StorageClass.volumeBindingMode"),
        Column("AllowVolumeExpansion", field="api.storage.v1.StorageClass.allowVolumeExpansion"),
        AGE,
    ),
    _storage_class,
)
