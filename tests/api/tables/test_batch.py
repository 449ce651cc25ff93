"""The rows of Jobs and CronJobs, as kubectl prints them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from swarmlet.api.tables import columns
from swarmlet.model import batch, kinds
from swarmlet.model.batch import CronJobSpec, CronJobStatus, JobSpec, JobStatus, JobTemplateSpec
from swarmlet.model.container import Container
from swarmlet.model.core import ObjectReference
from swarmlet.model.meta import Condition, LabelSelector, ObjectMeta
from swarmlet.model.pod import PodSpec, PodTemplateSpec

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEMPLATE = PodTemplateSpec(spec=PodSpec(containers=(Container(name="main", image="work:1"),)))


def ago(seconds: int) -> datetime:
    return NOW - timedelta(seconds=seconds)


def row(kind: kinds.Kind, value: Any) -> dict[str, object]:
    found = columns.of(kind)
    cells = found.cells(value, NOW)
    assert len(cells) == len(found.columns)
    return {column.name: cell for column, cell in zip(found.columns, cells, strict=True)}


def job(spec: dict[str, Any] | None = None, *held: str, **status: Any) -> dict[str, object]:
    told = tuple(Condition(type=type_, status="True") for type_ in held)
    value = batch.Job(
        metadata=ObjectMeta(name="sum", creation_timestamp=ago(90)),
        spec=JobSpec(template=TEMPLATE, selector=LabelSelector(match_labels={"uid": "1"}), **(spec or {})),
        status=JobStatus(conditions=told, **status),
    )
    return row(kinds.JOB, value)


def test_a_job_that_runs() -> None:
    assert job({"completions": 3}, succeeded=1, start_time=ago(80)) == {
        "Name": "sum",
        "Status": "Running",
        "Completions": "1/3",
        "Duration": "80s",
        "Age": "90s",
        "Containers": "main",
        "Images": "work:1",
        "Selector": "uid=1",
    }


@pytest.mark.parametrize(
    ("held", "status"),
    [
        (("SuccessCriteriaMet", "Complete"), "Complete"),
        (("FailureTarget", "Failed"), "Failed"),
        (("Suspended",), "Suspended"),
        (("FailureTarget",), "FailureTarget"),
        (("SuccessCriteriaMet",), "SuccessCriteriaMet"),
    ],
)
def test_the_status_of_a_job_is_the_condition_that_tells_most(held: tuple[str, ...], status: str) -> None:
    assert job(None, *held)["Status"] == status


@pytest.mark.parametrize(
    ("spec", "completions"),
    [({"parallelism": 1}, "2/1"), ({"parallelism": 4}, "2/1 of 4"), ({"completions": 2}, "2/2")],
)
def test_completions_tell_what_is_asked_for(spec: dict[str, Any], completions: str) -> None:
    assert job(spec, succeeded=2)["Completions"] == completions


def test_the_duration_ends_with_the_job() -> None:
    assert job(None, "Complete", start_time=ago(80), completion_time=ago(20))["Duration"] == "60s"
    assert job(None)["Duration"] == ""


def test_a_cron_job() -> None:
    spec = CronJobSpec(
        schedule="0 3 * * *", suspend=False, job_template=JobTemplateSpec(spec=JobSpec(template=TEMPLATE))
    )
    status = CronJobStatus(active=(ObjectReference(name="tick-1"),), last_schedule_time=ago(30))
    value = batch.CronJob(metadata=ObjectMeta(name="tick", creation_timestamp=ago(90)), spec=spec, status=status)
    assert row(kinds.CRON_JOB, value) == {
        "Name": "tick",
        "Schedule": "0 3 * * *",
        "Timezone": "<none>",
        "Suspend": "False",
        "Active": 1,
        "Last Schedule": "30s",
        "Age": "90s",
        "Containers": "main",
        "Images": "work:1",
        "Selector": "<none>",
    }
