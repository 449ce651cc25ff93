"""ReplicaSets: as many Pods of a template as are asked for, made and removed in bulk.

Source: kubernetes pkg/controller/replicaset and controller_utils.go (ActivePodsWithRanks).
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.deployments import rollout
from swarmlet.controllers.orphans import Orphans
from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import conditions, events, kinds, moves, names, objects, pods, selectors, singletons
from swarmlet.model.apps import Deployment, ReplicaSet, ReplicaSetStatus
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.pod import Pod
from swarmlet.model.pod_status import PodStatus
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

REPLICA_SETS = kinds.REPLICA_SET.resource
PODS = kinds.POD.resource
BURST_PODS = 500
"""Pods made or removed in one step; the rest follows in the next."""

REPLICA_FAILURE = "ReplicaFailure"
FAILED_CREATE = "FailedCreate"
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
        return [*_of_pod(change, view), *_of_freed_place(change, view)]

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
        self._drafts = Drafts(view)
        self._failure: Condition | None = None
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
            elif pods.is_finished(pod) and singletons.must_be_single(pod):
                self._free_name(base, pod)

    def _free_name(self, base: Stored, pod: Pod) -> None:
        """Remove a strict singleton that its node has given up: its name is the place, and another is to have it."""
        if not pod.metadata.finalizers:
            self._drafts.erase(base)
        elif not objects.is_terminating(pod):
            self._drafts.remove(base, self._now)

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
        pairs = moves.pairs(self._pods.values())
        missing = rollout.size(self._replica_set) + len(pairs) - len(self._pods)
        places: Sequence[str] = [""] * min(missing, BURST_PODS)
        if missing > 0 and singletons.asks_for_single(self._replica_set.spec.template):
            places = single_places(self._view, self._replica_set)[:missing]
        self._more = abs(missing) > BURST_PODS
        if missing < 0:
            self._remove(-missing, pairs)
        elif missing > 0 and claims.accepts_new_objects(self._view, self._stored.key.namespace):
            self._make(places, rng)

    def _make(self, given_names: Sequence[str], rng: random.Random) -> None:
        for name in given_names:
            pod = new_pod(self._replica_set, self._now, rng, name=name, is_taken=self._is_taken)
            if not self._drafts.has_room:
                self._more = True
                return
            try:
                self._drafts.create(kinds.POD, pod)
            except CallerError as error:
                self._fail(str(error))
                return
            self._pods[Key(PODS, pod.metadata.namespace, pod.metadata.name)] = pod
            self._note("SuccessfulCreate", f"Created pod: {pod.metadata.name}")

    def _is_taken(self, name: str) -> bool:
        key = Key(PODS, self._stored.key.namespace, name)
        return key in self._pods or self._view.get(key) is not None

    def _fail(self, message: str) -> None:
        """Tell that no more can be made for now: once, for every attempt has another name in its words."""
        self._more = False
        before = conditions.get(self._replica_set.status.conditions, REPLICA_FAILURE)
        if before is None:
            told = f"Error creating: {message}"
            self._events.append(events.Note(self._replica_set, events.WARNING, FAILED_CREATE, told))
        self._failure = before or Condition(type=REPLICA_FAILURE, status="True", reason=FAILED_CREATE, message=message)

    def _remove(self, number: int, pairs: Sequence[moves.Pair]) -> None:
        """Remove so many; moves under way end with it, so that each Pod counts for itself again."""
        minimum = self._replica_set.spec.min_ready_seconds
        losers = {each.loser(self._now, minimum).metadata.uid for each in pairs}
        crowd = Counter(pod.spec.node_name for pod in self._pods.values())
        ranked = sorted(self._pods, key=lambda key: deletion_rank(self._pods[key], crowd))
        ranked.sort(key=lambda key: self._pods[key].metadata.uid not in losers)
        for key in ranked[: min(number + len(pairs), BURST_PODS)]:
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
        return self._drafts.reconciliation(self._events, wait)

    def _status(self) -> ReplicaSetStatus:
        """Count the Pods as they are once the operations took effect."""
        spec = self._replica_set.spec
        wanted = spec.template.metadata.labels.items()
        everyone = moves.counted(self._pods.values())
        return ReplicaSetStatus(
            replicas=len(everyone),
            fully_labeled_replicas=sum(wanted <= pod.metadata.labels.items() for pod in everyone),
            ready_replicas=sum(map(pods.is_ready, everyone)),
            available_replicas=sum(pods.is_available(pod, self._now, spec.min_ready_seconds) for pod in everyone),
            observed_generation=self._replica_set.metadata.generation,
            conditions=self._conditions(),
        )

    def _conditions(self) -> tuple[Condition, ...]:
        before = self._replica_set.status.conditions
        if self._failure is None:
            return conditions.drop(before, REPLICA_FAILURE)
        return conditions.put(before, self._failure, self._now)

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


def _of_freed_place(change: Change, view: View) -> list[Key]:
    """Return who may wait for the end of a strict singleton that has come, or for its name."""
    before, after = (cast("Pod", each.object) if each else None for each in (change.old, change.new))
    if before is None or not singletons.must_be_single(before):
        return []
    if after is not None and (singletons.occupies(after) or not singletons.occupies(before)):
        return []
    return [
        each.key
        for each in view.list(REPLICA_SETS, change.key.namespace)
        if singletons.asks_for_single(cast("ReplicaSet", each.object).spec.template)
    ]


def _adopters(orphan: Stored, view: View) -> list[Key]:
    return [
        each.key
        for each in view.list(REPLICA_SETS, orphan.key.namespace)
        if claims.may_adopt(orphan.object, selectors.from_labels(cast("ReplicaSet", each.object).spec.selector))
    ]


def single_places(view: View, replica_set: ReplicaSet) -> list[str]:
    """Return the names of the strict singletons that may be made now, as many as a step makes at most.

    The name is the place: who makes one twice, because a former leader's write came late or two ReplicaSets of one
    Deployment want it, finds the name taken. Those of the same selector take places too while they are about to go:
    the Deployment's selector, where there is one, so what an earlier Deployment left behind counts.
    """
    namespace, size = replica_set.metadata.namespace, rollout.size(replica_set)
    key = claims.controller_key(replica_set, "Deployment", kinds.DEPLOYMENT.resource)
    stored = view.get(key) if key else None
    selector = cast("Deployment", stored.object).spec.selector if stored else replica_set.spec.selector
    selects = selectors.from_labels(selector)
    everyone = (cast("Pod", each.object) for each in view.list(PODS, namespace))
    occupied = sum(singletons.occupies(pod) and selects(pod.metadata.labels) for pod in everyone)
    wanted = (names.numbered(f"{key.name if key else replica_set.metadata.name}-single", n) for n in range(size))
    free = (name for name in wanted if view.get(Key(PODS, namespace, name)) is None)
    return list(itertools.islice(free, min(max(0, size - occupied), BURST_PODS)))


def new_pod(
    replica_set: ReplicaSet,
    now: datetime,
    rng: random.Random,
    *,
    name: str = "",
    is_taken: Callable[[str], bool] = lambda _: False,
) -> Pod:
    """Return a Pod of the ReplicaSet's template, pending and bound to no node; without a `name` it is given one."""
    template = replica_set.spec.template
    prefix = f"{replica_set.metadata.name}-"
    return Pod(
        metadata=ObjectMeta(
            name=name or names.generated(prefix, rng, is_taken),
            generate_name="" if name else prefix,
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
