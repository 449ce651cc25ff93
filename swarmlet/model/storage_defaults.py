"""What the API server fills in of claims, volumes and storage classes.

Source: kubernetes pkg/apis/core/v1/defaults.go, pkg/apis/storage/v1/defaults.go, and the admission plugin
StorageObjectInUseProtection, whose finalizers stand here.
"""

from __future__ import annotations

import msgspec

from swarmlet.model import objects, storage


def claim(value: storage.PersistentVolumeClaim) -> storage.PersistentVolumeClaim:
    """Return a claim as it is stored."""
    filled = msgspec.structs.replace(
        value,
        spec=claim_spec(value.spec),
        status=msgspec.structs.replace(value.status, phase=value.status.phase or storage.PENDING),
    )
    return _protected(filled, storage.CLAIM_PROTECTION)


def claim_spec(spec: storage.PersistentVolumeClaimSpec) -> storage.PersistentVolumeClaimSpec:
    """Return a claim's spec with its mode told."""
    return msgspec.structs.replace(spec, volume_mode=spec.volume_mode or storage.FILESYSTEM)


def volume(value: storage.PersistentVolume) -> storage.PersistentVolume:
    """Return a volume as it is stored; what is made by hand is retained."""
    spec = msgspec.structs.replace(
        value.spec,
        persistent_volume_reclaim_policy=value.spec.persistent_volume_reclaim_policy or storage.RETAIN,
        volume_mode=value.spec.volume_mode or storage.FILESYSTEM,
    )
    status = msgspec.structs.replace(value.status, phase=value.status.phase or storage.PENDING)
    return _protected(msgspec.structs.replace(value, spec=spec, status=status), storage.VOLUME_PROTECTION)


def storage_class(value: storage.StorageClass) -> storage.StorageClass:
    """Return a class as it is stored."""
    return msgspec.structs.replace(
        value,
        reclaim_policy=value.reclaim_policy or storage.DELETE,
        volume_binding_mode=value.volume_binding_mode or storage.IMMEDIATE,
    )


def template(value: storage.PersistentVolumeClaim) -> storage.PersistentVolumeClaim:
    """Return a StatefulSet's claim template as it is stored."""
    status = msgspec.structs.replace(value.status, phase=value.status.phase or storage.PENDING)
    return msgspec.structs.replace(value, spec=claim_spec(value.spec), status=status)


def _protected(value: objects.ObjectType, finalizer: str) -> objects.ObjectType:
    held = value.metadata.finalizers
    if objects.is_terminating(value) or finalizer in held:
        return value
    return objects.with_metadata(value, finalizers=(*held, finalizer))
