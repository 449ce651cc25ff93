"""Rebalancing: when a node joins or returns, or load drifts, Pods move to where they lie better, one or two at a time.

A move begins with the replacement, which the ReplicaSet counts as one with the Pod that moves; what follows is
`rebalance_moves`. Which moves are worth it says `scheduler.rebalance`, which Pods may move `scheduler.movable`.
docs/decisions/0022.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, cast

import msgspec

from swarmlet.config import Rebalance as Limits
from swarmlet.controllers.deployments import replicaset
from swarmlet.controllers.placing.moves import Step
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, moves, objects, pods
from swarmlet.model.apps import ReplicaSet
from swarmlet.model.cluster import Rebalancing
from swarmlet.model.core import Node
from swarmlet.model.pod import Pod
from swarmlet.scheduler import movable, rebalance, rebalancing
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.moving import MovesUnderWay
from swarmlet.scheduler.scores import Strategy
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
REPLICA_SETS = kinds.REPLICA_SET.resource
SWITCH = kinds.REBALANCING.resource
PLAN = rebalancing.SWITCH
"""The key under which moves are looked for; any other names the replacement of one that is under way."""


class Rebalance:
    """The reconciler; `rng` makes the names and uids of replacements.

    `strategy` is the scheduler's, and `cluster` the nodes as it knows them, which are changed only to try moves out.
    """

    name: ClassVar[str] = "rebalance"
    watches: ClassVar[frozenset[str]] = frozenset(
        {
            NODES,
            PODS,
            REPLICA_SETS,
            SWITCH,
            kinds.DEPLOYMENT.resource,
            kinds.NAMESPACE.resource,
            kinds.POD_DISRUPTION_BUDGET.resource,
            kinds.RESOURCE_QUOTA.resource,
        }
    )

    def __init__(self, rng: random.Random, limits: Limits, strategy: Strategy, cluster: Cluster) -> None:
        self._rng = rng
        self._strategy = strategy
        self._limits = limits
        self._cluster = cluster
        self._under_way = MovesUnderWay()
        self._not_before: datetime | None = None
        self._in_round = False
        self._waiting: Key | None = None

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the moves that a change concerns, and the search for more where it may have made one worth it."""
        if change.key.resource == NODES:
            return (
                [PLAN] if change.new is None or change.old is None or _offer(change.old) != _offer(change.new) else []
            )
        if change.key.resource != PODS:
            return [PLAN, *self._under_way.parties(view)]
        touched = self._under_way.touched_by(change, view)
        return [*touched, PLAN] if touched or _counts(change.old) != _counts(change.new) else []

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return the search and every move that is under way."""
        return [PLAN, *self._under_way.parties(view)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the next step of one move, or the beginning of one."""
        switch = rebalancing.switch(view)
        if key == PLAN:
            return self._look(view, now, switch)
        stored = view.get(key)
        if stored is None:
            return NOTHING
        step = Step(view, stored, now, self._limits.ready_seconds)
        if not rebalancing.is_wanted(switch, self._limits.enabled):
            return step.cancel("rebalancing was switched off")
        return step.take()

    def _look(self, view: View, now: datetime, switch: Rebalancing) -> Reconciliation:
        """Begin a move where one is worth it and may begin now."""
        pause = timedelta(seconds=self._limits.pause_seconds)
        if not rebalancing.is_wanted(switch, self._limits.enabled):
            self._not_before = None
            return NOTHING
        under_way = self._under_way.parties(view)
        if len(under_way) >= self._limits.moves_at_once or self._any_waits(view):
            return NOTHING
        if self._not_before is None or now < self._not_before:
            self._not_before = min(self._not_before or now + pause, now + pause)  # a clock may have been set back
            return Reconciliation(requeue_after_seconds=(self._not_before - now).total_seconds())
        self._not_before = now + pause
        self._cluster.catch_up(view)
        eager = self._in_round or switch.asked_at is not None
        outlook = rebalancing.Outlook(
            view, self._cluster, under_way.values(), now, self._limits, strategy=self._strategy, eager=eager
        )
        move = outlook.next()
        self._in_round = move is not None or (self._in_round and bool(under_way))
        if move is not None:
            return self._begin(view, move, now)
        if switch.asked_at is not None and not under_way:
            return _answered(view, switch, outlook.soonest_seconds)
        return Reconciliation(requeue_after_seconds=outlook.soonest_seconds)

    def _any_waits(self, view: View) -> bool:
        """Whether a Pod waits for a node; the one that was found last is asked first, as there may be very many."""
        last = view.get(self._waiting) if self._waiting else None
        if last is None or not _waits(last):
            last = next(filter(_waits, view.pods_on("")), None)
        self._waiting = last.key if last else None
        return last is not None

    def _begin(self, view: View, move: rebalance.Move, now: datetime) -> Reconciliation:
        """Return the making of a replacement, for which the namespace has room."""
        stored = view.get(move.candidate.pod)
        assert stored is not None, "the plan is of this view"
        pod = cast("Pod", stored.object)
        reference = objects.controller_of(pod)
        owner = view.get(Key(REPLICA_SETS, stored.key.namespace, reference.name)) if reference else None
        assert owner is not None, "only Pods of ReplicaSets are moved"
        replacement = replicaset.new_pod(cast("ReplicaSet", owner.object), now, self._rng)
        told = moves.Move(
            pod=pod.metadata.name,
            uid=pod.metadata.uid,
            source=move.source.node,
            target=move.target.node,
            replacement=replacement.metadata.uid,
            why=move.words,
        )
        drafts = Drafts(view)
        drafts.create(kinds.POD, moves.bearing(replacement, told))
        message = f"Moving from {told.source} to {told.target}: {told.why}; {replacement.metadata.name} takes its place"
        note = events.Note(pod, events.NORMAL, "Rebalancing", message)
        return drafts.reconciliation([note], self._limits.pause_seconds)


def _answered(view: View, switch: Rebalancing, wait: float | None) -> Reconciliation:
    """Return the note that nothing is left of what the user asked for."""
    stored = view.get(PLAN)
    drafts = Drafts()
    if stored is not None:
        drafts.update(stored, msgspec.structs.replace(switch, asked_at=None))
    return drafts.reconciliation(wait=wait)


def _waits(stored: Stored) -> bool:
    """Whether a Pod of ours waits for a node that it may find: it comes before any that has one."""
    pod = cast("Pod", stored.object)
    told = conditions.get(pod.status.conditions, "PodScheduled")
    return (
        not pod.spec.node_name
        and told is None
        and pods.is_active(pod)
        and pod.spec.scheduler_name in movable.SCHEDULER_NAMES
    )


def _counts(stored: Stored | None) -> tuple[object, ...]:
    """Return what of a Pod decides how the nodes are loaded, and whether it may move or keeps others from it."""
    if stored is None:
        return ()
    pod = cast("Pod", stored.object)
    if not pod.spec.node_name and not _waits(stored):
        return ()
    said = pod.metadata.annotations.get(moves.REBALANCE)
    return pod.spec.node_name, pods.is_ready(pod), pods.is_active(pod), said, _waits(stored)


def _offer(stored: Stored) -> Mapping[str, object]:
    node = cast("Node", stored.object)
    return {
        "ready": conditions.is_true(node.status.conditions, "Ready"),
        "allocatable": node.status.allocatable,
        "labels": node.metadata.labels,
        "spec": node.spec,
    }
