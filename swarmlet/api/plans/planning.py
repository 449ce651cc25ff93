"""What would become of a request: the write path and the controllers, run on a fork of the store.

    draft = await planner.draft(request, seed)
    draft.plan                               # what people are shown
    draft.operations                         # what would be proposed, in one command

Admission, defaults, limits and quotas are those of the write path itself (`writes.Writer` on a `trial.Trial`); what
follows is the controllers' and the scheduler's, which the daemon hands in. `seed` draws names and uids: who drafts the
same request of the same state with the same seed gets the same draft. docs/decisions/0023.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from swarmlet.api.plans import base as plan_base
from swarmlet.api.plans.plan_writes import PlanWrites
from swarmlet.api.plans.trial import Trial
from swarmlet.api.targets import Target
from swarmlet.clock import Clock
from swarmlet.model import differences, kinds, plans
from swarmlet.model.plans import Plan, PlannedChange, PlanRequest, Rehearsed
from swarmlet.store import history_reading
from swarmlet.store.commands import COMMAND_BYTES_MAX, OPERATIONS_MAX, Key, Operation, Put
from swarmlet.store.replica import Change, Fork, Replica, Stored, View

BATCH_BYTES_MAX = COMMAND_BYTES_MAX // 4 * 3
TOO_LARGE = "the plan is larger than one command, so it cannot be applied as a whole: plan and apply it in parts"


class Rehearse(Protocol):
    """Says what follows from changes to a store: the controllers', on a fork."""

    async def rehearse(
        self, *, before: View, fork: Fork, changes: Sequence[Change], written: Sequence[Key], seed: str
    ) -> Rehearsed:
        """Return what follows; equal questions have equal answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What would be done, and what would come of it. `base`: see `plan_base`; `outcome`: see `outcome_of`."""

    plan: Plan
    targets: tuple[Target, ...]
    operations: tuple[Operation, ...]
    base: Mapping[str, str]
    outcome: Mapping[str, int]

    @property
    def fits(self) -> bool:
        """Whether the operations go into one command, with the removal of the plan that was kept."""
        size = sum(len(each.object) for each in self.operations if isinstance(each, Put))
        return len(self.operations) < OPERATIONS_MAX and size <= BATCH_BYTES_MAX


class Planner:
    """Drafts.

    Args:
        replica: whose state is forked.
        clock: stamps what would be made.
        rehearsal: says what follows.
    """

    def __init__(self, *, replica: Replica, clock: Clock, rehearsal: Rehearse) -> None:
        self._replica = replica
        self._clock = clock
        self._rehearsal = rehearsal

    async def draft(self, request: PlanRequest, seed: str) -> Draft:
        """Return what would become of a request now; raise what the write path would raise."""
        await self._replica.linearize()
        trial = Trial(self._replica)
        rng = random.Random(seed)  # noqa: S311  names and uids, as for any write
        writes = PlanWrites(trial, self._clock, rng)
        await writes.carry_out(request)
        operations = trial.operations()
        changes = tuple(_changes(trial, writes))
        written = [Key(each.resource, each.namespace, each.name) for each in changes]
        rehearsed = Rehearsed()
        if changes:
            rehearsed = await self._rehearsal.rehearse(
                before=trial.before, fork=trial.fork, changes=trial.changes(), written=written, seed=seed
            )
        plan = Plan(
            revision=trial.before.revision,
            changes=changes,
            unchanged=len(writes.targets) - len(changes),
            steps=rehearsed.steps,
            waiting=rehearsed.waiting,
            notes=(*_going_along(trial, writes), *rehearsed.notes),
            warnings=tuple(dict.fromkeys(writes.warnings)),
        )
        draft = Draft(
            plan=plan,
            targets=tuple(writes.targets.values()),
            operations=operations,
            base=plan_base.hashes(trial.before, writes.targets),
            outcome=outcome_of(rehearsed),
        )
        return draft if draft.fits else _with_note(draft, TOO_LARGE)


def _changes(trial: Trial, writes: PlanWrites) -> Iterator[PlannedChange]:
    """Yield what the writes come to, an object each; nothing for one that stays what it is."""
    for key in writes.targets:
        old, new = trial.before.get(key), trial.fork.get(key)
        reason = writes.replaced.get(key, "")
        goes = key in writes.deleted
        if old is None and new is None:
            continue
        found = [] if goes else differences.between(_desired(old) or _nothing_but_name(new), _desired(new))
        if goes or found or reason or (old is None) != (new is None):
            action = plans.DELETE if goes else plans.REPLACE if reason else plans.CHANGE if old else plans.CREATE
            yield PlannedChange(
                action=action,
                resource=key.resource,
                name=key.name,
                namespace=key.namespace,
                differences=tuple(found),
                reason=reason,
            )


def _going_along(trial: Trial, writes: PlanWrites) -> Iterator[str]:
    """Yield what goes with the namespaces that are deleted; it is no change of its own."""
    for key in writes.targets:
        if key in writes.deleted and key.resource == kinds.NAMESPACE.resource:
            others = [
                each for each in history_reading.asked_for_in(trial.before, key.name) if each not in writes.deleted
            ]
            if others:
                yield f"{key.resource}/{key.name}: all that is in it goes, too: {_counted(others)}"


def _counted(keys: Sequence[Key]) -> str:
    counts = Counter(key.resource for key in keys)
    return ", ".join(f"{count} {resource}" for resource, count in sorted(counts.items()))


def _nothing_but_name(stored: Stored | None) -> dict[str, Any]:
    """Return what is said of a new object anyway: which one it is."""
    document = _desired(stored)
    metadata = {name: document["metadata"][name] for name in ("name", "namespace") if name in document["metadata"]}
    return {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": metadata}


def _desired(stored: Stored | None) -> dict[str, Any]:
    return differences.desired(msgspec.json.decode(stored.json)) if stored else {}


def outcome_of(rehearsed: Rehearsed) -> dict[str, int]:
    """Return how many Pods of what is planned start and stop where, by words; empty where that is not known whole.

    The order is left out: moments decide about it, and nobody decides by it.
    """
    found: Counter[str] = Counter()
    if rehearsed.complete:
        for step in rehearsed.steps:
            for each in step.pods if not step.unplanned and step.does != plans.READY else ():
                found[f"{step.does} {step.namespace}/{each.name} on {each.node or 'no node'}"] += each.count
    return dict(sorted(found.items()))


def _with_note(draft: Draft, note: str) -> Draft:
    plan = msgspec.structs.replace(draft.plan, notes=(*draft.plan.notes, note))
    return dataclasses.replace(draft, plan=plan)
