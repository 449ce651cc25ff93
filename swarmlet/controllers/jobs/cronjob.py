"""CronJobs: a Job for each time that is due.

A Job's name is made of the CronJob's and of the minute that it is due in, and it is made in one step with the note of
that time in the CronJob's status (docs/decisions/0010): whoever leads, no run is lost between the two and none doubled.
Source: kubernetes pkg/controller/cronjob.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.jobs import cronjob_jobs
from swarmlet.controllers.jobs import end as job_end
from swarmlet.controllers.work import claims
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import batch, events, kinds, objects, schedules
from swarmlet.model.base import clock_time
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

CRON_JOBS = kinds.CRON_JOB.resource
JOBS = kinds.JOB.resource
REMOVALS_PER_STEP = 500
"""Jobs deleted in one step, which must fit into one command; the rest follows in the next, which their end brings."""
MARGIN_SECONDS = 0.01
"""Added to a wait so that its end lies behind the time that is due and not before it."""
RECHECK_SECONDS_MAX = 300.0
"""A wall clock may be set while a wait goes by another one."""
TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
BUSY = "Not starting job because prior execution is running and concurrency policy is Forbid"


class CronJobs:
    """The reconciler; `rng` makes the uids of new Jobs."""

    name: ClassVar[str] = "cronjob"
    watches: ClassVar[frozenset[str]] = frozenset({CRON_JOBS, JOBS})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the CronJob itself, or the one that a Job belongs to."""
        if change.key.resource == CRON_JOBS:
            return [change.key]
        owners = (
            claims.controller_key(stored.object, "CronJob", CRON_JOBS) for stored in (change.old, change.new) if stored
        )
        return [key for key in owners if key is not None]

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every CronJob."""
        return [stored.key for stored in view.list(CRON_JOBS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the Job that is due, those to be removed, and the CronJob's status."""
        stored = view.get(key)
        return NOTHING if stored is None else _Work(view, stored, now, self._rng).take()


