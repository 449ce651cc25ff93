"""Who owns what of an object that is written: `metadata.managedFields`, kept by every write of the API. Pure.

docs/decisions/0038.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.queries import WriteOptions
from swarmlet.api.targets import Target
from swarmlet.model import schema
from swarmlet.model.meta import Object
from swarmlet.ownership import entries, tracking
from swarmlet.ownership.entries import Manager


def manager(target: Target, options: WriteOptions) -> Manager:
    """Return as whom a write is done."""
    return entries.manager(options.operation, options.field_manager, target.kind.stored.api_version, target.subresource)


def of_new(target: Target, value: Object, options: WriteOptions, now: datetime) -> Object:
    """Return a new object with its owners; an apply has settled them before."""
    if options.operation == entries.APPLY:
        return value
    return tracking.created(value, manager(target, options), now, schema.definition_of_kind(target.kind.stored))


def of_changed(target: Target, old: Object, new: Object, options: WriteOptions, now: datetime) -> Object:
    """Return a changed object with its owners; an apply has settled them before."""
    if options.operation == entries.APPLY:
        return new
    return tracking.updated(old, new, manager(target, options), now, schema.definition_of_kind(target.kind.stored))
