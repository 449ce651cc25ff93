"""What `describe` tells of Jobs and CronJobs beyond what it tells of all. Source: kubectl pkg/describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
Lines = list[tuple[str, str]]

NONE = "<none>"
_OPTIONAL = (
    ("Completion Mode", "completionMode"),
    ("Suspend", "suspend"),
    ("Backoff Limit", "backoffLimit"),
    ("Backoff Limit Per Index", "backoffLimitPerIndex"),
    ("Max Failed Indexes", "maxFailedIndexes"),
    ("TTL Seconds After Finished", "ttlSecondsAfterFinished"),
    ("Pod Replacement Policy", "podReplacementPolicy"),
)


def job_spec(spec: Document) -> Lines:
    """Return the lines of what is asked for: a Job's spec, or that of a CronJob's Jobs."""
    lines: Lines = [("Parallelism", _text(spec.get("parallelism"))), ("Completions", _text(spec.get("completions")))]
    lines += [(label, _text(spec[key])) for label, key in _OPTIONAL if key in spec]
    if "activeDeadlineSeconds" in spec:
        lines.append(("Active Deadline Seconds", f"{spec['activeDeadlineSeconds']}s"))
    return lines


def job_status(status: Document) -> Lines:
    """Return the lines of how far a Job is."""
    lines: Lines = []
    for label, key in (("Start Time", "startTime"), ("Completed At", "completionTime")):
        lines += [(label, str(status[key]))] if status.get(key) else []
    counts = (
        f"{status.get('active', 0)} Active ({status.get('ready', 0)} Ready) / {status.get('succeeded', 0)} Succeeded / "
        f"{status.get('failed', 0)} Failed"
    )
    lines.append(("Pods Statuses", counts))
    for label, key in (("Completed Indexes", "completedIndexes"), ("Failed Indexes", "failedIndexes")):
        lines += [(label, str(status[key]))] if status.get(key) else []
    return lines


def cron_job(document: Document) -> Lines:
    """Return the lines of a CronJob, its Jobs' template apart."""
    spec, status = document["spec"], document.get("status") or {}
    deadline = spec.get("startingDeadlineSeconds")
    active = ", ".join(each["name"] for each in status.get("active") or ())
    return [
        ("Schedule", spec["schedule"]),
        ("Time Zone", spec.get("timeZone") or "UTC"),
        ("Concurrency Policy", _text(spec.get("concurrencyPolicy"))),
        ("Suspend", _text(bool(spec.get("suspend")))),
        ("Successful Job History Limit", _text(spec.get("successfulJobsHistoryLimit"))),
        ("Failed Job History Limit", _text(spec.get("failedJobsHistoryLimit"))),
        ("Starting Deadline Seconds", NONE if deadline is None else f"{deadline}s"),
        ("Last Schedule Time", status.get("lastScheduleTime") or NONE),
        ("Last Successful Time", status.get("lastSuccessfulTime") or NONE),
        ("Active Jobs", active or NONE),
    ]


def _text(value: Any) -> str:
    if value is None:
        return "<unset>"
    return str(value).lower() if isinstance(value, bool) else str(value)
