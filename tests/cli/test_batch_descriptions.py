from __future__ import annotations

from typing import Any

from swarmlet.cli.descriptions import kinds as descriptions

TEMPLATE = {"metadata": {"labels": {"app": "work"}}, "spec": {"containers": [{"name": "main", "image": "work:1"}]}}


def lines(document: dict[str, Any]) -> dict[str, str]:
    told = descriptions.rendered(descriptions.describe(document))
    return {label.strip(): value.strip() for label, _, value in (line.partition(":") for line in told)}


def test_a_job_is_described_with_what_it_asks_for_and_how_far_it_is() -> None:
    spec = {
        "parallelism": 2,
        "completions": 5,
        "completionMode": "Indexed",
        "backoffLimit": 6,
        "activeDeadlineSeconds": 60,
        "suspend": False,
        "template": TEMPLATE,
    }
    status = {
        "active": 2,
        "ready": 1,
        "succeeded": 3,
        "failed": 1,
        "completedIndexes": "0-2",
        "startTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Suspended", "status": "False", "reason": "JobResumed", "message": "Job resumed"}],
    }
    found = lines({"kind": "Job", "metadata": {"name": "sum"}, "spec": spec, "status": status})
    assert found["Parallelism"] == "2"
    assert found["Completions"] == "5"
    assert found["Suspend"] == "false"
    assert found["Active Deadline Seconds"] == "60s"
    assert found["Pods Statuses"] == "2 Active (1 Ready) / 3 Succeeded / 1 Failed"
    assert found["Completed Indexes"] == "0-2"
    assert found["Start Time"] == "2026-01-01T00:00:00Z"
    assert found["Suspended"] == "False  JobResumed: Job resumed"
    assert found["Image"] == "work:1"


def test_a_cron_job_is_described_with_its_schedule_and_what_runs() -> None:
    spec = {
        "schedule": "*/5 * * * *",
        "timeZone": "Europe/Riga",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 90,
        "jobTemplate": {"spec": {"template": TEMPLATE}},
    }
    status = {"active": [{"name": "tick-1"}, {"name": "tick-2"}], "lastScheduleTime": "2026-01-01T00:05:00Z"}
    found = lines({"kind": "CronJob", "metadata": {"name": "tick"}, "spec": spec, "status": status})
    assert found["Schedule"] == "*/5 * * * *"
    assert found["Time Zone"] == "Europe/Riga"
    assert found["Concurrency Policy"] == "Forbid"
    assert found["Starting Deadline Seconds"] == "90s"
    assert found["Last Schedule Time"] == "2026-01-01T00:05:00Z"
    assert found["Active Jobs"] == "tick-1, tick-2"
    assert found["Completions"] == "<unset>"
    assert found["Image"] == "work:1"


def test_a_cron_job_that_never_ran_says_so() -> None:
    document = {"kind": "CronJob", "metadata": {"name": "tick"}, "spec": {"schedule": "@daily"}}
    document["spec"]["jobTemplate"] = {"spec": {"template": TEMPLATE}}
    found = lines(document)
    assert found["Last Schedule Time"] == found["Active Jobs"] == "<none>"
    assert found["Time Zone"] == "UTC"
