"""Garbage collection by ownerReferences: what has lost its last owner goes, as the owner's deletion asked for.

Background (the default): the owner goes at once and its dependents follow. Foreground (finalizer `foregroundDeletion`):
the owner stays until the dependents that block it are gone. Orphan (finalizer `orphan`): the dependents are let go.
Source: kubernetes pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import EVERY_CUSTOM, NOTHING, Reconciliation
from swarmlet.model import kinds, objects
from swarmlet.model.meta import Object, OwnerReference
from swarmlet.model.pod import Pod
from swarmlet.store import catalogue
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
DEPENDENTS_PER_STEP = 500


class Garbage:
    """The reconciler; a key names an object that is a dependent, an owner about to go, or both."""

    name: ClassVar[str] = "garbage"
    watches: ClassVar[frozenset[str]] = frozenset(
        (EVERY_CUSTOM, *(kind.resource for kind in kinds.SERVED if kind not in (kinds.EVENT, kinds.LEASE)))
    )

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the object where its owners or its going matter; when it is gone, its owners and its dependents."""
        if change.new is None:
            assert change.old is not None, "a change has a before or an after"
            value = change.old.object
            dependents = [each.key for each in view.by_owner(value.metadata.uid)]
            owners = (owner_key(view, each, value) for each in value.metadata.owner_references)
            return dependents + [key for key in owners if key]
        if objects.is_terminating(change.new.object):
            return [change.key]
        references = change.new.object.metadata.owner_references
        before = change.old.object.metadata.owner_references if change.old else ()
        return [change.key] if references != before else []

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every object that has owners or is about to go."""
        return [
            stored.key
            for resource in (*sorted(self.watches), *catalogue.custom_resources(view))
            for stored in view.list(resource)
            if stored.owner_uids or objects.is_terminating(stored.object)
        ]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return what the object's owners, or its own deletion, ask for."""
        stored = view.get(key)
        if stored is None:
            return NOTHING
        drafts = Drafts()
        more = False
        if objects.is_terminating(stored.object):
            more = _finish(view, stored, drafts, now)
        elif stored.object.metadata.owner_references:
            _judge_dependent(view, stored, drafts, now)
        return Reconciliation(drafts.operations(), requeue_after_seconds=0.0 if more else None)


def owner_key(view: View, reference: OwnerReference, dependent: Object) -> Key | None:
    """Return where the owner would be in the store; None for a kind that this version does not know."""
    kind = kinds.BY_GVK.get((reference.api_version, reference.kind))
    if kind is not None:
        resource, namespaced = kind.resource, kind.namespaced
    else:
        place = catalogue.collection(view, reference.api_version, reference.kind)
        if place is None:
            return None
        resource, namespaced = place
    return Key(resource, dependent.metadata.namespace if namespaced else "", reference.name)


# An object that has owners.


def _judge_dependent(view: View, stored: Stored, drafts: Drafts, now: datetime) -> None:
    """Delete the object when no owner is left to want it; otherwise drop the references that lead nowhere."""
    solid: list[OwnerReference] = []
    waiting: list[OwnerReference] = []
    references = stored.object.metadata.owner_references
    for reference in references:
        state = _owner_state(view, reference, stored.object)
        if state != "absent":
            (waiting if state == "waiting" else solid).append(reference)
    if solid:
        if len(solid) < len(references):
            drafts.update(stored, objects.with_metadata(stored.object, owner_references=tuple(solid)))
    elif waiting:
        _remove_with_dependents(view, stored, drafts, now)
    else:
        drafts.remove(stored, now)


def _owner_state(view: View, reference: OwnerReference, dependent: Object) -> str:
    """Return "absent", "waiting" (it goes once its dependents are gone) or "solid"; a kind not known here is solid."""
    key = owner_key(view, reference, dependent)
    if key is None:
        return "solid"
    stored = view.get(key)
    if stored is None or stored.object.metadata.uid != reference.uid:
        return "absent"
    going = objects.is_terminating(stored.object) and FOREGROUND in stored.object.metadata.finalizers
    return "waiting" if going else "solid"


def _remove_with_dependents(view: View, stored: Stored, drafts: Drafts, now: datetime) -> None:
    """Delete a dependent in the foreground too, where it has dependents of its own."""
    value = stored.object
    if FOREGROUND in value.metadata.finalizers or not view.by_owner(value.metadata.uid):
        drafts.remove(stored, now)
        return
    marked = objects.with_metadata(value, finalizers=(*value.metadata.finalizers, FOREGROUND))
    drafts.terminate(stored, marked, now)


# An object that is about to go.


def _finish(view: View, stored: Stored, drafts: Drafts, now: datetime) -> bool:
    """Bring an object's deletion forward; return whether there is more to do at once."""
    value = stored.object
    dependents = view.by_owner(value.metadata.uid)
    if ORPHAN in value.metadata.finalizers:
        return _orphan(stored, dependents, drafts)
    if FOREGROUND in value.metadata.finalizers:
        return _foreground(view, stored, dependents, drafts, now)
    if not value.metadata.finalizers and not _is_finished_elsewhere(value):
        drafts.erase(stored)
    return False


def _orphan(stored: Stored, dependents: Sequence[Stored], drafts: Drafts) -> bool:
    uid = stored.object.metadata.uid
    for each in dependents[:DEPENDENTS_PER_STEP]:
        references = tuple(ref for ref in each.object.metadata.owner_references if ref.uid != uid)
        drafts.update(each, objects.with_metadata(each.object, owner_references=references))
    if not dependents:
        _drop_finalizer(stored, ORPHAN, drafts)
    return bool(dependents)


def _foreground(view: View, stored: Stored, dependents: Sequence[Stored], drafts: Drafts, now: datetime) -> bool:
    if not any(_blocks(each, stored) for each in dependents):
        _drop_finalizer(stored, FOREGROUND, drafts)
        return False
    for each in dependents[:DEPENDENTS_PER_STEP]:
        if not objects.is_terminating(each.object):
            _judge_dependent(view, each, drafts, now)
    return len(dependents) > DEPENDENTS_PER_STEP and bool(drafts.operations())


def _blocks(dependent: Stored, owner: Stored) -> bool:
    uid = owner.object.metadata.uid
    return any(each.uid == uid and each.block_owner_deletion for each in dependent.object.metadata.owner_references)


def _drop_finalizer(stored: Stored, finalizer: str, drafts: Drafts) -> None:
    """Take our finalizer off; without any left, an object that is about to go is gone."""
    left = tuple(each for each in stored.object.metadata.finalizers if each != finalizer)
    if left or _is_finished_elsewhere(stored.object):
        drafts.update(stored, objects.with_metadata(stored.object, finalizers=left))
    else:
        drafts.erase(stored)


def _is_finished_elsewhere(value: Object) -> bool:
    """A Pod on a node is finished by its agent, a Namespace by `namespaces`."""
    return value.kind == "Namespace" or (isinstance(value, Pod) and bool(value.spec.node_name))
