"""A replica that is none: what is proposed to it is applied to a fork of the store, noted, and goes nowhere.

So the write path of the API, unchanged, says what a write would come to: a `Writer` on a `Trial`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swarmlet.errors import BugError
from swarmlet.store.commands import Command, Delete, Key, Operation, Outcome, Put, Verdict
from swarmlet.store.replica import Change, Fork, Replica, ReplicaStatus, View


class Trial:
    """A `Replica` on a fork of a view; `before` is another fork, which stays as it was."""

    def __init__(self, replica: Replica) -> None:
        self.before: View = replica.view.fork()
        self.fork: Fork = replica.view.fork()
        self._changes: list[Change] = []
        self._proposed: dict[Key, Operation] = {}
        self._status = replica.status()
        self._unsubscribe = self.fork.subscribe(self._changes.extend)

    @property
    def view(self) -> View:
        return self.fork

    @property
    def is_leader(self) -> bool:
        return False

    async def propose(
        self, operations: Sequence[Operation], *, atomic: bool = True, **_: object
    ) -> tuple[Outcome, ...]:
        """Apply the operations to the fork; those that took effect are noted."""
        outcomes = self.fork.apply(Command(b"", tuple(operations), atomic))
        self._proposed |= {
            operation.key: operation
            for operation, outcome in zip(operations, outcomes, strict=True)
            if outcome.verdict is Verdict.DONE
        }
        return outcomes

    async def linearize(self, **_: object) -> None:
        """Return at once: a fork has no newer state than its own."""

    def changes(self) -> tuple[Change, ...]:
        """Return what the proposals changed, and listen no longer: what happens to the fork now is others' doing."""
        self._unsubscribe()
        return tuple(self._changes)

    def operations(self) -> tuple[Operation, ...]:
        """Return what all proposals together make of the state before: one operation for each object they wrote."""
        return tuple(each for key, last in self._proposed.items() if (each := self._net(key, last)) is not None)

    def status(self) -> ReplicaStatus:
        return self._status

    def on_leadership(self, listener: Callable[[bool], None]) -> None:
        """Return: nobody ever leads a fork."""

    async def _change_members(self, *_: object, **__: object) -> None:
        raise BugError("a trial has no members")

    add_member = remove_member = transfer_leadership = _change_members

    def _net(self, key: Key, last: Operation) -> Operation | None:
        """Return the last operation of an object as it must be proposed against the state before; None for nothing."""
        old = self.before.get(key)
        if isinstance(last, Delete):
            return Delete(key, expected_revision=old.revision) if old else None
        return Put(key, last.object, expected_revision=old.revision if old else 0)
