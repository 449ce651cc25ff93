"""The rows of Jobs and CronJobs.

Source: kubernetes/pkg/printers/internalversion/printers.go (printJob, printCronJob).
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import since
from swarmlet.api.tables.shapes import AGE, CONTAINERS, IMAGES, NAME, NONE, UNSET, Column, Columns, age, template
from swarmlet.model import batch, conditions, objects, selectors
from swarmlet.model.meta import LabelSelector


def _job(value: batch.Job, now: datetime) -> list[object]:
    return [
        value.metadata.name,
        _status(value),
        _completions(value),
        _duration(value, now),
        age(value, now),
        *template(value.spec.template),
        _selector(value.spec.selector),
    ]


def _cron_job(value: batch.CronJob, now: datetime) -> list[object]:
    spec, last = value.spec, value.status.last_schedule_time
    return [
        value.metadata.name,
        spec.schedule,
        spec.time_zone or NONE,
        UNSET if spec.suspend is None else str(spec.suspend),
        len(value.status.active),
        since(last, now) if last else NONE,
        age(value, now),
        *template(spec.job_template.spec.template),
        _selector(spec.job_template.spec.selector),
    ]


def _status(value: batch.Job) -> str:
    told = value.status.conditions
    if conditions.is_true(told, batch.COMPLETE):
        return "Complete"
    if conditions.is_true(told, batch.FAILED):
        return "Failed"
    if objects.is_terminating(value):
        return "Terminating"
    also = (batch.SUSPENDED, batch.FAILURE_TARGET, batch.SUCCESS_CRITERIA_MET)
    return next((each for each in also if conditions.is_true(told, each)), "Running")


def _completions(value: batch.Job) -> str:
    done, completions, parallelism = value.status.succeeded, value.spec.completions, value.spec.parallelism or 0
    if completions is not None:
        return f"{done}/{completions}"
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(value: batch.Job, now: datetime) -> str:
    start = value.status.start_time
    return since(start, value.status.completion_time or now) if start else ""


def _selector(selector: LabelSelector | None) -> str:
    return (selectors.to_text(selector) if selector else "") or NONE


SELECTOR = Column("Selector", priority=1, field="api.batch.v1.JobSpec.selector")

JOB = Columns(
    (
        NAME,
        Column("Status", description="Status of the job."),
        Column("Completions", field="api.batch.v1.JobStatus.succeeded"),
        Column("Duration", description="Time required to complete the job."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _job,
)
CRON_JOB = Columns(
    (
        NAME,
        Column("Schedule", field="api.batch.v1.CronJobSpec.schedule"),
        Column("Timezone", field="api.batch.v1.CronJobSpec.timeZone"),
        Column("Suspend", "boolean", field="api.batch.v1.CronJobSpec.suspend"),
        Column("Active", "integer", field="api.batch.v1.CronJobStatus.active"),
        Column("Last Schedule", field="api.batch.v1.CronJobStatus.lastScheduleTime"),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ),
    _cron_job,
)
