"""What the objects of a namespace use of one ResourceQuota, kept in step with the store."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from swarmlet.errors import ExpiredError
from swarmlet.model import amounts, objects, usage
from swarmlet.model.quantity import Quantity
from swarmlet.model.quotas import ResourceQuota, ResourceQuotaSpec
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored, View


class Tally:
    """Counts everything once and then only what changes, so that one change among many objects costs little."""

    def __init__(self, namespace: str, spec: ResourceQuotaSpec) -> None:
        self.spec = spec
        self._namespace = namespace
        self._resources = sorted({usage.resource_of(name) for name in spec.hard})
        self._shares: dict[Key, dict[str, Quantity]] = {}
        self._overdue: dict[Key, datetime] = {}
        self._totals: dict[str, Quantity] = {}
        self._revision = -1

    def used(self, view: View, now: datetime | None = None) -> dict[str, Quantity]:
        """Return what is used now, by each name of the quota's `hard`.

        A Pod whose grace has passed `now` and whose node has not let it go is not counted: its replacement needs the
        room.
        """
        self._catch_up(view)
        total = {name: self._totals.get(name, amounts.ZERO) for name in self.spec.hard}
        for key, deadline in self._overdue.items():
            if now is not None and deadline < now:
                total |= {name: amounts.minus(total[name], amount) for name, amount in self._shares[key].items()}
        return total

    def seconds_to_next(self, now: datetime) -> float | None:
        """Return in how many seconds a Pod that is about to go stops counting, gone or not."""
        waits = ((deadline - now).total_seconds() for deadline in self._overdue.values())
        return min((wait + 1 for wait in waits if wait >= 0), default=None)

    def _catch_up(self, view: View) -> None:
        if not 0 <= self._revision <= view.revision:
            self._rebuild(view)
        elif self._revision < view.revision:
            try:
                for resource in self._resources:
                    for change in view.changes_since(resource, self._revision):
                        if change.key.namespace == self._namespace:
                            self._note(change.key, change.new)
            except ExpiredError:
                self._rebuild(view)
        self._revision = view.revision

    def _rebuild(self, view: View) -> None:
        self._shares.clear()
        self._overdue.clear()
        self._totals.clear()
        for resource in self._resources:
            for stored in view.list(resource, self._namespace):
                self._note(stored.key, stored)

    def _note(self, key: Key, stored: Stored | None) -> None:
        for name, amount in self._shares.pop(key, {}).items():
            self._totals[name] = amounts.minus(self._totals[name], amount)
        self._overdue.pop(key, None)
        share = usage.counted(self.spec, key.resource, stored.object) if stored else {}
        if stored is None or not share:
            return
        self._shares[key] = share
        self._totals = amounts.added(self._totals, share)
        if key.resource == usage.PODS and objects.is_terminating(stored.object):
            self._overdue[key] = cast("datetime", stored.object.metadata.deletion_timestamp)


def is_up_to_date(quota: ResourceQuota) -> bool:
    """Whether the status tells what is used of all that the spec limits now."""
    return quota.status.hard == quota.spec.hard and quota.status.used.keys() == quota.spec.hard.keys()
