"""The cells that `kubectl get` prints of claims, volumes and storage classes.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from swarmlet.api.tables.durations import since
from swarmlet.model import objects, storage, volumes
from swarmlet.model.meta import Object

UNSET = "<unset>"
_SHORT = {
    storage.READ_WRITE_ONCE: "RWO",
    storage.READ_ONLY_MANY: "ROX",
    storage.READ_WRITE_MANY: "RWX",
    storage.READ_WRITE_ONCE_POD: "RWOP",
}


def claim(value: storage.PersistentVolumeClaim, now: datetime) -> list[object]:
    """Return the cells of a claim; its size and modes once it has a volume."""
    spec, status = value.spec, value.status
    has_volume = bool(spec.volume_name)
    return [
        value.metadata.name,
        _phase(value, status.phase),
        spec.volume_name,
        status.capacity.get(storage.STORAGE, "") if has_volume else "",
        modes(status.access_modes) if has_volume else "",
        spec.storage_class_name or "",
        UNSET,
        since(value.metadata.creation_timestamp, now),
        spec.volume_mode or UNSET,
    ]


def volume(value: storage.PersistentVolume, now: datetime) -> list[object]:
    """Return the cells of a volume."""
    spec = value.spec
    return [
        value.metadata.name,
        spec.capacity.get(storage.STORAGE, ""),
        modes(spec.access_modes),
        spec.persistent_volume_reclaim_policy,
        _phase(value, value.status.phase),
        f"{spec.claim_ref.namespace}/{spec.claim_ref.name}" if spec.claim_ref else "",
        spec.storage_class_name,
        UNSET,
        value.status.reason,
        since(value.metadata.creation_timestamp, now),
        spec.volume_mode or UNSET,
    ]


def storage_class(value: storage.StorageClass, now: datetime) -> list[object]:
    """Return the cells of a class."""
    name = value.metadata.name
    return [
        f"{name} (default)" if volumes.is_default(value) else name,
        value.provisioner,
        value.reclaim_policy or storage.DELETE,
        value.volume_binding_mode or UNSET,
        bool(value.allow_volume_expansion),
        since(value.metadata.creation_timestamp, now),
    ]


def modes(access_modes: Iterable[str]) -> str:
    """Return access modes as kubectl shortens them: "RWO,ROX"."""
    named = set(access_modes)
    return ",".join(short for mode, short in _SHORT.items() if mode in named)


def _phase(value: Object, phase: str) -> str:
    return "Terminating" if objects.is_terminating(value) else phase
