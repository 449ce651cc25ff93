"""Jobs: Pods that end, until enough have succeeded or too many failed.

A Pod is held by a finalizer until it is counted, and counting and letting go are one step (docs/decisions/0010): no
end is lost and none counted twice. Source: kubernetes pkg/controller/job and ttlafterfinished.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.deployments import replicaset
from swarmlet.controllers.jobs import counting as job_counting
from swarmlet.controllers.jobs import end as job_end
from swarmlet.controllers.jobs import pods as job_pods
from swarmlet.controllers.jobs.counting import Tally
from swarmlet.controllers.jobs.end import End
from swarmlet.controllers.jobs.pods import NO_INDEX, Attempt
from swarmlet.controllers.orphans import Orphans
from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import batch, conditions, events, indexes, kinds, objects, pods, selectors
from swarmlet.model.base import clock_time
from swarmlet.model.pod import Pod
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

JOBS = kinds.JOB.resource
PODS = kinds.POD.resource
PODS_PER_STEP = 300
BYTES_PER_STEP = 1024 * 1024
"""Pods made, taken in or removed in one step, and their size: the step must fit into one command."""


class Jobs:
    """The reconciler; a key names a Job, or a Pod that is held for a Job that is no more."""

    name: ClassVar[str] = "job"
    watches: ClassVar[frozenset[str]] = frozenset({JOBS, PODS})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._orphans = Orphans()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Job, those that a Pod belongs to or could belong to, and Pods that nobody counts any more."""
        if change.key.resource == JOBS:
            left = view.by_owner(change.old.object.metadata.uid) if change.new is None and change.old else ()
            return [change.key, *(each.key for each in left if each.key.resource == PODS)]
        self._orphans.catch_up(view)
        found = [
            key
            for stored in (change.old, change.new)
            if stored is not None and (key := claims.controller_key(stored.object, "Job", JOBS))
        ]
        if change.new is not None:
            found += _adopters(change.new, view)
            found += [change.key] if job_pods.without_hold(view, change.new) else []
        return found

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Job, and every Pod that is held for none."""
        held = (stored.key for stored in view.list(PODS) if job_pods.without_hold(view, stored))
        return [*(stored.key for stored in view.list(JOBS)), *held]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the Pods to make, count and remove, and the Job's status."""
        stored = view.get(key)
        if stored is None:
            return NOTHING
        if key.resource == PODS:
            return _let_go(view, stored)
        job = cast("batch.Job", stored.object)
        if job.spec.managed_by not in (None, "", batch.JOB_CONTROLLER):
            return NOTHING
        if job_end.is_finished(job):
            return _after_the_end(view, stored, now)
        work = _Work(view, stored, now, self._rng)
        if job.spec.manual_selector and not objects.is_terminating(job):
            work.adopt(self._orphans.of(view, key.namespace))
        return work.take()


