"""One move: the replacement becomes available, then the Pod goes; or the replacement goes, and all is as it was.

What is done next depends on what is in the store alone, so whoever leads brings a move to its end.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

import msgspec

from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, disruptions, events, kinds, moves, objects, pods
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.model.policy import PodDisruptionBudget
from swarmlet.scheduler import movable
from swarmlet.scheduler.moving import Party, party
from swarmlet.store.replica import Stored, View

REPLICA_SETS = kinds.REPLICA_SET.resource
BUDGETS = kinds.POD_DISRUPTION_BUDGET.resource
BIND_SECONDS = 10.0
"""A replacement that has no node by then finds no room on the one that was planned for it."""
BUDGET_RETRY_SECONDS = 5.0


class Step:
    """What is to be done about the move of one replacement.

    `ready_seconds` is how long it may take to be ready; `minReadySeconds` of its owner comes on top.
    """

    def __init__(self, view: View, stored: Stored, now: datetime, ready_seconds: float) -> None:
        self._view = view
        self._stored = stored
        self._replacement = cast("Pod", stored.object)
        self._party = party(view, stored)
        self._now = now
        self._ready_seconds = ready_seconds
        self._drafts = Drafts()
        self._events: list[events.Note] = []

    def take(self) -> Reconciliation:
        """Return the next step."""
        replacement, found = self._replacement, self._party
        if objects.is_terminating(replacement):
            return NOTHING
        if found is None or not pods.is_active(found.pod):
            return self._free()
        key = claims.controller_key(replacement, kinds.REPLICA_SET.kind, REPLICA_SETS)
        owner = self._view.get(key) if key else None
        if owner is None:
            return NOTHING
        if pods.is_finished(replacement):
            return self._undo(found, owner, "ended")
        replica_set = cast("ReplicaSet", owner.object)
        why = self._changed(found, replica_set, movable.deployment_of(self._view, replica_set))
        return self.cancel(why) if why else self._advance(found, owner)

    def cancel(self, why: str) -> Reconciliation:
        """Take the replacement away where the Pod is still to go; nobody is to blame."""
        found = self._party
        if found is None or objects.is_terminating(self._replacement) or not pods.is_active(found.pod):
            return NOTHING
        self._drafts.remove(self._stored, self._now)
        message = f"Stays on {found.move.source}: {why}"
        self._events.append(events.Note(found.pod, events.NORMAL, "RebalanceCancelled", message))
        return self._done()

    def _free(self) -> Reconciliation:
        """Take away a replacement without a node, whose Pod is gone: it is held to the planned one, its like is not."""
        if self._replacement.spec.node_name or pods.is_finished(self._replacement):
            return NOTHING
        self._drafts.remove(self._stored, self._now)
        return self._done()

    def _changed(self, found: Party, replica_set: ReplicaSet, deployment: Deployment | None) -> str:
        """Return why the move is out of place by now, "" where it is not."""
        if moves.is_forbidden(each for each in (found.pod, replica_set, deployment) if each):
            return f'{moves.REBALANCE}: "{moves.NEVER}" was said'
        if objects.is_terminating(replica_set) or deployment is None:
            return ""
        if deployment.spec.paused:
            return "its Deployment is paused"
        return "" if movable.is_newest(replica_set, deployment) else "its Deployment is being rolled out"

    def _advance(self, found: Party, owner: Stored) -> Reconciliation:
        replacement = self._replacement
        minimum = cast("ReplicaSet", owner.object).spec.min_ready_seconds
        wait = pods.available_in(replacement, self._now, minimum)
        if wait == timedelta(0):
            return self._evict(found, owner)
        created = replacement.metadata.creation_timestamp or self._now
        limit = self._ready_seconds + minimum if replacement.spec.node_name else BIND_SECONDS
        left = (created + timedelta(seconds=limit) - self._now).total_seconds()
        if left > 0:
            return Reconciliation(requeue_after_seconds=min(left, wait.total_seconds() if wait else left))
        if not replacement.spec.node_name:
            return self._undo(found, owner, f"found no room on {found.move.target}")
        return self._undo(found, owner, f"was not available on {found.move.target} within {limit:g} s")

    def _evict(self, found: Party, owner: Stored) -> Reconciliation:
        """Let the Pod go as a drain does: with one disruption less in its budget, in the same command."""
        pod, move = found.pod, found.move
        if not disruptions.needs_no_budget(pod) and not self._spend(pod):
            return Reconciliation(requeue_after_seconds=BUDGET_RETRY_SECONDS)
        told = conditions.put(pod.status.conditions, moves.MOVED, self._now)
        status = msgspec.structs.replace(pod.status, conditions=told)
        self._drafts.remove(found.stored, self._now, msgspec.structs.replace(pod, status=status))
        self._drafts.update(owner, moves.after_success(cast("ReplicaSet", owner.object)))
        name = self._replacement.metadata.name
        message = f"Moved from {move.source} to {move.target}: {move.why}"
        self._note_all(owner, "Rebalanced", f"{message} ({name} takes the place of {move.pod})", events.NORMAL, pod)
        return self._done()

    def _spend(self, pod: Pod) -> bool:
        """Spend a disruption of the Pod's budget; False where there is none to spend now."""
        for stored in self._view.list(BUDGETS, self._stored.key.namespace):
            budget = cast("PodDisruptionBudget", stored.object)
            if not disruptions.covers(budget, pod) or disruptions.frees_unready(budget, pod):
                continue
            if not disruptions.is_observed(budget) or disruptions.objection(budget):
                return False
            self._drafts.update(stored, disruptions.granted(budget, pod, self._now))
        return True

    def _undo(self, found: Party, owner: Stored, why: str) -> Reconciliation:
        """Take the replacement away, and leave its owner in peace for longer than after the failure before."""
        self._drafts.remove(self._stored, self._now)
        held = moves.after_failure(cast("ReplicaSet", owner.object), self._now)
        self._drafts.update(owner, held)
        until = moves.held_until(held)
        message = (
            f"{found.move.pod} stays on {found.move.source}: its replacement {self._replacement.metadata.name} {why}"
        )
        if until:
            message += f"; left in peace until {until:%H:%M:%S}"
        self._note_all(owner, "RebalanceFailed", message, events.WARNING, found.pod)
        return self._done()

    def _note_all(self, owner: Stored, reason: str, message: str, type_: str, pod: Pod) -> None:
        """Tell it of the Pod, of its replacement, and of who owns them."""
        top: Object = movable.deployment_of(self._view, cast("ReplicaSet", owner.object)) or owner.object
        self._events += [events.Note(each, type_, reason, message) for each in (pod, self._replacement, top)]

    def _done(self) -> Reconciliation:
        return self._drafts.reconciliation(self._events, atomic=True)
