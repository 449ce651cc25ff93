"""PersistentVolumes: what phase each is in, and what becomes of one whose claim is gone.

A volume of the class `local` that is to be deleted stays until the agent of its node has removed the folder, however
long that node is away; a node that has left the cluster for good is waited for by nobody.
Source: kubernetes pkg/controller/volume/persistentvolume and pvprotection.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.storage import binding as volume_binding
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import events, kinds, objects, storage, volumes
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

CLAIMS = kinds.PERSISTENT_VOLUME_CLAIM.resource
VOLUMES = kinds.PERSISTENT_VOLUME.resource
NODES = kinds.NODE.resource
NO_DELETER = "error getting deleter volume plugin: no deletable volume plugin matched"


class PersistentVolumes:
    """The reconciler."""

    name: ClassVar[str] = "persistent-volumes"
    watches: ClassVar[frozenset[str]] = frozenset({CLAIMS, VOLUMES, NODES})

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the volume itself, that of a claim, or those that may wait for a node which is gone or another now."""
        if change.key.resource == VOLUMES:
            return [change.key]
        if change.key.resource == CLAIMS:
            return sorted({key for each in (change.old, change.new) if each for key in _volumes_of(each)})
        return _leaving(view) if change.new is None or _machine(change.old) != _machine(change.new) else []

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every volume."""
        return [stored.key for stored in view.list(VOLUMES)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the volume's phase, and what its reclaim policy asks for."""
        stored = view.get(key)
        if stored is None:
            return NOTHING
        step = _Step(view, stored, now)
        step.take()
        return Reconciliation(step.drafts.operations(), tuple(step.notes))


class _Step:
    def __init__(self, view: View, stored: Stored, now: datetime) -> None:
        self.drafts = Drafts()
        self.notes: list[events.Note] = []
        self._view = view
        self._stored = stored
        self._volume = cast("PersistentVolume", stored.object)
        self._now = now

    def take(self) -> None:
        kept_for = self._volume.spec.claim_ref
        if kept_for is None or not kept_for.uid:
            self._settle(volume_binding.in_phase(self._volume, storage.AVAILABLE, self._now))
            return
        claim = self._claim(Key(CLAIMS, kept_for.namespace, kept_for.name), kept_for.uid)
        if claim is None:
            self._release()
        elif claim.spec.volume_name == self._stored.key.name:
            self._settle(volume_binding.in_phase(self._volume, storage.BOUND, self._now))
        elif claim.spec.volume_name:
            self._give_up()
        else:
            self._settle(self._volume)  # the claim takes it in its own turn

    def _claim(self, key: Key, uid: str) -> PersistentVolumeClaim | None:
        stored = self._view.get(key)
        found = cast("PersistentVolumeClaim", stored.object) if stored else None
        return found if found and found.metadata.uid == uid else None

    def _give_up(self) -> None:
        """Let go of a claim that has taken another volume."""
        if volumes.is_our_own(self._volume):
            self._release()
            return
        spec = msgspec.structs.replace(self._volume.spec, claim_ref=None)
        freed = msgspec.structs.replace(self._volume, spec=spec)
        self._settle(volume_binding.in_phase(freed, storage.AVAILABLE, self._now))

    def _release(self) -> None:
        released = volume_binding.in_phase(self._volume, storage.RELEASED, self._now)
        deletes = self._volume.spec.persistent_volume_reclaim_policy == storage.DELETE
        if not deletes:
            self._settle(released)
        elif volumes.is_our_own(self._volume):
            self._settle(released, delete=True)
        else:
            failed = volume_binding.in_phase(self._volume, storage.FAILED, self._now, NO_DELETER)
            if self._volume.status.phase != storage.FAILED:
                self._note("VolumeFailedDelete", NO_DELETER)
            self._settle(failed)

    def _settle(self, after: PersistentVolume, *, delete: bool = False) -> None:
        goes = objects.is_terminating(after)
        if goes or delete:
            after = self._unheld(after)
        if (delete and not goes) or (goes and not after.metadata.finalizers):
            self.drafts.remove(self._stored, self._now, after)
        else:
            self.drafts.update(self._stored, after)

    def _unheld(self, volume: PersistentVolume) -> PersistentVolume:
        """Return a volume that is to go without the finalizers for which nothing is left to wait."""
        held = set(volume.metadata.finalizers)
        if volume.status.phase != storage.BOUND:
            held.discard(storage.VOLUME_PROTECTION)
        if volume.spec.persistent_volume_reclaim_policy != storage.DELETE:
            held.discard(storage.LOCAL_FOLDER)
        elif storage.LOCAL_FOLDER in held and storage.VOLUME_PROTECTION not in held and not self._is_home_known():
            held.discard(storage.LOCAL_FOLDER)
            where = f"{volumes.node_name(volume)}, which has left the cluster"
            self._note("VolumeFolderLeft", f"its folder may be left on node {where}")
        return objects.with_metadata(
            volume, finalizers=tuple(each for each in volume.metadata.finalizers if each in held)
        )

    def _is_home_known(self) -> bool:
        """Whether the machine that holds the folder is a node of the cluster."""
        stored = self._view.get(Key(NODES, "", volumes.node_name(self._volume)))
        return stored is not None and stored.object.metadata.labels.get(NODE_ID_LABEL, "") == volumes.node_id(
            self._volume
        )

    def _note(self, reason: str, message: str) -> None:
        self.notes.append(events.Note(self._volume, events.WARNING, reason, message))


def _volumes_of(claim: Stored) -> list[Key]:
    """Return the volume that a claim has, and the one that was made for it."""
    value = cast("PersistentVolumeClaim", claim.object)
    names = {value.spec.volume_name, volumes.name_for(value)} - {""}
    return [Key(VOLUMES, "", name) for name in names]


def _machine(node: Stored | None) -> str:
    return node.object.metadata.labels.get(NODE_ID_LABEL, "") if node else ""


def _leaving(view: View) -> list[Key]:
    return [stored.key for stored in view.list(VOLUMES) if objects.is_terminating(stored.object)]
