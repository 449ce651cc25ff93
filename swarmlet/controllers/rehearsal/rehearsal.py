"""The controllers and the scheduler at work on a fork of the store, in virtual time: what would come of a change.

    fork = view.fork()
    changes = ...                            # what fork.apply(...) told its subscribers: the change to be rehearsed
    rehearsal = Rehearsal(fork, reconcilers, Beginning(before=view, changes=changes, written=keys, now=now))
    outcome = rehearsal.run(is_over)         # in a thread: for as long as `is_over` lets it

It is the reign (`reign.py`) without waiting: tickets in batches, batches to commands, changes to tickets, and where
nothing is left to do time jumps to what is due next. It ends when no Pod has started or stopped for a while, and says
what it cannot know. Reconcilers must be fresh ones, made for this rehearsal alone. docs/decisions/0023.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog

from swarmlet.controllers.rehearsal import notes as rehearsal_notes
from swarmlet.controllers.rehearsal.diary import Diary
from swarmlet.controllers.rehearsal.pods import HollowNodes
from swarmlet.controllers.work.batch import FINE, Batch, Ticket
from swarmlet.controllers.work.reconciler import Reconciler, Reconciliation, hears_of
from swarmlet.errors import CallerError
from swarmlet.model import kinds
from swarmlet.model.apps import Deployment
from swarmlet.model.plans import Rehearsed
from swarmlet.store.commands import Command, Key, Operation, Outcome
from swarmlet.store.replica import Change, Fork, View

log = structlog.get_logger(__name__)

PODS = kinds.POD.resource
NOT_REHEARSED = frozenset(
    {
        "cronjob",
        "event-expiry",
        "fencing",
        "horizontal-pod-autoscaler",
        "node-lifecycle",
        "placement-records",
        "plan-expiry",
        "rebalance",
    }
)
"""Reconcilers that act on time, use or what nodes tell, and not on what is asked for; or that only take notes."""

TICKETS_PER_BATCH = 512
BATCHES_MAX = 20_000
QUIET = timedelta(seconds=60)
"""So long no Pod starts, gets ready or stops, and none is about to: then it is over. On top of `minReadySeconds`."""
VIRTUAL_MAX = timedelta(hours=1)
RETRY = timedelta(milliseconds=5)
RETRIES_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What is rehearsed: `changes` that were made to the state `before`, at `now`; `written` is what users named."""

    before: View
    changes: Sequence[Change]
    written: Sequence[Key]
    now: datetime