class _Work:
    """One Job that is not over, its Pods, and what is to become of them."""

    def __init__(self, view: View, stored: Stored, now: datetime, rng: random.Random) -> None:
        self._view = view
        self._stored = stored
        self._job = cast("batch.Job", stored.object)
        self._now = now
        self._rng = rng
        self._drafts = Drafts(view)
        self._events: list[events.Note] = []
        self._waits: list[float] = []
        self._room = BYTES_PER_STEP
        self._writes = 0
        self._selects = selectors.from_labels(self._job.spec.selector)
        self._owned: list[Stored] = []
        for base in claims.owned(view, stored, PODS):
            pod = cast("Pod", base.object)
            if self._selects(pod.metadata.labels):
                self._owned.append(base)
            elif self._has_room(base.json):
                self._drafts.update(base, job_pods.let_go(claims.released(pod, self._job)))
        everyone = ((base, cast("Pod", base.object)) for base in self._owned)
        self._active: dict[Key, tuple[Stored | None, Pod]] = {
            base.key: (base, pod) for base, pod in everyone if pods.is_active(pod)
        }
        self._going = sum(job_pods.is_going(cast("Pod", base.object), view) for base in self._owned)

    def adopt(self, orphans: Sequence[Stored]) -> None:
        """Take in the Pods of nobody that match; the next step looks at them."""
        for base in orphans:
            pod = cast("Pod", base.object)
            if claims.may_adopt(pod, self._selects) and self._has_room(base.json):
                self._drafts.update(base, job_pods.tracked(claims.adopted(pod, self._job)))
                self._waits.append(0.0)

    def take(self) -> Reconciliation:
        """Decide, and return what came of it."""
        if not self._waits:
            self._turn()
            end = job_end.decided(self._job)
            ending = end is not None or objects.is_terminating(self._job)
            tally = job_counting.count(self._job, self._owned, self._view, ending=ending)
            for base in tally.counted:
                self._drafts.update(base, job_pods.let_go(cast("Pod", base.object)))
            end = end or job_end.judge(self._job, tally, [pod for _, pod in self._active.values()], self._now)
            if end is not None:
                self._end(end, tally)
            elif self._job.spec.suspend:
                self._remove(list(self._active))
            elif not objects.is_terminating(self._job):
                self._balance(tally)
            self._tell(tally)
        self._drafts.update(self._stored, self._job)
        deadline = job_end.deadline_in(self._job, self._now)
        waits = [*self._waits, *([max(0.0, deadline)] if deadline is not None and not self._is_over else [])]
        return self._drafts.reconciliation(self._events, min(waits, default=None), atomic=True)

    @property
    def _is_over(self) -> bool:
        return job_end.is_finished(self._job) or job_end.decided(self._job) is not None

    # What becomes of the Job.

    def _turn(self) -> None:
        """Begin, suspend or resume."""
        status, at = self._job.status, clock_time(self._now)
        suspended = bool(self._job.spec.suspend)
        was = conditions.is_true(status.conditions, batch.SUSPENDED)
        if suspended and not was:
            self._put(batch.SUSPENDED, "JobSuspended", "Job suspended")
            self._note(events.NORMAL, "Suspended", "Job suspended")
        elif was and not suspended:
            self._put(batch.SUSPENDED, "JobResumed", "Job resumed", holds=False)
            self._note(events.NORMAL, "Resumed", "Job resumed")
        if not suspended and (was or status.start_time is None):
            self._set(start_time=at)

    def _end(self, end: End, tally: Tally) -> None:
        """Remove what runs; once nothing does, and all is counted, the Job is over."""
        self._put(end.target, end.reason, end.message)
        quiet = not self._active and not self._going and not tally.more and not tally.waiting
        self._remove(list(self._active), counted=True)
        if tally.waiting:
            self._waits.append(0.0)
        if not quiet:
            return
        self._put(end.type, end.reason, end.message)
        if end.type == batch.COMPLETE:
            self._set(completion_time=clock_time(self._now))
            self._note(events.NORMAL, "Completed", "Job completed")
        else:
            self._note(events.WARNING, end.reason, end.message)

    def _balance(self, tally: Tally) -> None:
        self._remove(list(self._misplaced(tally)))
        parallelism = 1 if self._job.spec.parallelism is None else self._job.spec.parallelism
        completions = self._job.spec.completions
        wanted = parallelism
        if completions is not None:
            wanted = min(parallelism, completions - tally.succeeded - len(tally.failed_indexes))
        elif tally.succeeded:
            wanted = min(parallelism, len(self._active))
        surplus = len(self._active) - wanted
        if surplus > 0:
            crowd = Counter(pod.spec.node_name for _, pod in self._active.values())
            ranked = sorted(self._active, key=lambda key: replicaset.deletion_rank(self._active[key][1], crowd))
            self._remove(ranked[:surplus])
        going = self._going if job_pods.waits_for_ends(self._job) else 0
        missing = -surplus - going
        if missing > 0 and claims.accepts_new_objects(self._view, self._stored.key.namespace):
            self._make(missing, tally)

    # Pods.

    def _misplaced(self, tally: Tally) -> Iterator[Key]:
        """Yield the Pods whose index is done, taken by another, or none of the Job's any more."""
        if self._job.spec.completion_mode != batch.INDEXED:
            return
        taken = tally.completed | tally.failed_indexes
        for key, (_, pod) in self._active.items():
            index = job_pods.index_of(pod)
            if index in taken or not 0 <= index < (self._job.spec.completions or 0):
                yield key
            taken.add(index)

    def _make(self, missing: int, tally: Tally) -> None:
        if self._job.spec.backoff_limit_per_index is None:
            failures, last = job_pods.failures_in_a_row(cast("Pod", base.object) for base in self._owned)
            wait = job_pods.back_off_seconds(failures, last, self._now)
            if wait > 0:
                self._waits.append(wait)
                return
        for index, attempt in self._tries(missing, tally):
            pod = job_pods.new_pod(self._job, self._now, self._rng, index, attempt)
            if not self._has_room(objects.to_json(pod)):
                break
            try:
                self._drafts.create(kinds.POD, pod)
            except CallerError as error:
                self._note(events.WARNING, "FailedCreate", f"Error creating: {error}")
                break
            self._active[Key(PODS, pod.metadata.namespace, pod.metadata.name)] = (None, pod)
            self._note(events.NORMAL, "SuccessfulCreate", f"Created pod: {pod.metadata.name}")

    def _tries(self, missing: int, tally: Tally) -> Iterator[tuple[int, Attempt]]:
        """Yield which indexes are to be tried now.

        One that has to wait keeps its turn, as in Kubernetes: its last Pod is held for it, and whoever deletes that
        Pod would wait for as long as all the others run.
        """
        if self._job.spec.completion_mode != batch.INDEXED:
            yield from itertools.repeat((NO_INDEX, Attempt()), missing)
            return
        busy = tally.completed | tally.failed_indexes | self._busy_indexes()
        free = (index for index in range(self._job.spec.completions or 0) if index not in busy)
        for index in itertools.islice(free, missing):
            before, attempt = tally.waiting.get(index, (None, Attempt()))
            last = job_pods.finished_at(before) if before else None
            wait = job_pods.back_off_seconds(attempt.number, last, self._now)
            if wait > 0:
                self._waits.append(wait)
            else:
                yield index, attempt

    def _busy_indexes(self) -> set[int]:
        found = {job_pods.index_of(pod) for _, pod in self._active.values()}
        if job_pods.waits_for_ends(self._job):
            everyone = (cast("Pod", base.object) for base in self._owned)
            found |= {job_pods.index_of(pod) for pod in everyone if job_pods.is_going(pod, self._view)}
        return found

    def _remove(self, keys: Sequence[Key], *, counted: bool = False) -> None:
        """Delete Pods that run; where they are not `counted`, nothing holds them: they have not failed."""
        for key in keys:
            base, pod = self._active[key]
            assert base is not None, "what is made is not removed in the same step"
            if not self._has_room(base.json):
                return
            self._drafts.remove(base, self._now, None if counted else job_pods.let_go(pod))
            del self._active[key]
            self._going += bool(pod.spec.node_name)
            self._note(events.NORMAL, "SuccessfulDelete", f"Deleted pod: {key.name}")

    def _has_room(self, json: bytes) -> bool:
        """Take room for one more write of a Pod in this step; where there is none, ask for another step."""
        if self._writes == PODS_PER_STEP or (self._writes and len(json) > self._room):
            self._waits.append(0.0)
            return False
        self._writes += 1
        self._room -= len(json)
        return True

    # What is said.

    def _tell(self, tally: Tally) -> None:
        if tally.more:
            self._waits.append(0.0)
        active = [pod for _, pod in self._active.values()]
        per_index = self._job.spec.backoff_limit_per_index is not None
        self._set(
            active=len(active),
            ready=sum(map(pods.is_ready, active)),
            terminating=self._going,
            succeeded=tally.succeeded,
            failed=tally.failed,
            completed_indexes=indexes.to_text(tally.completed),
            failed_indexes=indexes.to_text(tally.failed_indexes) if per_index else None,
            uncounted_terminated_pods=batch.UncountedTerminatedPods(),
        )

    def _set(self, **changes: object) -> None:
        self._job = msgspec.structs.replace(self._job, status=msgspec.structs.replace(self._job.status, **changes))

    def _put(self, type_: str, reason: str, message: str, *, holds: bool = True) -> None:
        condition = job_end.condition(type_, reason, message, self._now, holds=holds)
        self._set(conditions=conditions.put(self._job.status.conditions, condition, self._now))

    def _note(self, type_: str, reason: str, message: str) -> None:
        self._events.append(events.Note(self._job, type_, reason, message))


