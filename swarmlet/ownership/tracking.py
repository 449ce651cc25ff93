"""What a write that is no apply does to managedFields: its manager owns what it changed, and nobody else does.

Source: structured-merge-diff merge/update.go (Update), managedfields/internal/managedfieldsupdater.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from swarmlet.model import objects, schema
from swarmlet.model.base import clock_time
from swarmlet.model.meta import ManagedFieldsEntry
from swarmlet.model.objects import ObjectType
from swarmlet.ownership import comparing, entries, sets
from swarmlet.ownership.entries import Manager, Managers, Share
from swarmlet.ownership.extracting import NOBODYS

Document = dict[str, Any]


def carried(old: Sequence[ManagedFieldsEntry], new: Sequence[ManagedFieldsEntry]) -> tuple[ManagedFieldsEntry, ...]:
    """Return the entries that a write begins with: those that it brings where they can be read, else the old ones.

    One empty entry is how a client asks that the object be tracked no longer.
    """
    if tuple(new) == (ManagedFieldsEntry(),):
        return ()
    return tuple(new) if entries.read(new) else tuple(old)


def created(value: ObjectType, who: Manager, now: datetime, definition: str = "") -> ObjectType:
    """Return a new object of a type with the manager that makes it as the owner of all that it sets."""
    return _tracked({}, value, who, now, definition)


def updated(old: ObjectType, new: ObjectType, who: Manager, now: datetime, definition: str = "") -> ObjectType:
    """Return a changed object of a type with who changed it as the owner of the changes; an untracked one stays so.

    `new` bears the entries that the write begins with.
    """
    if not new.metadata.managed_fields:
        return new
    return _tracked(objects.to_document(old), new, who, now, definition)


def _tracked(before: Document, new: ObjectType, who: Manager, now: datetime, definition: str) -> ObjectType:
    managers = entries.read(new.metadata.managed_fields)
    definition = definition or schema.definition_of(new.api_version, new.kind)
    found = comparing.compare(before, objects.to_document(new), definition)
    taken, removed = without_nobodys(found.taken), found.removed
    if not taken and not removed:
        return new
    changed = yielding(managers, taken, removed)
    if taken:
        before_it = changed.get(who, Share({})).fields
        changed[who] = Share(sets.union(before_it, taken), clock_time(now), new.api_version)
    return with_managers(new, changed)


def yielding(managers: Managers, taken: sets.Fields, removed: sets.Fields) -> Managers:
    """Return what managers own once somebody else took some fields and some are no more."""
    gone = sets.union(taken, removed)
    return {
        who: Share(sets.difference(share.fields, gone), share.time, share.api_version)
        for who, share in managers.items()
    }


def with_managers(value: ObjectType, managers: Managers) -> ObjectType:
    """Return an object with these managers."""
    return objects.with_metadata(value, managed_fields=entries.written(managers))


def without_nobodys(fields: sets.Fields) -> sets.Fields:
    """Return a set without what nobody owns."""
    return sets.difference(fields, NOBODYS)
