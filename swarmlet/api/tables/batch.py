"""The rows of Jobs and CronJobs.

Source: kubernetes/pkg/printers/internalversion/printers.go (printJob, printCronJob).
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import since
from swarmlet.model import batch, conditions, objects, selectors
from swarmlet.model.meta import LabelSelector
from swarmlet.model.pod import PodTemplateSpec

NONE = "<none>"


def job(value: batch.Job, now: datetime) -> list[object]:
    """Return the cells of `kubectl get jobs -o wide`."""
    return [
        value.metadata.name,
        _status(value),
        _completions(value),
        _duration(value, now),
        since(value.metadata.creation_timestamp, now),
        *_template(value.spec.template, value.spec.selector),
    ]


def cron_job(value: batch.CronJob, now: datetime) -> list[object]:
    """Return the cells of `kubectl get cronjobs -o wide`."""
    spec, last = value.spec, value.status.last_schedule_time
    return [
        value.metadata.name,
        spec.schedule,
        spec.time_zone or NONE,
        str(bool(spec.suspend)),
        len(value.status.active),
        since(last, now) if last else NONE,
        since(value.metadata.creation_timestamp, now),
        *_template(spec.job_template.spec.template, spec.job_template.spec.selector),
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


def _template(template: PodTemplateSpec, selector: LabelSelector | None) -> tuple[str, str, str]:
    containers = template.spec.containers
    names, images = ",".join(each.name for each in containers), ",".join(each.image for each in containers)
    return names, images, (selectors.to_text(selector) if selector else "") or NONE
