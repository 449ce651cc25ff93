"""Gives back the cluster IPs and node ports of Services that are gone, or that do not have them any more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

from swarmlet.controllers.work.drafts import update
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model.services import AddressClaim, Service
from swarmlet.store import addresses
from swarmlet.store.addresses import CLAIMS, SERVICES
from swarmlet.store.commands import Delete, Key
from swarmlet.store.replica import Change, Stored, View


class ServiceAddresses:
    """The reconciler; a key names a claim."""

    name: ClassVar[str] = "service-addresses"
    watches: ClassVar[frozenset[str]] = frozenset({SERVICES})

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the claims of what a Service had and has no more."""
        gone = _claimed(change.old) - _claimed(change.new)
        return [Key(CLAIMS, "", name) for name in sorted(gone)]

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every claim."""
        return [stored.key for stored in view.list(CLAIMS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:  # noqa: ARG002  the shape of a reconciler
        """Remove a claim that nobody holds, while the Service is as it was read: it may ask for the same again."""
        stored = view.get(key)
        if stored is None or addresses.is_held(view, claim := cast("AddressClaim", stored.object)):
            return NOTHING
        erasure = Delete(stored.key, expected_revision=stored.revision, expected_uid=stored.object.metadata.uid)
        service = view.get(addresses.holder(claim))
        if service is None:
            return Reconciliation((erasure,))
        return Reconciliation((update(service, service.object), erasure), atomic=True)


def _claimed(stored: Stored | None) -> set[str]:
    return set(addresses.claims_of(cast("Service", stored.object))) if stored else set()
