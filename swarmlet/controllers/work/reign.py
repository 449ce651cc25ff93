"""One reign: changes in, batches of operations out, by one reconciler a kind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime

import structlog

from swarmlet.clock import Clock
from swarmlet.controllers.work.batch import Batch, Ticket
from swarmlet.controllers.work.queue import WorkQueue
from swarmlet.controllers.work.reconciler import Reconciler, Reconciliation, hears_of
from swarmlet.controllers.work.recorder import Recorder
from swarmlet.errors import CallerError, OutcomeUnknownError, PeerError, TooLargeError, UnavailableError
from swarmlet.model import events
from swarmlet.store import allowance
from swarmlet.store.commands import Operation, Origin, Outcome, Verdict
from swarmlet.store.history import CONTROLLER
from swarmlet.store.replica import Change, Replica

log = structlog.get_logger(__name__)

TICKETS_PER_BATCH = 512
TICKETS_PER_TURN = 16
"""Reconciled before others on the event loop get their turn."""
INBOX_CHANGES_MAX = 100_000
PROPOSE_SECONDS = 5.0
CONTROLLERS = "system:controllers"
"""Who asks, as the history tells it, where one command is of several reconcilers."""
WHY_LENGTH_MAX = 256
REFUSED_SECONDS_MIN = 1.0
"""Until what a limit or a quota refused is tried again, where neither changes."""


class Reign:
    """From `run` until it is cancelled the reconcilers look after the whole store.

    What is proposed bears the revisions that were read; where the store moved on, the key comes back. Nothing depends
    on a change being seen: over `INBOX_CHANGES_MAX` unread ones, and after a snapshot, every key is looked at anew.
    """

    def __init__(
        self, reconcilers: Sequence[Reconciler], *, replica: Replica, clock: Clock, recorder: Recorder
    ) -> None:
        self._reconcilers = {each.name: each for each in reconcilers}
        self._replica = replica
        self._clock = clock
        self._recorder = recorder
        self._queue: WorkQueue[Ticket] = WorkQueue(clock)
        self._inbox: list[Change] = []
        self._refused: dict[str, set[Ticket]] = {}
        self._must_resync = True
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        """Reconcile until cancelled."""
        with contextlib.suppress(UnavailableError):
            await self._replica.linearize()
        self._arrived.set()
        unsubscribe = self._replica.view.subscribe(self._hear)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._route(), name="controllers-route")
                group.create_task(self._work(), name="controllers-work")
                group.create_task(self._recorder.run(), name="controllers-record")
        finally:
            unsubscribe()

    def enqueue(self, ticket: Ticket) -> None:
        """Have a key looked at for a reason that is not in the store."""
        self._queue.add(ticket)

    # Changes to tickets.

    def _hear(self, changes: Sequence[Change]) -> None:
        self._must_resync |= not changes or len(self._inbox) + len(changes) > INBOX_CHANGES_MAX
        if not self._must_resync:
            self._inbox += changes
        self._arrived.set()

    async def _route(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._must_resync or self._queue.overflowed:
                self._resync()
                continue
            inbox, self._inbox = self._inbox, []
            for change in inbox:
                self._route_one(change)

    def _resync(self) -> None:
        self._inbox.clear()
        self._must_resync = self._queue.overflowed = False
        for reconciler in self._reconcilers.values():
            try:
                keys = list(reconciler.all_keys(self._replica.view))
            except Exception:
                log.exception("keys_not_listed", reconciler=reconciler.name)
                continue
            for key in keys:
                self._queue.add(Ticket(reconciler.name, key))

    def _route_one(self, change: Change) -> None:
        if change.key.namespace in self._refused and allowance.gives_room(change):
            for ticket in self._refused.pop(change.key.namespace):
                self._queue.add(ticket)
        for reconciler in self._reconcilers.values():
            if not hears_of(reconciler, change.key.resource):
                continue
            try:
                keys = reconciler.keys_for(change, self._replica.view)
            except Exception:
                log.exception("change_not_routed", reconciler=reconciler.name, key=str(change.key))
                continue
            for key in keys:
                self._queue.add(Ticket(reconciler.name, key))

    # Tickets to commands.

    async def _work(self) -> None:
        while True:
            tickets = await self._queue.take(TICKETS_PER_BATCH)
            try:
                batch = await self._reconcile_all(tickets)
                await self._carry_out(batch)
            finally:
                for ticket in tickets:
                    self._queue.done(ticket)

    async def _reconcile_all(self, tickets: Sequence[Ticket]) -> Batch:
        batch = Batch()
        now = self._clock.now()
        for number, ticket in enumerate(tickets, 1):
            reconciliation = None if batch.is_full else self._reconcile(ticket, now)
            if batch.is_full or (reconciliation is not None and not batch.add(ticket, reconciliation)):
                self._queue.add(ticket)
            if number % TICKETS_PER_TURN == 0:
                await asyncio.sleep(0)
        return batch

    def _reconcile(self, ticket: Ticket, now: datetime) -> Reconciliation | None:
        try:
            return self._reconcilers[ticket.reconciler].reconcile(self._replica.view, ticket.key, now)
        except CallerError as error:
            log.info("objects_refused", reconciler=ticket.reconciler, key=str(ticket.key), reason=str(error))
            return self._refusal(ticket, str(error))
        except Exception:
            seconds = self._queue.retry(ticket)
            log.exception("reconcile_failed", reconciler=ticket.reconciler, key=str(ticket.key), retry_seconds=seconds)
            return None

    def _refusal(self, ticket: Ticket, message: str) -> Reconciliation:
        """Return what tells of an object that a quota forbids, where the reconciler has no words of its own."""
        stored = self._replica.view.get(ticket.key)
        note = (
            events.Note(stored.object, events.WARNING, "FailedCreate", f"Error creating: {message}") if stored else None
        )
        return Reconciliation(events=(note,) if note else (), refused=True)

    async def _carry_out(self, batch: Batch) -> None:
        outcomes: Sequence[Outcome] = ()
        try:
            if batch.operations:
                outcomes = await self._propose(batch)
        except PeerError as error:
            for ticket in batch.tickets():
                self._queue.retry(ticket)
            log.warning("operations_not_committed", count=len(batch.operations), error=str(error))
            return
        for ticket, reconciliation, failed in batch.results(outcomes):
            self._settle(ticket, reconciliation, failed)

    async def _propose(self, batch: Batch) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        try:
            origin = self._origin(*batch.pooled_by())
            for command in batch.commands():
                outcomes += await self._propose_one(command, origin, atomic=False)
            outcomes += await self._propose_wholes(batch)
        except OutcomeUnknownError:
            await self._replica.linearize()  # what is decided next must know what became of these
            raise
        return outcomes

    async def _propose_wholes(self, batch: Batch) -> Sequence[Outcome]:
        """Propose each atomic command; together, so that they share the log's commits."""
        wholes = [
            self._propose_one(each.operations, self._origin(ticket.reconciler, why=each.why), atomic=True)
            for ticket, each in batch.wholes()
        ]
        answers = await asyncio.gather(*wholes, return_exceptions=True)
        failures = [each for each in answers if isinstance(each, BaseException)]
        if failures:
            raise next((each for each in failures if isinstance(each, OutcomeUnknownError)), failures[0])
        return [outcome for each in answers if not isinstance(each, BaseException) for outcome in each]

    def _origin(self, *reconcilers: str, why: str = "") -> Origin:
        """Return what the history is to tell of a command: which reconciler's it is, where it is of one."""
        who = f"{CONTROLLER}{reconcilers[0]}" if len(reconcilers) == 1 else CONTROLLERS
        return Origin(who, self._clock.now(), note=why[:WHY_LENGTH_MAX])

    async def _propose_one(self, command: Sequence[Operation], origin: Origin, *, atomic: bool) -> Sequence[Outcome]:
        """Propose one command. One that is over the log's limits fails alone: it must not end the reign of all."""
        try:
            return await self._replica.propose(command, atomic=atomic, timeout_seconds=PROPOSE_SECONDS, origin=origin)
        except TooLargeError as error:
            return [Outcome(verdict=Verdict.INVALID, message=str(error))] * len(command)

    def _settle(self, ticket: Ticket, reconciliation: Reconciliation, failed: Sequence[Outcome]) -> None:
        if failed:
            self._queue.retry(ticket)
            invalid = [each.message for each in failed if each.verdict is Verdict.INVALID]
            level = log.error if invalid else log.debug
            first = (invalid or [failed[0].message])[0]
            level("operations_refused", reconciler=ticket.reconciler, key=str(ticket.key), first=first)
            stored = self._replica.view.get(ticket.key) if invalid else None
            if stored is not None:
                self._recorder.record([events.Note(stored.object, events.WARNING, "FailedSync", first)])
            return
        self._recorder.record(reconciliation.events)
        wait = reconciliation.requeue_after_seconds
        if reconciliation.refused:
            self._refused.setdefault(ticket.key.namespace, set()).add(ticket)
            self._queue.retry(ticket, seconds_min=REFUSED_SECONDS_MIN)
            wait = wait or None  # whoever has more to make at once has no room for it
        else:
            self._queue.forget(ticket)
        if wait is not None:
            self._queue.add_after(ticket, wait)
