"""Rules of CronJob. Source: kubernetes pkg/apis/batch/validation/validation.go."""

from __future__ import annotations

from swarmlet.model import batch, schedules
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import batch as job_rules
from swarmlet.model.rules import meta

NAME_MAX = 52
"""Its Jobs are named after it, with eleven characters for the minute that they are due in."""
CONCURRENCY_POLICIES = ("Allow", "Forbid", "Replace")


def cron_job(value: batch.CronJob, problems: Problems) -> None:
    """Check a CronJob."""
    place, spec = problems.at("spec"), value.spec
    if len(value.metadata.name) > NAME_MAX:
        problems.at("metadata").field("name").invalid(
            value.metadata.name, f"must be no more than {NAME_MAX} characters"
        )
    zone = _zone(spec.time_zone, place.field("timeZone"))
    _schedule(spec.schedule, zone, place.field("schedule"))
    place.field("startingDeadlineSeconds").seconds(spec.starting_deadline_seconds)
    place.field("concurrencyPolicy").one_of(spec.concurrency_policy, CONCURRENCY_POLICIES)
    place.field("successfulJobsHistoryLimit").not_negative(spec.successful_jobs_history_limit)
    place.field("failedJobsHistoryLimit").not_negative(spec.failed_jobs_history_limit)
    _job_template(spec.job_template, place.field("jobTemplate"))


def _job_template(template: batch.JobTemplateSpec, place: Place) -> None:
    meta.label_map(template.metadata.labels, place.field("metadata").field("labels"))
    meta.annotation_map(template.metadata.annotations, place.field("metadata").field("annotations"))
    inner = place.field("spec")
    job_rules.job_spec(template.spec, inner)
    if template.spec.manual_selector:
        inner.field("manualSelector").unsupported("true", ("null", "false"))
    if template.spec.selector is not None:
        inner.field("selector").invalid(template.spec.selector, "`selector` will be auto-generated")


def _zone(zone: str | None, place: Place) -> str | None:
    """Check the time zone; return it where a schedule can be read in it."""
    if zone is None:
        return None
    if not zone:
        place.invalid(zone, "timeZone must be nil or non-empty string")
        return None
    if zone.lower() == "local":
        place.invalid(zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")
        return None
    try:
        schedules.time_zone(zone)
    except ValueError as error:
        place.invalid(zone, str(error))
        return None
    return zone


def _schedule(text: str, zone: str | None, place: Place) -> None:
    if not text:
        place.required()
    elif "TZ" in text:
        place.invalid(text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    else:
        try:
            schedules.parse(text, zone)
        except ValueError as error:
            place.invalid(text, str(error))
