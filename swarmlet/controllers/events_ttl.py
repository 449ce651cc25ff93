"""Events are forgotten an hour after they last happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, cast

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import Reconciliation
from swarmlet.model import kinds
from swarmlet.model.core import Event
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

EVENTS = kinds.EVENT.resource
LIFETIME = timedelta(hours=1)
LOOK_SECONDS = 60.0
EVENTS_PER_STEP = 500
EVENTS_MAX = 20_000
"""Above it the oldest go before their time."""
ALL = Key(EVENTS, "", "")
BEGINNING = datetime.fromtimestamp(0, UTC)


class EventExpiry:
    """The reconciler; it has one key and looks once a minute."""

    name: ClassVar[str] = "event-expiry"
    watches: ClassVar[frozenset[str]] = frozenset()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return nothing: time alone matters."""
        return ()

    def all_keys(self, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one key."""
        return (ALL,)

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:  # noqa: ARG002  there is one key
        """Return the removals of what is over its time."""
        aged = sorted((_last_seen(cast("Event", stored.object)), stored.key, stored) for stored in view.list(EVENTS))
        surplus = max(0, len(aged) - EVENTS_MAX)
        old = [stored for number, (at, _, stored) in enumerate(aged) if number < surplus or now - at >= LIFETIME]
        drafts = Drafts()
        for stored in old[:EVENTS_PER_STEP]:
            drafts.erase(stored)
        return Reconciliation(
            drafts.operations(), requeue_after_seconds=0.0 if len(old) > EVENTS_PER_STEP else LOOK_SECONDS
        )


def _last_seen(event: Event) -> datetime:
    return event.last_timestamp or event.event_time or event.metadata.creation_timestamp or BEGINNING
