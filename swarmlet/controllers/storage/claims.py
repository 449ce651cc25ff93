"""PersistentVolumeClaims: each gets a volume, keeps it, and goes when no Pod mounts it any more.

A claim of a class that waits for its first Pod gets its volume from the scheduler, with that Pod's node; here it gets
one where that came to nothing halfway, or where a Pod was bound to a node by hand.
Source: kubernetes pkg/controller/volume/persistentvolume and pvcprotection.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.storage import binding as volume_binding
from swarmlet.controllers.storage import notes as volume_notes
from swarmlet.controllers.storage import storage_classes
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import affinity, events, kinds, objects, storage, volumes
from swarmlet.model.core import Node
from swarmlet.model.pod import Pod
from swarmlet.model.storage import PersistentVolume, PersistentVolumeClaim, StorageClass
from swarmlet.scheduler.claim_users import ClaimUsers, claims_of
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

CLAIMS = kinds.PERSISTENT_VOLUME_CLAIM.resource
VOLUMES = kinds.PERSISTENT_VOLUME.resource
CLASSES = kinds.STORAGE_CLASS.resource
NODES = kinds.NODE.resource
PODS = kinds.POD.resource

Told = tuple[str, str]
"""The reason and message of the event that was told last of a claim."""


class VolumeClaims:
    """The reconciler; `rng` makes the uids of volumes."""

    name: ClassVar[str] = "volume-claims"
    watches: ClassVar[frozenset[str]] = frozenset({CLAIMS, VOLUMES, CLASSES, PODS})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._users = ClaimUsers()
        self._told: dict[Key, Told] = {}

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the claim itself, those of the Pod or volume that changed, or all that a change could serve."""
        if change.key.resource == CLAIMS:
            return [change.key]
        if change.key.resource == PODS:
            self._users.catch_up(view)
            return _claims_of_pod(change)
        if change.key.resource == CLASSES:
            return _unbound(view)
        found = {key for each in (change.old, change.new) if each and (key := _claim_of(each))}
        if change.new and volumes.is_free(cast("PersistentVolume", change.new.object)):
            found.update(_unbound(view))
        return sorted(found)

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every claim."""
        return [stored.key for stored in view.list(CLAIMS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the next step of a claim; what it waits for is told once, and again when that changes."""
        stored = view.get(key)
        if stored is None:
            self._told.pop(key, None)
            return NOTHING
        step = _Step(view, stored, self._users, now, self._rng)
        step.take()
        return Reconciliation(step.drafts.operations(), tuple(self._unheard(key, step.notes)))

    def _unheard(self, key: Key, notes: Iterable[events.Note]) -> Iterable[events.Note]:
        for note in notes:
            if self._told.get(key) != (note.reason, note.message):
                self._told[key] = (note.reason, note.message)
                yield note


