"""Whether a claim may grow: only where its class says so, and only where the cluster made its volume.

Source: kubernetes plugin/pkg/admission/storage/persistentvolume/resize.
"""

from __future__ import annotations

from typing import cast

from swarmlet.api.targets import Target
from swarmlet.errors import ForbiddenError
from swarmlet.model import kinds, volumes
from swarmlet.model.meta import Object
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

REFUSED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


def check(view: View, target: Target, old: Object, new: Object) -> None:
    """Raise `ForbiddenError` where a claim asks for more and cannot have it."""
    if not isinstance(new, PersistentVolumeClaim):
        return
    if volumes.requested_bytes(new) <= volumes.requested_bytes(cast("PersistentVolumeClaim", old)):
        return
    volume = view.get(Key(kinds.PERSISTENT_VOLUME.resource, "", new.spec.volume_name))
    storage_class = view.get(Key(kinds.STORAGE_CLASS.resource, "", new.spec.storage_class_name or ""))
    if (
        volume is None
        or storage_class is None
        or not volumes.is_our_own(cast("PersistentVolume", volume.object))
        or not cast("StorageClass", storage_class.object).allow_volume_expansion
    ):
        raise ForbiddenError(f"{target.qualified} is forbidden: {REFUSED}")
