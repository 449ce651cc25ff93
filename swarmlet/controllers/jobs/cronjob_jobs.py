"""A CronJob's Jobs: how one is made and named, and which of the finished ones are kept.

Source: kubernetes pkg/controller/cronjob/utils.go.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from swarmlet.controllers.jobs import end as job_end
from swarmlet.model import batch, defaults, events, names, objects, schedules
from swarmlet.model.base import clock_time
from swarmlet.model.core import ObjectReference
from swarmlet.model.meta import ObjectMeta
from swarmlet.store.replica import Stored

MANUAL = "manual"
BEGINNING = datetime.fromtimestamp(0, UTC)


def job_of(stored: Stored) -> batch.Job:
    """Return the stored Job."""
    return cast("batch.Job", stored.object)


def is_manual(job: batch.Job) -> bool:
    """Whether a user made the Job from the CronJob: the schedule has nothing to do with it."""
    return job.metadata.annotations.get(batch.INSTANTIATE) == MANUAL


def name_of(cron_job: batch.CronJob, due: datetime) -> str:
    """Return the name of the Job that is due then: the same whoever makes it."""
    return f"{cron_job.metadata.name}-{int(due.timestamp()) // 60}"


def new_job(cron_job: batch.CronJob, due: datetime, now: datetime, rng: random.Random) -> batch.Job:
    """Return the Job that is due then."""
    spec = cron_job.spec
    template = spec.job_template
    zone = schedules.time_zone(spec.time_zone) if spec.time_zone else UTC
    marks = {batch.SCHEDULED_AT: clock_time(due).astimezone(zone).isoformat().replace("+00:00", "Z")}
    job = batch.Job(
        metadata=ObjectMeta(
            name=name_of(cron_job, due),
            namespace=cron_job.metadata.namespace,
            uid=names.new_uid(rng),
            generation=1,
            creation_timestamp=clock_time(now),
            labels=template.metadata.labels,
            annotations=template.metadata.annotations | marks,
            finalizers=template.metadata.finalizers,
            owner_references=(objects.owner_reference(cron_job),),
        ),
        spec=template.spec,
    )
    return cast("batch.Job", defaults.fill(job))


def reference(job: batch.Job) -> ObjectReference:
    """Return how a CronJob's status names a Job that runs."""
    told = events.reference_to(job)
    return ObjectReference(
        api_version=told.api_version, kind=told.kind, namespace=told.namespace, name=told.name, uid=told.uid
    )


def succeeded_at(job: batch.Job) -> datetime | None:
    """Return when the Job succeeded, None where it has not."""
    end = job_end.ended(job)
    return job.status.completion_time if end is not None and end.type == batch.COMPLETE else None


def beyond(owned: Sequence[Stored], limits: Mapping[str, int | None]) -> Iterator[Stored]:
    """Yield the oldest finished Jobs beyond the limit of their kind of end."""
    for type_, limit in limits.items():
        finished = [each for each in owned if (end := job_end.ended(job_of(each))) and end.type == type_]
        staying = [each for each in finished if not objects.is_terminating(each.object)]
        if limit is not None and len(staying) > limit:
            yield from sorted(staying, key=_started)[: len(staying) - limit]


def _started(stored: Stored) -> tuple[datetime, str]:
    job = job_of(stored)
    return job.status.start_time or job.metadata.creation_timestamp or BEGINNING, stored.key.name
