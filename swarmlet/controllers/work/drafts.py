"""The objects that one reconciliation changes, each as it is to become, turned into operations at the end.

So a rule that touches an object twice still makes one write, and one that changes nothing makes none.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from swarmlet.controllers.work.reconciler import Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import defaults, dependencies, events, kinds, objects, pods, singletons
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.store.allowance import Allowance
from swarmlet.store.commands import COMMAND_BYTES_MAX, OPERATIONS_MAX, Delete, Key, Operation, Put
from swarmlet.store.replica import Stored, View

DEFAULT_GRACE_SECONDS = 30
CREATED_MAX = OPERATIONS_MAX // 2
CREATED_BYTES_MAX = COMMAND_BYTES_MAX // 2
"""Of new objects in one reconciliation: what a quota counts must go into one command, with all else that it does."""


def key_of(kind: kinds.Kind, value: Object) -> Key:
    """Return the key under which the store keeps `value`."""
    return Key(kind.resource, value.metadata.namespace, value.metadata.name)


def creation(kind: kinds.Kind, value: Object) -> Put:
    """Return the operation that makes an object which must not exist."""
    return Put(key_of(kind, value), objects.to_json(value), expected_revision=0)


def update(stored: Stored, value: Object) -> Put:
    """Return the operation that replaces the object as it was read."""
    bare = objects.with_metadata(value, resource_version="")
    return Put(
        stored.key,
        objects.to_json(bare),
        expected_revision=stored.revision,
        expected_uid=value.metadata.uid,
    )


def removal(stored: Stored, now: datetime, value: Object | None = None) -> Operation | None:
    """Return what deleting an object takes, None where it is under way already; as `value`, where it changes too.

    A Pod on a node is marked, and its agent removes it after its grace (a strict singleton without grace too); an
    object with finalizers is marked, and whoever holds them removes it; anything else goes at once.
    """
    value = stored.object if value is None else value
    grace = _grace_seconds(value)
    held = isinstance(value, Pod) and singletons.is_held(value)
    if not grace and not held and not value.metadata.finalizers:
        return _erasure(stored)
    if objects.is_terminating(value):
        return None
    return update(stored, terminating(value, now, grace))


def terminating(value: objects.ObjectType, now: datetime, grace_seconds: int = 0) -> objects.ObjectType:
    """Return the object marked for deletion. As in Kubernetes, the time it bears is when the grace ends."""
    return objects.with_metadata(
        value,
        deletion_timestamp=clock_time(now + timedelta(seconds=grace_seconds)),
        deletion_grace_period_seconds=grace_seconds,
        generation=value.metadata.generation + 1 if value.metadata.generation else 0,
    )


class Drafts:
    """Objects read by this reconciliation and what becomes of them.

    Whoever makes objects in a namespace hands in the view: what is made passes the namespace's limits and quotas.
    """

    def __init__(self, view: View | None = None) -> None:
        self._updates: dict[Key, tuple[Stored, Object]] = {}
        self._rest: list[Operation] = []
        self._allowance = Allowance(view) if view is not None else None
        self._created = 0
        self._created_bytes = 0
        self._refused = False

    def update(self, stored: Stored, value: Object) -> None:
        """Let the object become `value`; a later call for the same object wins."""
        self._updates[stored.key] = (stored, value)

    @property
    def has_room(self) -> bool:
        """Whether more objects can be made; the rest follows in the next step, or when a quota has room again."""
        return not self._refused and self._created < CREATED_MAX and self._created_bytes < CREATED_BYTES_MAX

    def create(self, kind: kinds.Kind, value: Object) -> None:
        """Make an object; a Pod with what the control plane adds to each.

        Raises `CallerError`, and makes nothing, where a limit or quota of the namespace forbids it.
        """
        assert self._allowance or not kind.namespaced, "what is made in a namespace needs the view"
        if isinstance(value, Pod):
            value = pods.admitted(dependencies.gated(defaults.requesting(value)))
        if self._allowance:
            try:
                value = self._allowance.admit(kind, value)
            except CallerError:
                self._refused = True
                raise
        operation = creation(kind, value)
        self._created += 1
        self._created_bytes += len(operation.object)
        self._rest.append(operation)

    def remove(self, stored: Stored, now: datetime, value: Object | None = None) -> None:
        """Delete an object, with its grace; where it is to change before it goes, as `value`."""
        self._updates.pop(stored.key, None)
        operation = removal(stored, now, value)
        if operation is not None:
            self._rest.append(operation)

    def terminate(self, stored: Stored, value: Object, now: datetime) -> None:
        """Let the object become `value`, marked for deletion: it has finalizers, and goes when they are off."""
        self.update(stored, terminating(value, now))

    def erase(self, stored: Stored) -> None:
        """Remove an object for good."""
        self._updates.pop(stored.key, None)
        self._rest.append(_erasure(stored))

    def operations(self) -> tuple[Operation, ...]:
        """Return the operations; an object that became what it was needs none."""
        changed = (update(stored, value) for stored, value in self._updates.values() if value != stored.object)
        return (*self._rest, *changed, *(self._allowance.operations() if self._allowance else ()))

    def reconciliation(
        self, notes: Iterable[events.Note] = (), wait: float | None = None, *, atomic: bool = False
    ) -> Reconciliation:
        """Return all of it with what is said about it; together with the quotas that count it, as a whole."""
        charged = self._allowance is not None and self._allowance.is_charged
        return Reconciliation(self.operations(), tuple(notes), wait, atomic=atomic or charged, refused=self._refused)


def _erasure(stored: Stored) -> Delete:
    return Delete(stored.key, expected_revision=stored.revision, expected_uid=stored.object.metadata.uid)


def _grace_seconds(value: Object) -> int:
    if not isinstance(value, Pod) or not value.spec.node_name:
        return 0
    grace = value.spec.termination_grace_period_seconds
    return DEFAULT_GRACE_SECONDS if grace is None else grace
