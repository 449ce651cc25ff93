"""Plans that nobody applied are forgotten when their time is over, and with them the Secrets that they may hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import kinds
from swarmlet.model.kept_plans import KeptPlan
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

PLANS = kinds.KEPT_PLAN.resource
ALL = Key(PLANS, "", "")
MARGIN_SECONDS = 1.0
"""Times are kept in whole seconds."""


class PlanExpiry:
    """The reconciler; it has one key, and wakes when the next plan is over."""

    name: ClassVar[str] = "plan-expiry"
    watches: ClassVar[frozenset[str]] = frozenset({PLANS})

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one key."""
        return (ALL,)

    def all_keys(self, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one key."""
        return (ALL,)

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:  # noqa: ARG002  there is one key
        """Return the removals of what is over its time."""
        drafts, waits = Drafts(), []
        for stored in view.list(PLANS):
            expires = cast("KeptPlan", stored.object).expires
            left = (expires - now).total_seconds() if expires else 0.0
            if left <= 0:
                drafts.erase(stored)
            else:
                waits.append(left + MARGIN_SECONDS)
        operations = drafts.operations()
        return (
            Reconciliation(operations, requeue_after_seconds=min(waits, default=None))
            if operations or waits
            else NOTHING
        )
