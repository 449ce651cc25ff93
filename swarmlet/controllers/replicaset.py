"""ReplicaSets: as many Pods of a template as are asked for, made and removed in bulk.

Source: kubernetes pkg/controller/replicaset and controller_utils.go (ActivePodsWithRanks).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers import claims, rollout
from swarmlet.controllers.drafts import Drafts
from swarmlet.controllers.orphans import Orphans
from swarmlet.controllers.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, names, objects, pods, selectors
from swarmlet.model.apps import ReplicaSet, ReplicaSetStatus
from swarmlet.model.base import clock_time
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.pod import Pod, PodStatus
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

REPLICA_SETS = kinds.REPLICA_SET.resource
PODS = kinds.POD.resource
BURST_PODS = 500
"""Pods made or removed in one step; the rest follows in the next."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASE_RANK = {"Pending": 0, "": 0, "Unknown": 1, "Running": 2}


class ReplicaSets:
    """The reconciler; `rng` makes the uids and names of Pods."""

    name: ClassVar[str] = "replicaset"
    watches: ClassVar[frozenset[str]] = frozenset({REPLICA_SETS, PODS})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._orphans = Orphans()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the ReplicaSet itself, or those that a Pod belongs to or could belong to."""
        if change.key.resource == REPLICA_SETS:
            return [change.key]
        self._orphans.catch_up(view)
        return _of_pod(change, view)

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every ReplicaSet."""
        return [stored.key for stored in view.list(REPLICA_SETS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the Pods to make or remove, and the ReplicaSet's status."""
        stored = view.get(key)
        if stored is None or not claims.is_selective(cast("ReplicaSet", stored.object).spec.selector):
            return NOTHING
        work = _Work(view, stored, now)
        if not objects.is_terminating(stored.object):
            work.adopt(self._orphans.of(view, key.namespace))
            work.balance(self._rng)
        return work.finish()


class _Work:
    """One ReplicaSet, the Pods it has, and what is to become of them."""

    def __init__(self, view: View, stored: Stored, now: datetime) -> None:
        self._view = view
        self._stored = stored
        self._replica_set = cast("ReplicaSet", stored.object)
        self._now = now
        self._drafts = Drafts()
        self._events: list[events.Note] = []
        self._more = False
        self._pods: dict[Key, Pod] = {}
        self._bases: dict[Key, Stored] = {}
        self._selects = selectors.from_labels(self._replica_set.spec.selector)
        for base in claims.owned(view, stored, PODS):
            pod = cast("Pod", base.object)
            if not self._selects(pod.metadata.labels):
                self._drafts.update(base, claims.released(pod, self._replica_set))
            elif pods.is_active(pod):
                self._take_in(base, pod)

    def _take_in(self, base: Stored, pod: Pod) -> None:
        self._pods[base.key] = pod
        self._bases[base.key] = base

    def adopt(self, orphans: Sequence[Stored]) -> None:
        """Take in the Pods of nobody that match."""
        for base in orphans:
            pod = cast("Pod", base.object)
            if pods.is_active(pod) and claims.may_adopt(pod, self._selects):
                adopted = claims.adopted(pod, self._replica_set)
                self._drafts.update(base, adopted)
                self._take_in(base, adopted)

    def balance(self, rng: random.Random) -> None:
        """Make the Pods that are missing, or remove those that are too many."""
        missing = rollout.size(self._replica_set) - len(self._pods)
        self._more = abs(missing) > BURST_PODS
        if missing < 0:
            self._remove(min(-missing, BURST_PODS))
        elif missing > 0 and claims.accepts_new_objects(self._view, self._stored.key.namespace):
            self._make(min(missing, BURST_PODS), rng)

    def _make(self, number: int, rng: random.Random) -> None:
        for _ in range(number):
            pod = new_pod(self._replica_set, self._now, rng)
            self._drafts.create(kinds.POD, pod)
            self._pods[Key(PODS, pod.metadata.namespace, pod.metadata.name)] = pod
            self._note("SuccessfulCreate", f"Created pod: {pod.metadata.name}")

    def _remove(self, number: int) -> None:
        crowd = Counter(pod.spec.node_name for pod in self._pods.values())
        ranked = sorted(self._pods, key=lambda key: deletion_rank(self._pods[key], crowd))
        for key in ranked[:number]:
            self._drafts.remove(self._bases[key], self._now)
            del self._pods[key]
            self._note("SuccessfulDelete", f"Deleted pod: {key.name}")

    def _note(self, reason: str, message: str) -> None:
        self._events.append(events.Note(self._replica_set, events.NORMAL, reason, message))

    def finish(self) -> Reconciliation:
        """Return the operations, the status among them."""
        status = self._status()
        self._drafts.update(self._stored, msgspec.structs.replace(self._replica_set, status=status))
        wait = 0.0 if self._more else self._seconds_to_availability()
        return Reconciliation(self._drafts.operations(), tuple(self._events), wait)

    def _status(self) -> ReplicaSetStatus:
        """Count the Pods as they are once the operations took effect."""
        spec = self._replica_set.spec
        wanted = spec.template.metadata.labels.items()
        everyone = self._pods.values()
        return ReplicaSetStatus(
            replicas=len(everyone),
            fully_labeled_replicas=sum(wanted <= pod.metadata.labels.items() for pod in everyone),
            ready_replicas=sum(map(pods.is_ready, everyone)),
            available_replicas=sum(pods.is_available(pod, self._now, spec.min_ready_seconds) for pod in everyone),
            observed_generation=self._replica_set.metadata.generation,
            conditions=conditions.drop(self._replica_set.status.conditions, "ReplicaFailure"),
        )

    def _seconds_to_availability(self) -> float | None:
        minimum = self._replica_set.spec.min_ready_seconds
        if not minimum:
            return None
        waits = (pods.available_in(pod, self._now, minimum) for pod in self._pods.values())
        return min((wait.total_seconds() for wait in waits if wait), default=None)


def _of_pod(change: Change, view: View) -> list[Key]:
    found: list[Key] = []
    for stored in filter(None, (change.old, change.new)):
        key = claims.controller_key(stored.object, "ReplicaSet", REPLICA_SETS)
        if key is not None:
            found.append(key)
        elif stored is change.new and objects.controller_of(stored.object) is None:
            found += _adopters(stored, view)
    return found


def _adopters(orphan: Stored, view: View) -> list[Key]:
    return [
        each.key
        for each in view.list(REPLICA_SETS, orphan.key.namespace)
        if claims.may_adopt(orphan.object, selectors.from_labels(cast("ReplicaSet", each.object).spec.selector))
    ]


def new_pod(replica_set: ReplicaSet, now: datetime, rng: random.Random) -> Pod:
    """Return a Pod of the ReplicaSet's template, pending and bound to no node."""
    template = replica_set.spec.template
    prefix = f"{replica_set.metadata.name}-"
    return Pod(
        metadata=ObjectMeta(
            name=names.generated(prefix, rng),
            generate_name=prefix,
            namespace=replica_set.metadata.namespace,
            uid=names.new_uid(rng),
            generation=1,
            creation_timestamp=clock_time(now),
            labels=template.metadata.labels,
            annotations=template.metadata.annotations,
            finalizers=template.metadata.finalizers,
            owner_references=(objects.owner_reference(replica_set),),
        ),
        spec=template.spec,
        status=PodStatus(phase="Pending", qos_class=pods.qos_class(template.spec)),
    )


def deletion_rank(pod: Pod, crowd: Counter[str]) -> tuple[float, ...]:
    """Return what sorts first the Pod whose loss is felt least; `crowd` counts its siblings by node."""
    ready = conditions.get(pod.status.conditions, "Ready")
    is_ready = ready is not None and ready.status == "True"
    since = _timestamp(ready.last_transition_time) if ready and is_ready else 0.0
    restarts = sum(each.restart_count for each in pod.status.container_statuses)
    return (
        bool(pod.spec.node_name),
        PHASE_RANK.get(pod.status.phase, 1),
        is_ready,
        _deletion_cost(pod),
        -crowd[pod.spec.node_name] if pod.spec.node_name else 0,
        -since,
        -restarts,
        -_timestamp(pod.metadata.creation_timestamp),
    )


def _deletion_cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _timestamp(at: datetime | None) -> float:
    return at.timestamp() if at else math.inf
