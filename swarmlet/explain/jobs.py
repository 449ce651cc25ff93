"""Why a Job does not end or has failed, and why a CronJob starts none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import cast

from swarmlet.explain import groups
from swarmlet.explain import pods as pod_explainer
from swarmlet.explain.case import Case, about, by_condition, by_event, listed, plural
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import batch, conditions, kinds, pods, schedules
from swarmlet.model.batch import CronJob, Job
from swarmlet.model.meta import Condition, Object

CRON_WARNINGS = (
    "UnknownTimeZone",
    "UnparseableSchedule",
    "TooManyMissedTimes",
    "FailedCreate",
    "JobAlreadyActive",
    "MissSchedule",
)


def explain(case: Case, value: Object) -> list[Finding]:
    """Return how a Job is: whether it is over and why, what its Pods do, how the last that failed ended."""
    job = cast("Job", value)
    status = job.status
    found = list(_ends(job))
    failed = [pod for pod in case.pods_of(job) if pod.status.phase == "Failed"]
    if failed:
        last = max(
            failed, key=lambda pod: (pod.metadata.creation_timestamp is not None, pod.metadata.creation_timestamp)
        )
        causes = tuple(pod_explainer.troubles(case, last))
        where = f" on {last.spec.node_name}" if last.spec.node_name else ""
        text = f"the last Pod that failed is {last.metadata.name}{where}"
        found.append(Finding(text=text, severity=ERROR, about=about(last), source="status", causes=causes))
    active = [pod for pod in case.pods_of(job) if not pods.is_finished(pod)]
    found += groups.troubles(case, active, finished_count=False)
    found += _limits(case, job)
    is_over = any(conditions.is_true(status.conditions, each) for each in (batch.COMPLETE, batch.FAILED))
    headline = Finding(
        text=f"Job {job.metadata.name} {_state(job)}: {_counts(job)}",
        severity=ERROR if conditions.is_true(status.conditions, batch.FAILED) else severity_of(found),
        since=None if is_over else status.start_time,
        at=status.completion_time,
        about=about(job),
        source="status",
        causes=worst_first(found),
    )
    return [headline]


def explain_cron(case: Case, value: Object) -> list[Finding]:
    """Return how a CronJob is: when it runs next, and what holds it up."""
    cron_job = cast("CronJob", value)
    found = list(_held(case, cron_job))
    last = cron_job.status.last_schedule_time
    newest = max(
        (cast("Job", each) for each in case.owned(cron_job, kinds.JOB)),
        key=lambda each: (each.metadata.creation_timestamp is not None, each.metadata.creation_timestamp),
        default=None,
    )
    if newest is not None:
        found += explain(case, newest)
    headline = Finding(
        text=f"CronJob {cron_job.metadata.name} ({cron_job.spec.schedule}) {'last ran' if last else 'has not run yet'}",
        severity=severity_of(found),
        at=last,
        about=about(cron_job),
        source="status.lastScheduleTime",
        causes=worst_first(found),
    )
    return [headline, *_next(case, cron_job)]


def _state(job: Job) -> str:
    for type_, word in (
        (batch.FAILED, "has failed"),
        (batch.COMPLETE, "is complete"),
        (batch.SUSPENDED, "is suspended"),
    ):
        if conditions.is_true(job.status.conditions, type_):
            return word
    return "runs"


def _counts(job: Job) -> str:
    status = job.status
    wanted = f" of {job.spec.completions}" if job.spec.completions is not None else ""
    return f"{status.succeeded}{wanted} succeeded, {status.failed} failed, {status.active} active"


def _ends(job: Job) -> Iterator[Finding]:
    failed = next(
        (
            each
            for each in job.status.conditions
            if each.type in (batch.FAILED, batch.FAILURE_TARGET) and each.status == "True"
        ),
        None,
    )
    if failed is not None:
        yield by_condition(job, failed, f"{failed.message} ({failed.reason}{_limit(job, failed)})", ERROR)
    suspended = conditions.get(job.status.conditions, batch.SUSPENDED)
    if suspended is not None and suspended.status == "True":
        yield by_condition(job, suspended, "it is suspended (spec.suspend): no Pods are made", WARNING)


def _limit(job: Job, failed: Condition) -> str:
    """Return the limit that a Job has reached."""
    if failed.reason == "BackoffLimitExceeded":
        return f": {plural(job.status.failed, 'failed Pod')}, backoffLimit {job.spec.backoff_limit}"
    if failed.reason == "DeadlineExceeded":
        return f": activeDeadlineSeconds {job.spec.active_deadline_seconds}"
    return ""


def _limits(case: Case, job: Job) -> Iterator[Finding]:
    """Yield how near a running Job is to its limits."""
    if _state(job) != "runs":
        return
    limit = job.spec.backoff_limit
    if job.status.failed and limit is not None:
        more = plural(max(0, limit + 1 - job.status.failed), "more failure")
        text = f"after {more} it is given up (backoffLimit {limit})"
        yield Finding(text=text, severity=WARNING, about=about(job), source="spec.backoffLimit")
    seconds, start = job.spec.active_deadline_seconds, job.status.start_time
    if seconds is not None and start is not None:
        left = (start + timedelta(seconds=seconds) - case.now).total_seconds()
        text = f"it is given up in {max(0.0, left):.0f} s (activeDeadlineSeconds {seconds})"
        yield Finding(text=text, severity=INFO, about=about(job), source="spec.activeDeadlineSeconds")


def _held(case: Case, cron_job: CronJob) -> Iterator[Finding]:
    if cron_job.spec.suspend:
        text = "it is suspended (spec.suspend): no Jobs are made"
        yield Finding(text=text, severity=WARNING, about=about(cron_job), source="spec.suspend")
    if cron_job.status.active and cron_job.spec.concurrency_policy == "Forbid":
        names = listed(each.name for each in cron_job.status.active)
        text = f"its next run waits for the end of {names} (concurrencyPolicy Forbid)"
        yield Finding(text=text, severity=WARNING, about=about(cron_job), source="status.active")
    warned = case.event(cron_job, *CRON_WARNINGS)
    if warned is not None:
        yield by_event(cron_job, warned, severity=WARNING)


def _next(case: Case, cron_job: CronJob) -> Iterator[Finding]:
    if cron_job.spec.suspend:
        return
    try:
        origin = cron_job.status.last_schedule_time or cron_job.metadata.creation_timestamp or case.now
        at = schedules.parse(cron_job.spec.schedule, cron_job.spec.time_zone, origin).after(case.now)
    except ValueError as error:
        yield Finding(
            text=f"its schedule cannot be read: {error}", severity=ERROR, about=about(cron_job), source="spec.schedule"
        )
        return
    if at is not None:
        yield Finding(text="it runs next", at=at, about=about(cron_job), source="spec.schedule")
