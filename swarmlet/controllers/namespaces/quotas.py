"""ResourceQuotas: what their namespaces use of them, counted from the objects themselves.

Whoever makes an object raises what is used in the same command (`store.allowance`); this lowers it again where
objects go or Pods end, and tells what is used of a quota that is new. Source: kubernetes pkg/controller/resourcequota.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import EVERY_CUSTOM, NOTHING, Reconciliation
from swarmlet.model import amounts, kinds, objects, usage
from swarmlet.model.pod import Pod
from swarmlet.model.quotas import ResourceQuota, ResourceQuotaStatus
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View
from swarmlet.store.tally import Tally

QUOTAS = kinds.RESOURCE_QUOTA.resource


class Quotas:
    """The reconciler; it remembers what it counted, so that one change costs no look at everything."""

    name: ClassVar[str] = "quotas"
    watches: ClassVar[frozenset[str]] = (
        frozenset({EVERY_CUSTOM, *(kind.resource for kind in kinds.SERVED if kind.namespaced)}) - usage.UNCOUNTED
    )

    def __init__(self) -> None:
        self._tallies: dict[Key, Tally] = {}

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the quota itself, or those that count an object which came, went or uses something else now."""
        concerned = [each.key for each in view.list(QUOTAS, change.key.namespace)]
        if change.key.resource == QUOTAS:
            return [change.key] if change.old is not None and change.new is not None else [change.key, *concerned]
        return concerned if concerned and _use(change.old) != _use(change.new) else []

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every ResourceQuota."""
        return [stored.key for stored in view.list(QUOTAS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the quota's status as it should be."""
        stored = view.get(key)
        if stored is None:
            self._tallies.pop(key, None)
            return NOTHING
        quota = cast("ResourceQuota", stored.object)
        tally = self._tally(key, quota)
        status = ResourceQuotaStatus(hard=quota.spec.hard, used=amounts.written(tally.used(view, now)))
        drafts = Drafts()
        drafts.update(stored, msgspec.structs.replace(quota, status=status))
        return drafts.reconciliation(wait=tally.seconds_to_next(now))

    def _tally(self, key: Key, quota: ResourceQuota) -> Tally:
        tally = self._tallies.get(key)
        if tally is None or tally.spec != quota.spec:
            tally = self._tallies[key] = Tally(key.namespace, quota.spec)
        return tally


def _use(stored: Stored | None) -> tuple[object, ...]:
    """Return what decides how much an object uses."""
    if stored is None:
        return ()
    value = stored.object
    deadline = value.spec.active_deadline_seconds if isinstance(value, Pod) else None  # some scopes go by it
    return usage.of(stored.key.resource, value), objects.is_terminating(value), deadline