class _Step:
    """One claim: what it asks for, and what there is."""

    def __init__(self, view: View, stored: Stored, users: ClaimUsers, now: datetime, rng: random.Random) -> None:
        self.drafts = Drafts()
        self.notes: list[events.Note] = []
        self._view = view
        self._stored = stored
        self._claim = cast("PersistentVolumeClaim", stored.object)
        self._users = users.of(view, stored.key)
        self._now = now
        self._rng = rng

    def take(self) -> None:
        if objects.is_terminating(self._claim) and self._let_go():
            return
        if volumes.is_bound(self._claim):
            self._keep()
        elif not objects.is_terminating(self._claim):
            self._find()

    def _let_go(self) -> bool:
        """Take the protection off a claim that is to go, once no Pod on a node mounts it; return whether it is off."""
        held = self._claim.metadata.finalizers
        if storage.CLAIM_PROTECTION not in held:
            return True
        if any(pod.spec.node_name for pod in self._users):
            return False
        left = tuple(each for each in held if each != storage.CLAIM_PROTECTION)
        self.drafts.update(self._stored, objects.with_metadata(self._claim, finalizers=left))
        return True

    # A claim that has its volume.

    def _keep(self) -> None:
        stored = self._view.get(Key(VOLUMES, "", self._claim.spec.volume_name))
        if stored is None:
            why = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            self._lose("ClaimLost", why)
            return
        volume = cast("PersistentVolume", stored.object)
        if volume.spec.claim_ref is not None and not volumes.is_for(volume, self._claim):
            why = "Two claims are bound to the same volume, this one is bound incorrectly"
            self._lose("ClaimMisbound", why)
            return
        kept = self._grown(volume_binding.kept_for(volume, self._claim, self._now))
        self.drafts.update(stored, kept)
        self.drafts.update(self._stored, volume_binding.bound_to(kept, self._claim))

    def _lose(self, reason: str, why: str) -> None:
        if self._claim.status.phase != storage.LOST:
            self._note(events.WARNING, reason, why)
        lost = storage.PersistentVolumeClaimStatus(phase=storage.LOST)
        self.drafts.update(self._stored, msgspec.structs.replace(self._claim, status=lost))

    def _grown(self, volume: PersistentVolume) -> PersistentVolume:
        """Return the volume with the size that the claim has come to ask for: a folder's takes no more than a word."""
        if volumes.requested_bytes(self._claim) <= volumes.capacity_bytes(volume):
            return volume
        storage_class = storage_classes.find(self._view, volume.spec.storage_class_name)
        if not volumes.is_our_own(volume) or storage_class is None or not storage_class.allow_volume_expansion:
            why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
            self._note(events.WARNING, "VolumeResizeFailed", why + "support resize")
            return volume
        size = self._claim.spec.resources.requests[storage.STORAGE]
        self._note(events.NORMAL, "VolumeResizeSuccessful", f"Resize volume succeeded: {size}")
        spec = msgspec.structs.replace(volume.spec, capacity={storage.STORAGE: size})
        return msgspec.structs.replace(volume, spec=spec)

    # A claim without one.

    def _find(self) -> None:
        if self._claim.spec.storage_class_name is None and (name := storage_classes.name_of(self._view, self._claim)):
            spec = msgspec.structs.replace(self._claim.spec, storage_class_name=name)
            self._claim = msgspec.structs.replace(self._claim, spec=spec)
            self.drafts.update(self._stored, self._claim)
        if self._claim.spec.volume_name:
            self._take_named(self._claim.spec.volume_name)
            return
        everything = self._view.list(VOLUMES)
        kept = next((each for each in everything if _is_kept_for(_volume(each), self._claim)), None)
        if kept is not None:
            self._bind(kept)
            return
        class_name = storage_classes.name_of(self._view, self._claim)
        storage_class = storage_classes.find(self._view, class_name) if class_name else None
        waits = storage_class is not None and storage_class.volume_binding_mode == storage.WAIT_FOR_FIRST_CONSUMER
        node = self._node() if waits else None
        if waits and node is None:
            self.notes.append(volume_notes.waiting(self._claim, self._users))
            return
        self._match(everything, class_name, storage_class, node)

    def _take_named(self, name: str) -> None:
        """Bind the volume that the user named, where it can be had."""
        stored = self._view.get(Key(VOLUMES, "", name))
        if stored is None:
            self._note(events.WARNING, "FailedBinding", f'volume "{name}" not found')
            return
        volume = _volume(stored)
        if volumes.is_for(volume, self._claim):
            self._bind(stored)
        elif volume.spec.claim_ref is not None:
            self._note(events.WARNING, "FailedBinding", f'volume "{name}" already bound to a different claim.')
        elif why := volumes.why_unfit(volume, self._claim, storage_classes.name_of(self._view, self._claim)):
            self._note(events.WARNING, "VolumeMismatch", f'Cannot bind to requested volume "{name}": {why}')
        else:
            self._bind(stored)

    def _match(
        self, everything: Iterable[Stored], class_name: str, storage_class: StorageClass | None, node: Node | None
    ) -> None:
        """Bind the smallest volume that fits, make one, or say why neither can be."""
        by_name = {each.key.name: each for each in everything if node is None or _reaches(node, _volume(each))}
        fitting = volumes.fitting(map(_volume, by_name.values()), self._claim, class_name)
        if fitting:
            self._bind(by_name[fitting[0].metadata.name])
        elif storage_class is not None and node is not None and storage_class.provisioner == storage.LOCAL_PROVISIONER:
            maker = volume_binding.Maker(storage_class, node, self._now, self._rng)
            made = volume_binding.make(self.drafts, self._stored, self._claim, maker)
            self.notes.append(volume_notes.provisioned(self._claim, made))
        else:
            self.notes.append(volume_notes.nothing_fits(self._claim, class_name, storage_class))

    def _bind(self, volume: Stored) -> None:
        volume_binding.bind(self.drafts, self._stored, self._claim, volume, self._now)

    def _node(self) -> Node | None:
        """Return the node of the claim: the one that was chosen, or else that of a Pod that mounts it there."""
        chosen = self._claim.metadata.annotations.get(storage.SELECTED_NODE, "")
        name = chosen or next((pod.spec.node_name for pod in self._users if pod.spec.node_name), "")
        stored = self._view.get(Key(NODES, "", name)) if name else None
        return cast("Node", stored.object) if stored else None

    def _note(self, type_: str, reason: str, message: str) -> None:
        self.notes.append(events.Note(self._claim, type_, reason, message))


def _volume(stored: Stored) -> PersistentVolume:
    return cast("PersistentVolume", stored.object)


def _is_kept_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return volumes.is_for(volume, claim) and not objects.is_terminating(volume)


def _reaches(node: Node, volume: PersistentVolume) -> bool:
    wanted = volumes.required_nodes(volume)
    return wanted is None or affinity.matches(wanted, node.metadata.name, node.metadata.labels)


def _claim_of(volume: Stored) -> Key | None:
    kept_for = _volume(volume).spec.claim_ref
    return Key(CLAIMS, kept_for.namespace, kept_for.name) if kept_for else None


def _unbound(view: View) -> list[Key]:
    return [
        stored.key for stored in view.list(CLAIMS) if not volumes.is_bound(cast("PersistentVolumeClaim", stored.object))
    ]


def _claims_of_pod(change: Change) -> list[Key]:
    """Return the claims of a Pod that came to a node, or went from where it was."""
    before = claims_of(change.old) if change.old else ()
    after = claims_of(change.new) if change.new else ()
    moved = _pod_node(change.old) != _pod_node(change.new)
    return sorted({*before, *after}) if before != after or moved else []


def _pod_node(stored: Stored | None) -> str | None:
    return cast("Pod", stored.object).spec.node_name if stored else None
