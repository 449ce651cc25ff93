"""Node leases: made from heartbeats when they are read, never stored, so that a beating heart costs no log entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from swarmlet.model import kinds, objects
from swarmlet.model.core import Lease
from swarmlet.store.commands import Key
from swarmlet.store.replica import Stored

NAMESPACE = "kube-node-lease"


class LeaseSource(Protocol):
    """Knows when each node was last heard of. Only the leader hears them, so another daemon asks it."""

    async def leases(self) -> Sequence[Lease]:
        """Return a Lease for each node heard of, by name; raise `UnavailableError` where nobody knows."""


def concerns(resource: str, namespace: str) -> bool:
    """Whether a request is about leases and includes the virtual ones."""
    return resource == kinds.LEASE.resource and namespace in ("", NAMESPACE)


def as_stored(lease: Lease) -> Stored:
    """Return a virtual lease in the form of what is stored; its revision is of no list."""
    key = Key(kinds.LEASE.resource, lease.metadata.namespace, lease.metadata.name)
    return Stored(key, 0, objects.to_json(lease), lease)
