"""Many reconciliations in one command: one commit serves them all, and each stands for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swarmlet.controllers.reconciler import Reconciliation
from swarmlet.store.commands import COMMAND_BYTES_MAX, OPERATIONS_MAX, Delete, Key, Operation, Outcome, Verdict

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
        self.operations: list[Operation] = []
        self._members: list[tuple[Ticket, Reconciliation]] = []
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
        if self._members and (
            len(self.operations) + len(operations) > OPERATIONS_MAX or self._bytes + size > BATCH_BYTES_MAX
        ):
            self.is_full = True
            return False
        self.operations += operations
        self._members.append((ticket, reconciliation))
        self._keys |= keys
        self._bytes += size
        return True

    def commands(self) -> Iterator[list[Operation]]:
        """Yield the operations in as many commands as they need: one, unless a single reconciliation is oversized."""
        command: list[Operation] = []
        room = BATCH_BYTES_MAX
        for operation in self.operations:
            size = _size(operation)
            if command and (size > room or len(command) == OPERATIONS_MAX):
                yield command
                command, room = [], BATCH_BYTES_MAX
            command.append(operation)
            room -= size
        yield command

    def tickets(self) -> list[Ticket]:
        """Return whose reconciliations are in."""
        return [ticket for ticket, _ in self._members]

    def results(self, outcomes: Sequence[Outcome]) -> Iterator[tuple[Ticket, Reconciliation, list[Outcome]]]:
        """Yield each reconciliation with those of its operations' outcomes that are not fine."""
        start = 0
        for ticket, reconciliation in self._members:
            end = start + len(reconciliation.operations)
            yield ticket, reconciliation, [each for each in outcomes[start:end] if each.verdict not in FINE]
            start = end


def _size(operation: Operation) -> int:
    return 0 if isinstance(operation, Delete) else len(operation.object)
