"""Scheduling: all Pods that wait for a node are placed together and bound in one command.

A Pod that fits nowhere is told so in its condition PodScheduled and by an event, and is tried again when a node or
another Pod changes in a way that could matter.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.placing import preemption
from swarmlet.controllers.placing.records import Recording
from swarmlet.controllers.placing.sweep import Sweep
from swarmlet.controllers.placing.waiting_pods import WaitingPods
from swarmlet.controllers.storage import scheduling as volume_scheduling
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, objects, pods
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod
from swarmlet.scheduler import placement
from swarmlet.scheduler.cluster import Cluster
from swarmlet.scheduler.demand import Demand
from swarmlet.scheduler.placement import Request
from swarmlet.scheduler.preemption import Preemption
from swarmlet.scheduler.scores import LEAST_ALLOCATED, Strategy
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
PODS = kinds.POD.resource
NAMESPACES = kinds.NAMESPACE.resource
PENDING = Key(PODS, "", "")
"""The one key: all Pods that wait."""
SCHEDULED = "PodScheduled"
PODS_PER_STEP = 500
PODS_READ_PER_STEP = 5_000
LOOKS_PER_STEP = 25_000
"""At nodes, a few microseconds each: the leader's event loop is held up for about a tenth of a second."""
LOT_SEED = 0
"""One for all clusters and times: which of equal nodes comes first depends on their names alone."""
RETELL = timedelta(seconds=10)
"""A Pod's reason to wait is not written again sooner, however often its numbers change."""


class Scheduling:
    """The reconciler. `rng` makes the uids of volumes.

    Between nodes that are equally good always the same lot decides, whoever leads: so a plan, which was rehearsed on
    any machine, tells the node that the Pod will get (docs/decisions/0023).
    """

    name: ClassVar[str] = "scheduling"
    watches: ClassVar[frozenset[str]] = frozenset({NODES, PODS, NAMESPACES}) | volume_scheduling.WATCHED

    def __init__(
        self, rng: random.Random, strategy: Strategy = LEAST_ALLOCATED, cluster: Cluster | None = None
    ) -> None:
        self._rng = rng
        self._strategy = strategy
        self._cluster = cluster or Cluster()
        self._waiting = WaitingPods()
        self._sweep = Sweep()
        self._volumes = volume_scheduling.VolumeScheduling()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the one key where the change makes a Pod wait, or makes room."""
        self._cluster.catch_up(view)
        self._volumes.catch_up(view)
        self._waiting.catch_up(view)
        if change.key.resource in volume_scheduling.WATCHED:
            matters = bool(self._waiting)
        elif change.key.resource == NODES:
            matters = _node_matters(change)
        elif change.key.resource == NAMESPACES:
            matters = self._waiting.ask_for_others
        else:
            matters = _pod_matters(change) or (self._waiting.ask_for_others and _others_see(change))
        if matters:
            self._sweep.note_change()
        return (PENDING,) if matters else ()

    def all_keys(self, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one key."""
        self._sweep.begin()
        return (PENDING,)

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:  # noqa: ARG002  there is one key
        """Return the bindings of the Pods that wait, and the reasons of those that go on waiting."""
        self._waiting.catch_up(view)
        if not self._waiting:
            self._sweep.begin()
            return NOTHING
        self._cluster.catch_up(view)
        work = _Work(view, now, self._rng, self._sweep)
        asked: dict[Key, tuple[Stored, Demand]] = {}
        answers = placement.place(
            itertools.islice(self._requests(view, work, asked), PODS_READ_PER_STEP),
            self._cluster,
            seed=LOT_SEED,
            strategy=self._strategy,
            placements_max=PODS_PER_STEP,
            looks_max=LOOKS_PER_STEP,
            relief=Preemption(view, self._cluster, self._kept()),
        )
        for each in answers:
            work.take(*asked[each.pod], each)
        return work.finish(self._waiting.keys)

    def _kept(self) -> Iterator[tuple[str, Demand]]:
        """Yield the room that Pods wait for which are passed over in this step."""
        for stored in self._waiting.nominated():
            if self._sweep.passes_over(stored.key):
                yield cast("Pod", stored.object).status.nominated_node_name, self._waiting.demand(stored)

    def _requests(self, view: View, work: _Work, asked: dict[Key, tuple[Stored, Demand]]) -> Iterator[Request]:
        """Yield what Pods ask for, in turn, as far as the placer gets; `asked` is what was yielded.

        Those whose claims no node can serve are told so instead; those that were told before are passed over.
        """
        for stored in self._waiting.in_turn():
            if self._sweep.passes_over(stored.key):
                continue
            try:
                demand = self._demand(view, stored)
            except volume_scheduling.Unschedulable as refusal:
                told = f"0/{len(self._cluster.nodes)} nodes are available: {refusal}."
                work.take(stored, self._waiting.demand(stored), placement.Placement(stored.key, "", told))
            else:
                asked[stored.key] = stored, demand
                yield stored.key, demand

    def _demand(self, view: View, stored: Stored) -> Demand:
        """Return what a Pod asks for, its claims as they are now."""
        volumes = self._volumes.demand(view, stored, self._cluster.nodes)
        demand = self._waiting.demand(stored)
        return demand if volumes is None else dataclasses.replace(demand, volumes=volumes)