class Rehearsal:
    """One change and all that follows from it.

    Args:
        fork: the state to act on, with the change in it; who changes it meanwhile spoils the rehearsal.
        reconcilers: fresh ones; those of `NOT_REHEARSED` are left out.
        beginning: the change.
    """

    def __init__(self, fork: Fork, reconcilers: Iterable[Reconciler], beginning: Beginning) -> None:
        self._fork = fork
        self._reconcilers = {each.name: each for each in reconcilers if each.name not in NOT_REHEARSED}
        self._began = self._now = self._last_step = beginning.now
        self._written = beginning.written
        self._diary = Diary(beginning.before, beginning.written)
        self._nodes = HollowNodes(fork)
        self._notes = rehearsal_notes.Notes(beginning.written)
        self._ready: dict[Ticket, None] = {}
        self._agenda: list[tuple[datetime, Ticket]] = []
        self._due: dict[Ticket, datetime] = {}
        self._failures: dict[Ticket, int] = {}
        self._inbox: list[Change] = list(beginning.changes)
        self._is_out_of_time = False

    def run(self, is_over: Callable[[], bool]) -> Rehearsed:
        """Let come what comes, until it is quiet or `is_over` says that it took too long; return what happened."""
        self._fork.subscribe(self._hear)
        self._nodes.begin(self._now)
        self._route()
        cut_short = ""
        for _ in range(BATCHES_MAX):
            cut_short = "it took too long" if is_over() else ""
            if cut_short or (not self._work() and not self._let_time_pass()):
                break
            self._route()
        else:
            cut_short = f"it was not over after {BATCHES_MAX} rounds"
        if self._is_out_of_time:
            cut_short = "it takes over an hour"
        if cut_short:
            self._notes.cut_short(cut_short)
        return Rehearsed(
            steps=self._diary.steps(),
            waiting=self._diary.waiting(self._fork.pods_on(""), self._fork),
            notes=(*self._notes.told(), *rehearsal_notes.unfinished(self._fork, self._written)),
            complete=not cut_short,
        )

    # Changes to tickets.

    def _hear(self, changes: Sequence[Change]) -> None:
        self._inbox += changes

    def _route(self) -> None:
        inbox, self._inbox = self._inbox, []
        for change in inbox:
            self._route_one(change)

    def _route_one(self, change: Change) -> None:
        if self._diary.hear(change, self._fork, (self._now - self._began).total_seconds()):
            self._last_step = self._now
        if change.key.resource == PODS and change.new is not None:
            self._nodes.hear(change.new, self._now)
        for reconciler in self._reconcilers.values():
            if hears_of(reconciler, change.key.resource):
                for key in reconciler.keys_for(change, self._fork):
                    self._ready[Ticket(reconciler.name, key)] = None

    # Tickets to commands.

    def _work(self) -> bool:
        """Reconcile what is ready, and write what comes of it; return whether there was something."""
        tickets = list(self._ready)[:TICKETS_PER_BATCH]
        for ticket in tickets:
            del self._ready[ticket]
        batch = Batch()
        for ticket in tickets:
            reconciliation = None if batch.is_full else self._reconcile(ticket)
            if batch.is_full or (reconciliation is not None and not batch.add(ticket, reconciliation)):
                self._ready[ticket] = None
        self._carry_out(batch)
        return bool(tickets)

    def _reconcile(self, ticket: Ticket) -> Reconciliation | None:
        try:
            return self._reconcilers[ticket.reconciler].reconcile(self._fork, ticket.key, self._now)
        except CallerError as error:
            self._notes.refused(ticket.key, str(error))
        except Exception:
            log.exception("rehearsal_failed", reconciler=ticket.reconciler, key=str(ticket.key))
            self._notes.failed(ticket.key)
        return None

    def _carry_out(self, batch: Batch) -> None:
        outcomes: list[Outcome] = []
        for command in batch.commands():
            outcomes += self._apply(command, atomic=False)
        for whole in batch.atomic_commands():
            outcomes += self._apply(whole, atomic=True)
        for ticket, reconciliation, failed in batch.results(outcomes):
            if failed:
                self._retry(ticket)
                continue
            self._failures.pop(ticket, None)
            self._notes.heard(reconciliation.events)
            if reconciliation.requeue_after_seconds is not None and not reconciliation.refused:
                self._add_after(ticket, timedelta(seconds=reconciliation.requeue_after_seconds))

    def _apply(self, operations: Sequence[Operation], *, atomic: bool) -> Sequence[Outcome]:
        return self._fork.apply(Command(b"", tuple(operations), atomic))

    def _retry(self, ticket: Ticket) -> None:
        self._failures[ticket] = failures = self._failures.get(ticket, 0) + 1
        if failures <= RETRIES_MAX:
            self._add_after(ticket, RETRY)
        else:
            self._notes.failed(ticket.key)

    def _add_after(self, ticket: Ticket, wait: timedelta) -> None:
        at = self._now + wait
        if wait <= timedelta():
            self._ready[ticket] = None
        elif ticket not in self._due or at < self._due[ticket]:
            self._due[ticket] = at
            heapq.heappush(self._agenda, (at, ticket))

    # Time.

    def _let_time_pass(self) -> bool:
        """Go on to what is due next, and do what nodes do then; return False where it is over."""
        while self._agenda and self._due.get(self._agenda[0][1]) != self._agenda[0][0]:
            heapq.heappop(self._agenda)
        nodes_at = self._nodes.next_at()
        moments = [at for at in (self._agenda[0][0] if self._agenda else None, nodes_at) if at]
        if not moments:
            return False
        at = min(moments)
        is_quiet = nodes_at is None and at > self._last_step + QUIET + self._patience()
        self._is_out_of_time = not is_quiet and at > self._began + VIRTUAL_MAX
        if is_quiet or self._is_out_of_time:
            return False
        self._now = max(at, self._now)
        while self._agenda and self._agenda[0][0] <= self._now:
            due, ticket = heapq.heappop(self._agenda)
            if self._due.get(ticket) == due:
                del self._due[ticket]
                self._ready[ticket] = None
        served = list(self._nodes.operations(self._now))
        if served:
            outcomes = self._apply(served, atomic=False)
            assert all(outcome.verdict in FINE for outcome in outcomes), "nobody else changes the fork"
        return True

    def _patience(self) -> timedelta:
        """Return how long a Pod that is ready may have to wait until it counts."""
        waits = [
            cast("Deployment", stored.object).spec.min_ready_seconds
            for key in self._written
            if key.resource == kinds.DEPLOYMENT.resource and (stored := self._fork.get(key))
        ]
        return timedelta(seconds=max(waits, default=0))