def _after_the_end(view: View, stored: Stored, now: datetime) -> Reconciliation:
    """Let go of what is still held, and delete the Job when its time to live is over."""
    job = cast("batch.Job", stored.object)
    drafts = Drafts()
    held = [each for each in claims.owned(view, stored, PODS) if job_pods.is_tracked(cast("Pod", each.object))]
    for each in held[: job_counting.COUNTED_MAX]:
        drafts.update(each, job_pods.let_go(cast("Pod", each.object)))
    more = len(held) > job_counting.COUNTED_MAX
    if objects.is_terminating(job):  # a finalizer of a user's may hold it for as long as they like
        return Reconciliation(drafts.operations(), requeue_after_seconds=0.0 if more else None)
    wait, why = 0.0 if more else _time_to_live(job, now), ""
    if wait is not None and wait <= 0 and not more:
        drafts.remove(stored, now)
        wait, why = None, f"{job.spec.ttl_seconds_after_finished} s have passed since it finished"
    return Reconciliation(drafts.operations(), requeue_after_seconds=wait, why=why)


def _time_to_live(job: batch.Job, now: datetime) -> float | None:
    """Return how many seconds a finished Job is to be kept still, None for ever."""
    end, seconds = job_end.ended(job), job.spec.ttl_seconds_after_finished
    if end is None or end.last_transition_time is None or seconds is None:
        return None
    return (end.last_transition_time + timedelta(seconds=seconds) - now).total_seconds()


def _let_go(view: View, stored: Stored) -> Reconciliation:
    pod = job_pods.without_hold(view, stored)
    if pod is None:
        return NOTHING
    drafts = Drafts()
    drafts.update(stored, pod)
    return Reconciliation(drafts.operations())


def _adopters(stored: Stored, view: View) -> list[Key]:
    """Return the Jobs whose own selector takes in a Pod of nobody."""
    if objects.controller_of(stored.object) is not None:
        return []
    return [
        each.key
        for each in view.list(JOBS, stored.key.namespace)
        if cast("batch.Job", each.object).spec.manual_selector
        and claims.may_adopt(stored.object, selectors.from_labels(cast("batch.Job", each.object).spec.selector))
    ]
