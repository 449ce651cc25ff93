"""StatefulSets: Pods with a name that stays, made, updated and removed in the order of their ordinals.

The Pods are strict singletons (docs/decisions/0006): an object with the name of an ordinal is the claim to run it, and
as long as one is there, whoever it belongs to, no other is made.
Source: kubernetes pkg/controller/statefulset; what differs is told in docs/decisions/0011.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.orphans import Orphans
from swarmlet.controllers.sets import controller_history, statefulset_claims, statefulset_rollout
from swarmlet.controllers.sets import statefulset_pods as members
from swarmlet.controllers.sets.controller_history import History, Work
from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts, removal, terminating
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import apps_sets, events, kinds, objects, pods, selectors, singletons
from swarmlet.model.apps_sets import StatefulSet, StatefulSetStatus
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Delete, Key
from swarmlet.store.replica import Change, Stored, View

STATEFUL_SETS = kinds.STATEFUL_SET.resource
PODS = kinds.POD.resource
HASH = "controller.kubernetes.io/hash"


class StatefulSets:
    """The reconciler; `rng` makes the uids of Pods and revisions."""

    name: ClassVar[str] = "statefulset"
    watches: ClassVar[frozenset[str]] = frozenset(
        {STATEFUL_SETS, PODS, statefulset_claims.CLAIMS, controller_history.REVISIONS}
    )

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._orphans = Orphans()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the StatefulSet itself, or those that a Pod or a revision belongs to, or a Pod keeps a name from."""
        if change.key.resource == STATEFUL_SETS:
            return [change.key]
        if change.key.resource == statefulset_claims.CLAIMS:
            return sorted(set(statefulset_claims.stateful_sets_of(view, change.key)))
        found = {
            key
            for stored in filter(None, (change.old, change.new))
            if (key := claims.controller_key(stored.object, "StatefulSet", STATEFUL_SETS))
        }
        named = members.parent_and_ordinal(change.key.name) if change.key.resource == PODS else None
        if named:
            self._orphans.catch_up(view)
            found.add(Key(STATEFUL_SETS, change.key.namespace, named[0]))
        return sorted(key for key in found if view.get(key))

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every StatefulSet."""
        return [stored.key for stored in view.list(STATEFUL_SETS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the one next step, and the StatefulSet's status."""
        stored = view.get(key)
        if stored is None or not claims.is_selective(cast("StatefulSet", stored.object).spec.selector):
            return NOTHING
        step = _Step(Work(view, Drafts(view), now, self._rng), stored)
        if not objects.is_terminating(stored.object):
            step.adopt(self._orphans.of(view, key.namespace))
            step.take()
        return step.finish()


