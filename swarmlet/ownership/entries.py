"""The entries of `metadata.managedFields`: who owns what, since when, and through which door.

They are kept as the bytes that were stored: only a write that has to look into them reads them.
Source: k8s.io/apimachinery/pkg/util/managedfields/internal (managedfields.go, capmanagers.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from swarmlet.model.meta import ManagedFieldsEntry
from swarmlet.ownership import sets
from swarmlet.ownership.sets import Fields

Operation = Literal["Apply", "Update"]
APPLY: Operation = "Apply"
UPDATE: Operation = "Update"
FIELDS_TYPE = "FieldsV1"
UPDATERS_MAX = 10
"""Managers of an object that update it; over it the oldest become one, `ANCIENT`."""
ANCIENT = "ancient-changes"

_encoder = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True, order=True)
class Manager:
    """Who writes: one name is another manager for each operation and subresource.

    Of one that applies the version does not matter, and is "".
    """

    operation: Operation
    name: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What one manager owns, and when it last changed something."""

    fields: Fields
    time: datetime | None = None
    api_version: str = ""


Managers = dict[Manager, Share]


def manager(operation: Operation, name: str, api_version: str, subresource: str = "") -> Manager:
    """Return a manager as entries tell it apart from others."""
    return Manager(operation, name, api_version if operation == UPDATE else "", subresource)


def read(entries: Sequence[ManagedFieldsEntry]) -> Managers:
    """Return what entries say; nothing where one of them cannot be read, as Kubernetes does."""
    found: Managers = {}
    for entry in entries:
        fields = _fields(entry)
        if fields is None or entry.operation not in (APPLY, UPDATE):
            return {}
        operation = APPLY if entry.operation == APPLY else UPDATE
        who = manager(operation, entry.manager, entry.api_version, entry.subresource)
        found[who] = Share(fields, entry.time, entry.api_version)
    return found


def written(managers: Mapping[Manager, Share]) -> tuple[ManagedFieldsEntry, ...]:
    """Return the entries that say it, in Kubernetes' order; who owns nothing has none."""
    kept = [(who, share) for who, share in _capped(managers).items() if share.fields]
    return tuple(_entry(who, share) for who, share in sorted(kept, key=_position))


def _fields(entry: ManagedFieldsEntry) -> Fields | None:
    try:
        fields = msgspec.json.decode(bytes(entry.fields_v1) or b"{}")
    except msgspec.MsgspecError:
        return None
    return fields if sets.is_set(fields) else None


def _entry(who: Manager, share: Share) -> ManagedFieldsEntry:
    return ManagedFieldsEntry(
        manager=who.name,
        operation=who.operation,
        api_version=share.api_version or who.api_version,
        time=share.time,
        fields_type=FIELDS_TYPE,
        fields_v1=msgspec.Raw(_encoder.encode(share.fields)),
        subresource=who.subresource,
    )


def _position(item: tuple[Manager, Share]) -> tuple[str, float, Manager]:
    who, share = item
    return who.operation, share.time.timestamp() if share.time else 0.0, who


def _capped(managers: Mapping[Manager, Share]) -> Mapping[Manager, Share]:
    updaters = sorted(((who, share) for who, share in managers.items() if who.operation == UPDATE), key=_position)
    over = len(updaters) - UPDATERS_MAX
    if over <= 0:
        return managers
    oldest = updaters[: over + 1]
    result = {who: share for who, share in managers.items() if who not in dict(oldest)}
    for who, share in oldest:
        ancient = Manager(UPDATE, ANCIENT, who.api_version, who.subresource)
        before = result.get(ancient, Share({}))
        result[ancient] = Share(sets.union(before.fields, share.fields), share.time, who.api_version)
    return result


def owned(shares: Iterable[Share]) -> Fields:
    """Return what any of them owns."""
    found: Fields = {}
    for share in shares:
        found = sets.union(found, share.fields)
    return found
