"""Namespaces: the ones that always are, and the emptying of one that is deleted.

Source: kubernetes pkg/controller/namespace/deletion.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.namespaces import status as namespace_status
from swarmlet.controllers.namespaces.status import Left
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import EVERY_CUSTOM, NOTHING, Reconciliation
from swarmlet.model import kinds, names, objects
from swarmlet.model.base import clock_time
from swarmlet.model.core import Namespace, NamespaceSpec, NamespaceStatus
from swarmlet.model.meta import ObjectMeta
from swarmlet.store import catalogue
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NAMESPACES = kinds.NAMESPACE.resource
ALWAYS = ("default", "kube-node-lease", "kube-public", "kube-system")
"""They exist from the first reign on; the API refuses to delete them."""
FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"
PODS = kinds.POD.resource
REMOVALS_PER_STEP = 500
_CONTENTS = sorted(kind.resource for kind in kinds.SERVED if kind.namespaced)


class Namespaces:
    """The reconciler; `rng` makes the uids of the namespaces that always are."""

    name: ClassVar[str] = "namespaces"
    watches: ClassVar[frozenset[str]] = frozenset({*_CONTENTS, NAMESPACES, EVERY_CUSTOM})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Namespace itself, or one that ends or is gone, to which an object came or which it leaves."""
        if change.key.resource == NAMESPACES:
            return [change.key]
        key = Key(NAMESPACES, "", change.key.namespace)
        stored = view.get(key)
        ends = stored is None or objects.is_terminating(stored.object)
        return [key] if ends and _is_nearer(change) else []

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Namespace, those that should be included."""
        return [Key(NAMESPACES, "", name) for name in ALWAYS] + [stored.key for stored in view.list(NAMESPACES)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the making of a Namespace that must be, or the next step of emptying one that goes."""
        stored = view.get(key)
        drafts = Drafts()
        if stored is None and key.name in ALWAYS:
            drafts.create(kinds.NAMESPACE, new_namespace(key.name, now, self._rng))
        elif stored is None:
            _empty(view, key.name, drafts, now)
        elif objects.is_terminating(stored.object):
            _end(view, stored, drafts, now)
        else:
            return NOTHING
        return Reconciliation(drafts.operations())


def new_namespace(name: str, now: datetime, rng: random.Random) -> Namespace:
    """Return a Namespace as it is when it is made."""
    metadata = ObjectMeta(
        name=name, uid=names.new_uid(rng), creation_timestamp=clock_time(now), labels={NAME_LABEL: name}
    )
    spec, status = NamespaceSpec(finalizers=(FINALIZER,)), NamespaceStatus(phase="Active")
    return Namespace(metadata=metadata, spec=spec, status=status)


def _is_nearer(change: Change) -> bool:
    """Whether an object came, went or is about to go, or is held by others than before."""
    if change.old is None or change.new is None:
        return True
    old, new = change.old.object.metadata, change.new.object.metadata
    return (old.finalizers, old.deletion_timestamp) != (new.finalizers, new.deletion_timestamp)


def _end(view: View, stored: Stored, drafts: Drafts, now: datetime) -> None:
    """Empty the Namespace; when nothing is left in it and nobody else holds it, it goes."""
    namespace = cast("Namespace", stored.object)
    left = _empty(view, stored.key.name, drafts, now)
    others = tuple(each for each in namespace.spec.finalizers if each != FINALIZER)
    if not left.counts and not others and not namespace.metadata.finalizers:
        drafts.erase(stored)
        return
    told = namespace_status.conditions_of(namespace.status.conditions, left, now)
    status = msgspec.structs.replace(namespace.status, phase="Terminating", conditions=told)
    spec = namespace.spec if left.counts else msgspec.structs.replace(namespace.spec, finalizers=others)
    drafts.update(stored, msgspec.structs.replace(namespace, status=status, spec=spec))


def _empty(view: View, name: str, drafts: Drafts, now: datetime) -> Left:
    """Delete what is in the namespace, its Pods first and all else when they have ended; return what is there still.

    What Pods lean on outlives them so. Source: KEP-5080.
    """
    left = Left()
    resources = (*_CONTENTS, *catalogue.custom_resources(view, namespaced=True))
    contents = {resource: view.list(resource, name) for resource in resources}
    going = {PODS: contents[PODS]} if contents[PODS] else contents
    room = REMOVALS_PER_STEP
    for resource, found in contents.items():
        left.add(resource, found)
        staying = [each for each in found if not objects.is_terminating(each.object)] if resource in going else []
        for stored in staying[:room]:
            drafts.remove(stored, now)
        room -= len(staying[:room])
    return left
