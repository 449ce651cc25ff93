"""The versions of a kind: the store keeps an object in one, a client sees it in the one that it asks for.

A custom kind is converted by name alone (strategy None): apiVersion is another, all else is the same.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.custom import CustomKind
from swarmlet.model.kinds import Kind
from swarmlet.model.versions import conversion
from swarmlet.store.replica import Stored

_KIND = b'","kind":'
_BEFORE = b'{"apiVersion":"'


def shown(kind: Kind, stored: Stored) -> Stored:
    """Return a stored object as one of `kind`'s version: in its JSON. What it is as typed is the store's version."""
    if kind.stored_as:
        data = shown_json(kind, stored.json)
        return Stored(stored.key, stored.revision, data, stored.object, owner_uids=stored.owner_uids)
    if not isinstance(kind, CustomKind):
        return stored
    data = shown_json(kind, stored.json)
    if data is stored.json:
        return stored
    return Stored(stored.key, stored.revision, data, owner_uids=stored.owner_uids)


def shown_json(kind: Kind, data: bytes) -> bytes:
    """Return a stored object's JSON as one of `kind`'s version."""
    if kind.stored_as:
        return msgspec.json.encode(conversion.shown(kind, msgspec.json.decode(data)))
    if not isinstance(kind, CustomKind):
        return data
    wanted = _BEFORE + kind.api_version.encode() + _KIND
    return data if data.startswith(wanted) else wanted + data[data.index(_KIND) + len(_KIND) :]
