"""The way of a write to what all share: quotas, addresses, ports. What it takes of them rides in the same command.

Where another write took of the same first, the whole is read and tried anew, so no quota is ever exceeded; what
is refused was judged by a view that holds every write acknowledged before.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from swarmlet.api.targets import Target
from swarmlet.errors import BugError, BusyError, CallerError
from swarmlet.model import objects
from swarmlet.model.meta import Object
from swarmlet.model.services import Service
from swarmlet.store import addresses
from swarmlet.store.allowance import Allowance
from swarmlet.store.commands import Key, Operation, Outcome, Put, Verdict
from swarmlet.store.replica import Replica

ATTEMPTS_MAX = 64
"""Of a create while others take of the same quota; each attempt that fails let another one through."""
GROWING = frozenset({"persistentvolumeclaims", "services"})
"""The resources whose objects may come to use more of a quota after they were made."""


class QuotaDoor:
    """Proposes writes together with what they take of what all share; `rng` chooses among what is free."""

    def __init__(self, replica: Replica, rng: random.Random) -> None:
        self._replica = replica
        self._rng = rng

    async def create(self, target: Target, key: Key, value: Object) -> tuple[Outcome, bytes]:
        """Propose a new object; return what became of it, and the JSON that was proposed.

        Raises `ForbiddenError` where a limit or a quota refuses it, `InvalidError` for an address that another has,
        `BusyError` where others were always first.
        """
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await self._replica.linearize()
            data, charges = await self._admitted(target, value)
            outcome = await self.propose(Put(key, data, expected_revision=0), charges)
            if outcome.verdict is not Verdict.CONFLICT:
                return outcome, data
        raise BusyError(f"the quotas or addresses of namespace {target.namespace} are under contention; try again")

    def growth(self, target: Target, old: Object, new: Object) -> tuple[Object, Sequence[Operation]]:
        """Return a changed object with what it is given, and the operations that charge what it is to use more.

        Raises `ForbiddenError` over a quota, `InvalidError` for an address that another has.
        """
        allowance = Allowance(self._replica.view)
        if target.kind.resource in GROWING:
            allowance.admit_change(target.kind, old, new)
        claims: Sequence[Operation] = ()
        if isinstance(new, Service):
            was = old if isinstance(old, Service) else None
            new, claims = addresses.settled(self._replica.view, new, self._rng, was)
        return new, (*allowance.operations(), *claims)

    def admitted(self, target: Target, value: Object) -> tuple[Object, Sequence[Operation]]:
        """Return a new object with what it is given, and the operations that charge it; raise as `create` does."""
        allowance = Allowance(self._replica.view)
        complete = allowance.admit(target.kind, value)
        claims: Sequence[Operation] = ()
        if isinstance(complete, Service):
            complete, claims = addresses.settled(self._replica.view, complete, self._rng)
        return complete, (*allowance.operations(), *claims)

    async def propose(self, operation: Operation, charges: Sequence[Operation] = ()) -> Outcome:
        """Propose one operation, with what it takes of the quotas; CONFLICT where a quota changed meanwhile."""
        outcome, *others = await self._replica.propose([operation, *charges])
        if outcome.verdict is Verdict.INVALID:
            raise BugError(f"the store refuses what was validated: {outcome.message}")
        if outcome.verdict is Verdict.SKIPPED:
            if any(each.verdict is Verdict.INVALID for each in others):
                raise BugError(f"the store refuses a quota: {[each.message for each in others]}")
            return Outcome(verdict=Verdict.CONFLICT)
        return outcome

    async def _admitted(self, target: Target, value: Object) -> tuple[bytes, Sequence[Operation]]:
        try:
            complete, charges = self.admitted(target, value)
        except CallerError:
            await self._replica.linearize()  # there may be room since a moment ago
            complete, charges = self.admitted(target, value)
        return objects.to_json(complete), charges
