"""Namespaces: the ones that always are, and the emptying of one that is deleted.

Source: kubernetes pkg/controller/namespace/deletion.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.drafts import Drafts
from swarmlet.controllers.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, kinds, names, objects
from swarmlet.model.base import clock_time
from swarmlet.model.core import Namespace, NamespaceSpec, NamespaceStatus
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NAMESPACES = kinds.NAMESPACE.resource
ALWAYS = ("default", "kube-node-lease", "kube-public", "kube-system")
"""They exist from the first reign on; the API refuses to delete them."""
FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"
REMAINING = "NamespaceContentRemaining"
REMOVALS_PER_STEP = 500


class Namespaces:
    """The reconciler; `rng` makes the uids of the namespaces that always are."""

    name: ClassVar[str] = "namespaces"
    watches: ClassVar[frozenset[str]] = frozenset(kind.resource for kind in kinds.SERVED if kind.namespaced) | {
        NAMESPACES
    }

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Namespace itself, or the one that an object came to or went from while it ends or is gone."""
        if change.key.resource == NAMESPACES:
            return [change.key]
        if change.old is not None and change.new is not None:
            return []
        key = Key(NAMESPACES, "", change.key.namespace)
        stored = view.get(key)
        return [key] if stored is None or objects.is_terminating(stored.object) else []

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


def _end(view: View, stored: Stored, drafts: Drafts, now: datetime) -> None:
    """Empty the Namespace; when nothing is left in it and nobody else holds it, it goes."""
    namespace = cast("Namespace", stored.object)
    left = _empty(view, stored.key.name, drafts, now)
    if not left and not namespace.metadata.finalizers:
        drafts.erase(stored)
        return
    message = "Some resources are remaining: " + ", ".join(f"{name} has {count}" for name, count in left.items())
    told = conditions.drop(namespace.status.conditions, REMAINING)
    if left:
        condition = Condition(type=REMAINING, status="True", reason="SomeResourcesRemain", message=message)
        told = conditions.put(namespace.status.conditions, condition, now)
    status = msgspec.structs.replace(namespace.status, phase="Terminating", conditions=told)
    finalizers = tuple(each for each in namespace.spec.finalizers if each != FINALIZER) if not left else None
    spec = namespace.spec if finalizers is None else msgspec.structs.replace(namespace.spec, finalizers=finalizers)
    drafts.update(stored, msgspec.structs.replace(namespace, status=status, spec=spec))


def _empty(view: View, name: str, drafts: Drafts, now: datetime) -> dict[str, int]:
    """Delete what is in the namespace; return how much is there still, by resource."""
    left: dict[str, int] = {}
    room = REMOVALS_PER_STEP
    for resource in sorted(Namespaces.watches - {NAMESPACES}):
        contents = view.list(resource, name)
        if contents:
            left[resource] = len(contents)
        for stored in contents[:room]:
            drafts.remove(stored, now)
        room -= len(contents[:room])
    return left