class _Work:
    def __init__(self, view: View, now: datetime, rng: random.Random, sweep: Sweep) -> None:
        self._view = view
        self._now = now
        self._rng = rng
        self._sweep = sweep
        self._drafts = Drafts()
        self._recording = Recording(view, now)
        self._events: list[events.Note] = []
        self._writes = 0
        self._answered: set[Key] = set()

    def take(self, stored: Stored, demand: Demand, placed: placement.Placement) -> None:
        """Bind a Pod, or say why not."""
        if self._writes >= PODS_PER_STEP:
            return
        self._answered.add(stored.key)
        if placed.node:
            self._bind(stored, demand, placed)
        else:
            self._refuse(stored, demand, placed)
            self._sweep.tell(stored.key)

    def _bind(self, stored: Stored, demand: Demand, placed: placement.Placement) -> None:
        pod, node = cast("Pod", stored.object), placed.node
        if placed.decision is not None:
            self._recording.take(pod, placed.decision)
        if demand.volumes is not None:
            pod, notes = volume_scheduling.settle(
                self._drafts, self._view, pod, demand.volumes, node, self._now, self._rng
            )
            self._events += notes
        condition = Condition(type=SCHEDULED, status="True")
        status = _with_condition(pod, condition, self._now)
        spec = msgspec.structs.replace(pod.spec, node_name=node)
        self._drafts.update(stored, msgspec.structs.replace(pod, spec=spec, status=status))
        self._writes += 1
        message = f"Successfully assigned {pod.metadata.namespace}/{pod.metadata.name} to {node}"
        self._events.append(events.Note(pod, events.NORMAL, "Scheduled", message))

    def _refuse(self, stored: Stored, demand: Demand, placed: placement.Placement) -> None:
        pod, nomination = cast("Pod", stored.object), placed.nomination
        if nomination is not None:
            self._events += preemption.evict(self._drafts, self._view, nomination, pod, self._now)
            self._writes += len(nomination.victims)
        refusal = preemption.told(placed.refusal, nomination)
        plights = volume_scheduling.plights(self._view, demand.volumes) if demand.volumes else {}
        refusal = " ".join((refusal, *(f"{each}; the Pod waits for it." for each in plights.values())))
        nominated = nomination.node if nomination else ""
        if nominated == pod.status.nominated_node_name and self._is_told(pod, refusal):
            return
        condition = Condition(
            type=SCHEDULED,
            status="False",
            reason="Unschedulable",
            message=refusal,
            last_probe_time=clock_time(self._now),
        )
        status = _with_condition(pod, condition, self._now, nominated)
        self._drafts.update(stored, msgspec.structs.replace(pod, status=status))
        self._writes += 1
        self._events.append(events.Note(pod, events.WARNING, "FailedScheduling", refusal))
        self._events += volume_scheduling.told_to_claims(self._view, pod, plights)

    def _is_told(self, pod: Pod, refusal: str) -> bool:
        """Whether a Pod's reason to wait is written already, or may not be yet: then it is looked at again."""
        before = conditions.get(pod.status.conditions, SCHEDULED)
        if before and before.message == refusal:
            return True
        told = before.last_probe_time if before else None
        if told is None or self._now - told >= RETELL:
            return False
        self._sweep.look_again(told + RETELL)
        return True

    def finish(self, waiting: AbstractSet[Key]) -> Reconciliation:
        """Return it all; where some of those that wait got no answer yet, the next step is to follow."""
        operations = (*self._drafts.operations(), *self._recording.operations())
        wait = self._sweep.end_step(waiting, self._answered, self._now, wrote=bool(operations))
        return Reconciliation(operations, tuple(self._events), wait)


def _with_condition(pod: Pod, condition: Condition, now: datetime, nominated: str = "") -> object:
    told = conditions.put(pod.status.conditions, condition, now)
    phase = pod.status.phase or "Pending"
    return msgspec.structs.replace(pod.status, conditions=told, phase=phase, nominated_node_name=nominated)


def _pod_matters(change: Change) -> bool:
    """A Pod that waits, or one that has given its room back."""
    if change.new is None:
        return True
    pod = cast("Pod", change.new.object)
    return not pod.spec.node_name or pods.is_finished(pod)


def _others_see(change: Change) -> bool:
    """Whether a Pod came to a node, or changed in what the terms of other Pods look at."""
    return change.old is None or change.new is None or _seen(change.old) != _seen(change.new)


def _seen(stored: Stored) -> tuple[object, ...]:
    pod = cast("Pod", stored.object)
    return pod.spec.node_name, pod.metadata.labels, objects.is_terminating(pod)


def _node_matters(change: Change) -> bool:
    return change.old is None or change.new is None or _offer(change.old) != _offer(change.new)


def _offer(stored: Stored) -> tuple[object, ...]:
    """Return what of a node decides whether Pods may go there."""
    node = cast("Node", stored.object)
    ready = conditions.is_true(node.status.conditions, "Ready")
    return node.metadata.labels, node.spec, node.status.allocatable, ready, objects.is_terminating(node)