class _Step:
    """One StatefulSet, its Pods by ordinal, and what is to become of them."""

    def __init__(self, work: Work, stored: Stored) -> None:
        self._work = work
        self._stored = stored
        self._stateful_set = cast("StatefulSet", stored.object)
        self._events: list[events.Note] = []
        self._more = False
        self._status = self._stateful_set.status
        self._claims = statefulset_claims.Claims(work, self._stateful_set)
        self._present: dict[int, Pod] = {}
        self._bases: dict[int, Stored] = {}
        self._selects = selectors.from_labels(self._stateful_set.spec.selector)
        for base in claims.owned(work.view, stored, PODS):
            pod = cast("Pod", base.object)
            if not self._selects(pod.metadata.labels):
                work.drafts.update(base, claims.released(pod, self._stateful_set))
            else:
                self._take_in(base, pod)

    def adopt(self, orphans: Iterable[Stored]) -> None:
        """Take in Pods of nobody that bear its names: only such as were made to be single, for a node fences those."""
        for base in orphans:
            pod = cast("Pod", base.object)
            if singletons.must_be_single(pod) and claims.may_adopt(pod, self._selects):
                self._take_in(base, claims.adopted(pod, self._stateful_set))

    def _take_in(self, base: Stored, pod: Pod) -> None:
        named = members.parent_and_ordinal(pod.metadata.name)
        if named and named[0] == self._stateful_set.metadata.name:
            self._present[named[1]] = pod if objects.is_terminating(pod) else members.identified(pod)
            self._bases[named[1]] = base
            self._work.drafts.update(base, self._present[named[1]])

    def take(self) -> None:
        """Decide, and count what comes of it."""
        history = History(self._work, self._stored, hash_label=HASH)
        update, collisions = history.newest()
        current = history.get(self._stateful_set.status.current_revision) or update
        plan = statefulset_rollout.plan(self._stateful_set, self._present, update.metadata.name, self._work.now)
        self._more = plan.is_full
        late = self._claims.keep_policy({*plan.make, *self._present}, self._present)
        for pod in plan.failed:
            self._recreate(pod)
        for pod in plan.remove:
            if members.ordinal_of(pod) in late:  # whose claims would outlive it: first they, then it
                self._more = True
            else:
                self._remove(pod)
        if claims.accepts_new_objects(self._work.view, self._stored.key.namespace):
            self._claims.make_missing(self._present.values())
            for ordinal in plan.make:
                keeps = statefulset_rollout.keeps_current(self._stateful_set, ordinal)
                self._make(ordinal, current if keeps else update)
        self._status = self._count(current.metadata.name, update.metadata.name, collisions)
        live = {members.revision_of(pod) for pod in self._present.values()}
        history.trim(live | {self._status.current_revision, self._status.update_revision})

    def _make(self, ordinal: int, revision: apps_sets.ControllerRevision) -> None:
        name = members.name_of(self._stateful_set, ordinal)
        if self._work.view.get(Key(PODS, self._stored.key.namespace, name)):
            why = f'error: pods "{name}" already exists and is not one of its own'
            told = f"create Pod {name} in StatefulSet {self._stateful_set.metadata.name} failed {why}"
            self._note(events.WARNING, "FailedCreate", told)
            return
        if not self._work.drafts.has_room:
            self._more = True
            return
        if not self._claims.are_there_for(ordinal):
            return
        template = controller_history.template_of(revision)
        pod = members.new_pod(
            self._stateful_set, ordinal, template, revision.metadata.name, now=self._work.now, rng=self._work.rng
        )
        try:
            self._work.drafts.create(kinds.POD, pod)
        except CallerError as error:
            told = f"create Pod {name} in StatefulSet {self._stateful_set.metadata.name} failed error: {error}"
            self._note(events.WARNING, "FailedCreate", told)
            return
        self._present[ordinal] = pod
        told = f"create Pod {name} in StatefulSet {self._stateful_set.metadata.name} successful"
        self._note(events.NORMAL, "SuccessfulCreate", told)

    def _recreate(self, pod: Pod) -> None:
        ended = "Failed" if pod.status.phase == "Failed" else "Terminated"
        told = (
            f"StatefulSet {self._stored.key.namespace}/{self._stored.key.name} is recreating "
            f"{ended.lower()} Pod {pod.metadata.name}"
        )
        self._note(events.WARNING, f"Recreating{ended}Pod", told)
        self._remove(pod)

    def _remove(self, pod: Pod) -> None:
        ordinal = members.ordinal_of(pod)
        self._work.drafts.remove(self._bases[ordinal], self._work.now)
        if isinstance(removal(self._bases[ordinal], self._work.now), Delete):
            del self._present[ordinal]
        else:
            self._present[ordinal] = terminating(pod, self._work.now)
        told = f"delete Pod {pod.metadata.name} in StatefulSet {self._stateful_set.metadata.name} successful"
        self._note(events.NORMAL, "SuccessfulDelete", told)

    def _note(self, type_: str, reason: str, message: str) -> None:
        self._events.append(events.Note(self._stateful_set, type_, reason, message))

    def finish(self) -> Reconciliation:
        """Return the operations, the status among them."""
        after = msgspec.structs.replace(self._stateful_set, status=self._status)
        self._work.drafts.update(self._stored, after)
        wait = 0.0 if self._more else self._seconds_to_availability()
        return self._work.drafts.reconciliation((*self._events, *self._claims.notes), wait)

    def _count(self, current: str, update: str, collisions: int | None) -> StatefulSetStatus:
        """Count the Pods as they are once the operations took effect; a finished update becomes what is current."""
        spec, everyone = self._stateful_set.spec, list(self._present.values())
        staying = [members.revision_of(pod) for pod in everyone if not objects.is_terminating(pod)]
        available = sum(pods.is_available(pod, self._work.now, spec.min_ready_seconds) for pod in everyone)
        ready, updated = sum(map(pods.is_ready, everyone)), staying.count(update)
        wanted = len(members.ordinals(self._stateful_set))
        if spec.update_strategy.type != apps_sets.ON_DELETE and updated == ready == len(everyone) == wanted:
            current = update
        return StatefulSetStatus(
            observed_generation=self._stateful_set.metadata.generation,
            replicas=len(everyone),
            ready_replicas=ready,
            current_replicas=staying.count(current),
            updated_replicas=updated,
            current_revision=current,
            update_revision=update,
            collision_count=collisions,
            conditions=self._stateful_set.status.conditions,
            available_replicas=available,
        )

    def _seconds_to_availability(self) -> float | None:
        least = self._stateful_set.spec.min_ready_seconds
        if not least:
            return None
        waits = (pods.available_in(pod, self._work.now, least) for pod in self._present.values())
        return min((wait.total_seconds() for wait in waits if wait), default=None)
