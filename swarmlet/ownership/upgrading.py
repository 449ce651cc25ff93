"""From client-side to server-side apply: what was applied on the client's side becomes one manager's.

Source: k8s.io/client-go/util/csaupgrade/upgrade.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model.meta import ManagedFieldsEntry
from swarmlet.ownership import entries, sets
from swarmlet.ownership.applying import LAST_APPLIED
from swarmlet.ownership.entries import Manager, Share

_ANNOTATION: sets.Fields = {"f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}}


def upgraded(stored: Sequence[ManagedFieldsEntry], who: Manager) -> tuple[ManagedFieldsEntry, ...] | None:
    """Return the entries with all that clients applied as `who`'s; None where nothing is to be taken over.

    The annotation that clients keep stays theirs, so that it does not go with the next apply.
    """
    managers = entries.read(stored)
    clients = {
        each: share
        for each, share in managers.items()
        if (each.operation, each.subresource) == (entries.UPDATE, "") and sets.intersection(share.fields, _ANNOTATION)
    }
    taken = sets.difference(entries.owned(clients.values()), _ANNOTATION)
    if not taken:
        return None
    mine = managers.get(who, Share({}))
    kept = {each: Share(_ANNOTATION, share.time, share.api_version) for each, share in clients.items()}
    version = mine.api_version or next(iter(clients.values())).api_version
    whole = Share(sets.union(mine.fields, taken), mine.time or next(iter(clients.values())).time, version)
    return entries.written({**managers, **kept, who: whole})
