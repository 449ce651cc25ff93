"""What a reconciler is: which keys a change concerns, and what is to be done about one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from swarmlet.model import custom, events
from swarmlet.store.commands import Key, Operation
from swarmlet.store.replica import Change, View

EVERY_CUSTOM = "*"
"""In a reconciler's `watches`: the collections of all kinds that users brought."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What brings the world nearer to what is asked for.

    `operations` bear the revisions that were read, so that what changed meanwhile is not overwritten. `events` are
    recorded once all operations took effect. `requeue_after_seconds`: look at the key again then, whatever happens.
    `atomic`: the operations take effect all or not at all; such a one must fit into a command. `refused`: a
    limit or quota of the namespace left no room for something; the key comes back after ever longer, or when there is.
    `why` is told in the history of what was asked for, where an object that users write is changed in their place; such
    a one has a command of its own, as an atomic one has.
    """

    operations: tuple[Operation, ...] = ()
    events: tuple[events.Note, ...] = ()
    requeue_after_seconds: float | None = None
    atomic: bool = False
    refused: bool = False
    why: str = ""


NOTHING = Reconciliation()


class Reconciler(Protocol):
    """Level-based: what it does depends on what is, not on which change woke it; a second call finds nothing to do."""

    name: ClassVar[str]
    watches: ClassVar[frozenset[str]]
    """The resources whose changes it wants to hear of."""

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the keys that a change concerns; called in the applying task, so it must be quick."""

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every key there is to look after: at the beginning of a reign and after a snapshot."""

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return what is to be done about `key`; changes nothing."""


def hears_of(reconciler: Reconciler, resource: str) -> bool:
    """Whether a reconciler wants to hear of the changes of a resource."""
    watches = reconciler.watches
    return resource in watches or (EVERY_CUSTOM in watches and custom.is_custom(resource))
