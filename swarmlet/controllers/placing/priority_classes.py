"""The priority classes that every cluster has."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import kinds, names, objects, scheduling
from swarmlet.model.base import clock_time
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

CLASSES = kinds.PRIORITY_CLASS.resource
SYSTEM = {Key(CLASSES, "", each.metadata.name): each for each in scheduling.SYSTEM_CLASSES}


class PriorityClasses:
    """The reconciler: the system classes exist from the first reign on."""

    name: ClassVar[str] = "priority-classes"
    watches: ClassVar[frozenset[str]] = frozenset({CLASSES})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the class, where it is the system's."""
        return (change.key,) if change.key in SYSTEM else ()

    def all_keys(self, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the system's classes."""
        return SYSTEM

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the making of a class where it is missing."""
        if view.get(key) is not None:
            return NOTHING
        drafts = Drafts()
        made = objects.with_metadata(SYSTEM[key], uid=names.new_uid(self._rng), creation_timestamp=clock_time(now))
        drafts.create(kinds.PRIORITY_CLASS, made)
        return Reconciliation(drafts.operations())
