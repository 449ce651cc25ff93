"""Storage classes: the one that always is, and which class a claim has.

Source: kubernetes pkg/volume/util/storageclass.go.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import ClassVar, cast

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import kinds, names, storage, volumes
from swarmlet.model.base import clock_time
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.storage import PersistentVolumeClaim, StorageClass
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

CLASSES = kinds.STORAGE_CLASS.resource
LOCAL = Key(CLASSES, "", storage.LOCAL_CLASS)
BEGINNING = datetime.fromtimestamp(0, UTC)


class StorageClasses:
    """The reconciler: the class `local` exists from the first reign on, and is made anew where somebody deletes it.

    Who wants another default takes the annotation off, which stays as it is.
    """

    name: ClassVar[str] = "storage-classes"
    watches: ClassVar[frozenset[str]] = frozenset({CLASSES})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one class."""
        return (LOCAL,) if change.key == LOCAL else ()

    def all_keys(self, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one class."""
        return (LOCAL,)

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the making of the class where it is missing."""
        if view.get(key) is not None:
            return NOTHING
        drafts = Drafts()
        drafts.create(kinds.STORAGE_CLASS, _local(now, self._rng))
        return Reconciliation(drafts.operations())


def find(view: View, name: str) -> StorageClass | None:
    """Return the class of a name."""
    stored = view.get(Key(CLASSES, "", name))
    return cast("StorageClass", stored.object) if stored else None


def name_of(view: View, claim: PersistentVolumeClaim) -> str:
    """Return the class that a claim has: the default where it names none, "" where it wants none or there is none."""
    if claim.spec.storage_class_name is not None:
        return claim.spec.storage_class_name
    default = _default(view)
    return default.metadata.name if default else ""


def _default(view: View) -> StorageClass | None:
    """Return the default class; of several the youngest, as in Kubernetes."""
    found = [cast("StorageClass", stored.object) for stored in view.list(CLASSES)]
    return max(filter(volumes.is_default, found), key=_youth, default=None)


def _youth(storage_class: StorageClass) -> tuple[datetime, str]:
    return storage_class.metadata.creation_timestamp or BEGINNING, storage_class.metadata.name


def _local(now: datetime, rng: random.Random) -> StorageClass:
    return StorageClass(
        metadata=ObjectMeta(
            name=storage.LOCAL_CLASS,
            uid=names.new_uid(rng),
            creation_timestamp=clock_time(now),
            annotations={storage.DEFAULT_CLASS: "true"},
        ),
        provisioner=storage.LOCAL_PROVISIONER,
        reclaim_policy=storage.DELETE,
        allow_volume_expansion=True,
        volume_binding_mode=storage.WAIT_FOR_FIRST_CONSUMER,
    )
