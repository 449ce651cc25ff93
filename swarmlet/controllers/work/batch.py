"""Many reconciliations in one command: one commit serves them all, and each stands for itself.

One that is `atomic`, or tells `why`, goes in a command of its own, whose operations take effect all or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swarmlet.controllers.work.reconciler import Reconciliation
from swarmlet.store.commands import COMMAND_BYTES_MAX, OPERATIONS_MAX, Delete, Key, Operation, Outcome, Verdict

ATOMIC_MAX = 64
"""Atomic reconciliations in one batch."""
BATCH_BYTES_MAX = COMMAND_BYTES_MAX * 3 // 4
"""Of objects; the rest is for keys and framing."""

FINE = (Verdict.DONE, Verdict.UNCHANGED)


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A place in the queue: a key, and the name of the reconciler that is to look at it."""

    reconciler: str
    key: Key


class Batch:
    """Reconciliations that go into one command; once it `is_full`, one was refused for want of room."""

    def __init__(self) -> None:
        self._pooled: list[Operation] = []
        self._members: list[tuple[Ticket, Reconciliation]] = []
        self._atomic: list[tuple[Ticket, Reconciliation]] = []
        self._keys: set[Key] = set()
        self._bytes = 0
        self.is_full = False

    def add(self, ticket: Ticket, reconciliation: Reconciliation) -> bool:
        """Take a reconciliation in; False where it has no room, or changes what another one here changes."""
        operations = reconciliation.operations
        keys = {operation.key for operation in operations}
        size = sum(_size(operation) for operation in operations)
        if not self._keys.isdisjoint(keys):
            return False
        if reconciliation.atomic or reconciliation.why:
            return self._add_atomic(ticket, reconciliation, keys)
        if self._members and (
            len(self._pooled) + len(operations) > OPERATIONS_MAX or self._bytes + size > BATCH_BYTES_MAX
        ):
            self.is_full = True
            return False
        self._pooled += operations
        self._members.append((ticket, reconciliation))
        self._keys |= keys
        self._bytes += size
        return True

    def _add_atomic(self, ticket: Ticket, reconciliation: Reconciliation, keys: set[Key]) -> bool:
        if len(self._atomic) == ATOMIC_MAX:
            self.is_full = True
            return False
        self._atomic.append((ticket, reconciliation))
        self._keys |= keys
        return True

    @property
    def operations(self) -> list[Operation]:
        """All operations, in the order of `commands`."""
        return [*self._pooled, *(operation for _, each in self._atomic for operation in each.operations)]

    def commands(self) -> Iterator[list[Operation]]:
        """Yield what stands for itself in as many commands as it needs: one, unless a reconciliation is oversized."""
        command: list[Operation] = []
        room = BATCH_BYTES_MAX
        for operation in self._pooled:
            size = _size(operation)
            if command and (size > room or len(command) == OPERATIONS_MAX):
                yield command
                command, room = [], BATCH_BYTES_MAX
            command.append(operation)
            room -= size
        if command:
            yield command

    def atomic_commands(self) -> Iterator[tuple[Operation, ...]]:
        """Yield the commands that follow those, each to be applied as a whole."""
        return (each.operations for _, each in self.wholes())

    def wholes(self) -> Iterator[tuple[Ticket, Reconciliation]]:
        """Yield whose commands these are."""
        return ((ticket, each) for ticket, each in self._atomic if each.operations)

    def pooled_by(self) -> set[str]:
        """Return the reconcilers of what stands for itself."""
        return {ticket.reconciler for ticket, each in self._members if each.operations}

    def tickets(self) -> list[Ticket]:
        """Return whose reconciliations are in."""
        return [ticket for ticket, _ in (*self._members, *self._atomic)]

    def results(self, outcomes: Sequence[Outcome]) -> Iterator[tuple[Ticket, Reconciliation, list[Outcome]]]:
        """Yield each reconciliation with those of its operations' outcomes that are not fine."""
        start = 0
        for ticket, reconciliation in (*self._members, *self._atomic):
            end = start + len(reconciliation.operations)
            yield ticket, reconciliation, [each for each in outcomes[start:end] if each.verdict not in FINE]
            start = end


def _size(operation: Operation) -> int:
    return 0 if isinstance(operation, Delete) else len(operation.object)