class _Work:
    """One CronJob and its Jobs."""

    def __init__(self, view: View, stored: Stored, now: datetime, rng: random.Random) -> None:
        self._view = view
        self._stored = stored
        self._cron_job = cast("batch.CronJob", stored.object)
        self._now = now
        self._rng = rng
        self._drafts = Drafts(view)
        self._events: list[events.Note] = []
        owned = claims.owned(view, stored, JOBS)
        ours = [each for each in owned if not cronjob_jobs.is_manual(cronjob_jobs.job_of(each))]
        self._running = {each.key: each for each in ours if not job_end.is_finished(cronjob_jobs.job_of(each))}
        self._owned = owned
        self._new: batch.Job | None = None
        self._room = REMOVALS_PER_STEP

    def take(self) -> Reconciliation:
        """Decide, and return what came of it."""
        self._note_ends()
        self._trim()
        wait: float | None = None
        if not objects.is_terminating(self._cron_job):
            wait = self._keep_schedule()
        active = [cronjob_jobs.job_of(each) for each in self._running.values()] + ([self._new] if self._new else [])
        self._set(active=tuple(cronjob_jobs.reference(each) for each in active))
        self._drafts.update(self._stored, self._cron_job)
        return self._drafts.reconciliation(self._events, wait, atomic=True)

    # Jobs that are over.

    def _note_ends(self) -> None:
        """Tell of the Jobs that ended since the last look, and of those that are gone."""
        before = self._cron_job.status
        last = before.last_successful_time
        there = {each.object.metadata.uid: cronjob_jobs.job_of(each) for each in self._owned}
        for job in there.values():
            at = cronjob_jobs.succeeded_at(job)
            last = at if at is not None and (last is None or at > last) else last
        for reference in before.active:
            job_ = there.get(reference.uid)
            if job_ is None:
                self._note(events.NORMAL, "MissingJob", f"Active job went missing: {reference.name}")
            elif end := job_end.ended(job_):
                message = f"Saw completed job: {reference.name}, condition: {end.type}"
                self._note(events.NORMAL, "SawCompletedJob", message)
        self._set(last_successful_time=last)

    def _trim(self) -> None:
        """Delete the oldest finished Jobs beyond the limits of the history."""
        spec = self._cron_job.spec
        limits = {batch.COMPLETE: spec.successful_jobs_history_limit, batch.FAILED: spec.failed_jobs_history_limit}
        self._remove_all(list(cronjob_jobs.beyond(self._owned, limits)))

    def _remove_all(self, jobs: Sequence[Stored]) -> bool:
        """Delete Jobs, as many as the step has room for; return whether those were all."""
        going = jobs[: self._room]
        for stored in going:
            self._drafts.remove(stored, self._now)
            self._running.pop(stored.key, None)
            self._note(events.NORMAL, "SuccessfulDelete", f"Deleted job {stored.key.name}")
        self._room -= len(going)
        return len(going) == len(jobs)

    # The schedule.

    def _keep_schedule(self) -> float | None:
        """Start what is due; return in how many seconds to look again."""
        spec = self._cron_job.spec
        if spec.suspend:
            return None
        try:
            schedule = schedules.parse(spec.schedule, spec.time_zone, self._last())
        except ValueError as error:  # admitted by a machine that knows more time zones than this one
            reason = "UnknownTimeZone" if spec.time_zone else "UnparseableSchedule"
            self._note(events.WARNING, reason, f"invalid schedule: {spec.schedule}: {error}")
            return RECHECK_SECONDS_MAX
        earliest = self._earliest()
        due = schedules.latest(schedule, earliest, self._now)
        if due is not None:
            if schedules.missed_too_many(schedule, earliest, self._now):
                self._note(events.WARNING, "TooManyMissedTimes", TOO_MANY)
            self._run(due)
        following = schedule.after(self._now)
        until = RECHECK_SECONDS_MAX if following is None else (following - self._now).total_seconds() + MARGIN_SECONDS
        return min(until, RECHECK_SECONDS_MAX)

    def _earliest(self) -> datetime:
        """Return the time after which what is due has not been started yet, and may be."""
        deadline = self._cron_job.spec.starting_deadline_seconds
        if deadline is None:
            return self._last()
        # What is due exactly as long ago as the deadline allows is not too late.
        return max(self._last(), self._now - timedelta(seconds=deadline, microseconds=1))

    def _last(self) -> datetime:
        """Return when the last Job was due; for a new CronJob, when that was made."""
        status, metadata = self._cron_job.status, self._cron_job.metadata
        return status.last_schedule_time or metadata.creation_timestamp or self._now

    def _run(self, due: datetime) -> None:
        spec = self._cron_job.spec
        if not claims.accepts_new_objects(self._view, self._stored.key.namespace):
            return
        if self._running and spec.concurrency_policy == "Forbid":
            self._note(events.NORMAL, "JobAlreadyActive", BUSY)
            return
        job = cronjob_jobs.new_job(self._cron_job, due, self._now, self._rng)
        key = Key(JOBS, job.metadata.namespace, job.metadata.name)
        taken = self._view.get(key)
        if taken is not None and not claims.is_controlled_by(taken.object, self._cron_job):
            message = f'Error creating job: jobs.batch "{key.name}" already exists'
            self._note(events.WARNING, "FailedCreate", message)
            return
        if spec.concurrency_policy == "Replace" and not self._replace():
            return
        if taken is None and not self._create(job):
            return
        self._set(last_schedule_time=clock_time(due))

    def _create(self, job: batch.Job) -> bool:
        """Make a Job; False where a quota leaves no room, which what else is done here may give."""
        try:
            self._drafts.create(kinds.JOB, job)
        except CallerError as error:
            self._note(events.WARNING, "FailedCreate", f"Error creating job: {error}")
            return False
        self._new = job
        self._note(events.NORMAL, "SuccessfulCreate", f"Created job {job.metadata.name}")
        return True

    def _replace(self) -> bool:
        """Delete the Jobs that run; return whether none is left."""
        if not self._remove_all([each for each in self._running.values() if not objects.is_terminating(each.object)]):
            return False
        self._running.clear()
        return True

    def _set(self, **changes: object) -> None:
        status = msgspec.structs.replace(self._cron_job.status, **changes)
        self._cron_job = msgspec.structs.replace(self._cron_job, status=status)

    def _note(self, type_: str, reason: str, message: str) -> None:
        self._events.append(events.Note(self._cron_job, type_, reason, message))
