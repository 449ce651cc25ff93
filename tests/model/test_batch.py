"""What is filled into Jobs and CronJobs, and what is refused, by field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from swarmlet.errors import InvalidError
from swarmlet.model import batch, decode, defaults, indexes, kinds, objects, validation
from swarmlet.model.meta import Object

UID = "uid-1"
CONTAINERS = [{"name": "main", "image": "work:1"}]


def job(metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": spec.pop("restartPolicy", "Never"), "containers": CONTAINERS}
    return {
        "metadata": {"name": "sum", "namespace": "default"} | (metadata or {}),
        "spec": spec | {"template": {"spec": pod}},
    }


def cron_job(metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": CONTAINERS}}}}
    given = {"schedule": "0 3 * * *", "jobTemplate": template} | spec
    return {"metadata": {"name": "tick", "namespace": "default"} | (metadata or {}), "spec": given}


def complete(document: dict[str, Any], kind: kinds.Kind = kinds.JOB) -> Any:
    decoded = decode.decode(kind, document)
    assert decoded.warnings() == ()
    return defaults.fill(objects.with_metadata(decoded.object, uid=UID))


def refusals(value: Object, old: Object | None = None) -> dict[str, str]:
    try:
        _ = validation.validate_update(value, old) if old else validation.validate(value)
    except InvalidError as error:
        return dict(error.causes)
    return {}


def test_a_job_is_completed_as_kubernetes_does() -> None:
    spec = complete(job()).spec
    assert (spec.completions, spec.parallelism, spec.backoff_limit) == (1, 1, 6)
    assert (spec.completion_mode, spec.suspend, spec.pod_replacement_policy) == (
        "NonIndexed",
        False,
        "TerminatingOrFailed",
    )
    assert spec.selector.match_labels == {"batch.kubernetes.io/controller-uid": UID}
    assert spec.template.metadata.labels == {
        "batch.kubernetes.io/controller-uid": UID,
        "controller-uid": UID,
        "batch.kubernetes.io/job-name": "sum",
        "job-name": "sum",
    }
    assert refusals(complete(job())) == {}


def test_parallelism_alone_asks_for_no_number_of_completions() -> None:
    assert complete(job(parallelism=3)).spec.completions is None


def test_a_limit_by_index_takes_the_place_of_the_limit_of_all() -> None:
    spec = complete(job(completions=2, completionMode="Indexed", backoffLimitPerIndex=1)).spec
    assert spec.backoff_limit == 2**31 - 1


def test_a_pod_failure_policy_waits_for_the_ends_of_pods() -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    spec = complete(job(podFailurePolicy={"rules": [rule]})).spec
    assert spec.pod_replacement_policy == "Failed"
    assert spec.pod_failure_policy.rules[0].on_pod_conditions[0].status == "True"


def test_a_cron_job_is_completed_as_kubernetes_does() -> None:
    spec = complete(cron_job(), kinds.CRON_JOB).spec
    assert (spec.concurrency_policy, spec.suspend) == ("Allow", False)
    assert (spec.successful_jobs_history_limit, spec.failed_jobs_history_limit) == (3, 1)
    assert spec.job_template.spec.selector is None
    assert refusals(complete(cron_job(), kinds.CRON_JOB)) == {}


def exit_codes(operator: str = "In", values: tuple[int, ...] = (1,), **rest: Any) -> dict[str, Any]:
    return {"action": "FailJob", "onExitCodes": {"operator": operator, "values": list(values), **rest}}


def failing(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return job(podFailurePolicy={"rules": list(rules)}, **spec)


def indexed(**spec: Any) -> dict[str, Any]:
    return job(**{"completions": 3, "completionMode": "Indexed"} | spec)


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        (job(parallelism=-1), "spec.parallelism", "Invalid value: -1: must be greater than or equal to 0"),
        (job(completions=-1), "spec.completions", "Invalid value: -1: must be greater than or equal to 0"),
        (job(backoffLimit=-1), "spec.backoffLimit", "Invalid value: -1: must be greater than or equal to 0"),
        (job(activeDeadlineSeconds=2**31), "spec.activeDeadlineSeconds", "must be less than or equal to 2147483647"),
        (job(activeDeadlineSeconds=-1), "spec.activeDeadlineSeconds", "Invalid value: -1: must be greater than"),
        (job(ttlSecondsAfterFinished=-1), "spec.ttlSecondsAfterFinished", "Invalid value: -1: must be greater than"),
        (
            job(restartPolicy="Always"),
            "spec.template.spec.restartPolicy",
            'Required value: valid values: "OnFailure", "Never"',
        ),
        (job(completionMode="Odd"), "spec.completionMode", 'Unsupported value: "Odd": supported values'),
        (
            job(completionMode="Indexed", parallelism=1),
            "spec.completions",
            "Required value: when completion mode is Indexed",
        ),
        (
            job(backoffLimitPerIndex=1),
            "spec.backoffLimitPerIndex",
            "Invalid value: 1: requires indexed completion mode",
        ),
        (
            indexed(maxFailedIndexes=1),
            "spec.backoffLimitPerIndex",
            "Required value: when maxFailedIndexes is specified",
        ),
        (
            indexed(backoffLimitPerIndex=1, maxFailedIndexes=4),
            "spec.maxFailedIndexes",
            "must be less than or equal to completions",
        ),
        (
            indexed(completions=100_001),
            "spec.completions",
            "Invalid value: 100001: must be less than or equal to 100000",
        ),
        (
            indexed(parallelism=100_001),
            "spec.parallelism",
            "Invalid value: 100001: must be less than or equal to 100000",
        ),
        (job({"name": "a.b"}, completions=3, completionMode="Indexed"), "metadata.name", "invalid DNS label: a.b-2"),
        (job(podReplacementPolicy="Never"), "spec.podReplacementPolicy", 'Unsupported value: "Never"'),
        (
            failing(exit_codes(), podReplacementPolicy="TerminatingOrFailed"),
            "spec.podReplacementPolicy",
            'supported values: "Failed"',
        ),
        (
            failing(exit_codes(), restartPolicy="OnFailure"),
            "spec.template.spec.restartPolicy",
            'only "Never" is supported',
        ),
        (
            failing(exit_codes(values=(0,))),
            "spec.podFailurePolicy.rules[0].onExitCodes.values[0]",
            "must not be 0 for the In",
        ),
        (failing(exit_codes(values=(3, 1))), "spec.podFailurePolicy.rules[0].onExitCodes.values", "must be ordered"),
        (failing(exit_codes(values=(1, 1))), "spec.podFailurePolicy.rules[0].onExitCodes.values", "Duplicate value: 1"),
        (
            failing(exit_codes(values=())),
            "spec.podFailurePolicy.rules[0].onExitCodes.values",
            "at least one value is required",
        ),
        (
            failing(exit_codes(containerName="x")),
            "spec.podFailurePolicy.rules[0].onExitCodes.containerName",
            "must be one of the container",
        ),
        (failing(exit_codes("Odd")), "spec.podFailurePolicy.rules[0].onExitCodes.operator", 'Unsupported value: "Odd"'),
        (
            failing({"action": "Count"}),
            "spec.podFailurePolicy.rules[0]",
            "specifying one of OnExitCodes and OnPodConditions is required",
        ),
        (
            failing(exit_codes() | {"action": "FailIndex"}),
            "spec.podFailurePolicy.rules[0].action",
            "requires the backoffLimitPerIndex",
        ),
        (failing(*[exit_codes()] * 21), "spec.podFailurePolicy.rules", "Too many: 21: must have at most 20 items"),
        (
            job(successPolicy={"rules": [{"succeededCount": 1}]}),
            "spec.successPolicy",
            "requires indexed completion mode",
        ),
        (
            indexed(successPolicy={"rules": []}),
            "spec.successPolicy.rules",
            "Required value: at least one rules must be specified",
        ),
        (
            indexed(successPolicy={"rules": [{}]}),
            "spec.successPolicy.rules[0]",
            "at least one of succeededCount or succeededIndexes",
        ),
        (
            indexed(successPolicy={"rules": [{"succeededCount": 4}]}),
            "spec.successPolicy.rules[0].succeededCount",
            "less than or equal to 3",
        ),
        (
            indexed(successPolicy={"rules": [{"succeededIndexes": "1-x"}]}),
            "spec.successPolicy.rules[0].succeededIndexes",
            "error parsing",
        ),
        (
            indexed(successPolicy={"rules": [{"succeededIndexes": "1-3"}]}),
            "spec.successPolicy.rules[0].succeededIndexes",
            "too large index: 3",
        ),
        (job(selector={"matchLabels": {"app": "x"}}), "spec.selector", "`selector` not auto-generated"),
        (
            job(selector={"matchLabels": {"app": "x"}}, manualSelector=True),
            "spec.template.metadata.labels",
            "`selector` does not match",
        ),
        (job(manualSelector=True), "spec.selector", "Required value"),
    ],
)
def test_a_job_that_breaks_a_rule_is_refused_by_field(document: dict[str, Any], field: str, message: str) -> None:
    found = refusals(complete(document))
    assert message in found.get(field, ""), found


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        (cron_job(schedule=""), "spec.schedule", "Required value"),
        (cron_job(schedule="61 * * * *"), "spec.schedule", 'Invalid value: "61 * * * *": bad minute'),
        (
            cron_job(schedule="TZ=UTC 0 * * * *"),
            "spec.schedule",
            "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        ),
        (cron_job(timeZone=""), "spec.timeZone", "timeZone must be nil or non-empty string"),
        (cron_job(timeZone="Local"), "spec.timeZone", "timeZone must be an explicit time zone"),
        (cron_job(timeZone="Mars/Base"), "spec.timeZone", "unknown time zone Mars/Base"),
        (cron_job(startingDeadlineSeconds=2**31), "spec.startingDeadlineSeconds", "less than or equal to 2147483647"),
        (cron_job(startingDeadlineSeconds=-1), "spec.startingDeadlineSeconds", "must be greater than or equal to 0"),
        (cron_job(concurrencyPolicy="Often"), "spec.concurrencyPolicy", 'Unsupported value: "Often"'),
        (
            cron_job(successfulJobsHistoryLimit=-1),
            "spec.successfulJobsHistoryLimit",
            "must be greater than or equal to 0",
        ),
        (cron_job(failedJobsHistoryLimit=-1), "spec.failedJobsHistoryLimit", "must be greater than or equal to 0"),
        (cron_job({"name": "x" * 53}), "metadata.name", "must be no more than 52 characters"),
        (
            cron_job(
                jobTemplate={
                    "spec": {
                        "parallelism": -1,
                        "template": {"spec": {"restartPolicy": "Never", "containers": CONTAINERS}},
                    }
                }
            ),
            "spec.jobTemplate.spec.parallelism",
            "must be greater than",
        ),
        (
            cron_job(jobTemplate={"spec": {"template": {"spec": {"containers": CONTAINERS}}}}),
            "spec.jobTemplate.spec.template.spec.restartPolicy",
            "valid values",
        ),
        (
            cron_job(
                jobTemplate={
                    "spec": {
                        "manualSelector": True,
                        "template": {"spec": {"restartPolicy": "Never", "containers": CONTAINERS}},
                    }
                }
            ),
            "spec.jobTemplate.spec.manualSelector",
            "Unsupported value",
        ),
    ],
)
def test_a_cron_job_that_breaks_a_rule_is_refused_by_field(document: dict[str, Any], field: str, message: str) -> None:
    found = refusals(complete(document, kinds.CRON_JOB))
    assert message in found.get(field, ""), found


def changed(value: batch.Job, **spec: Any) -> batch.Job:
    return msgspec.structs.replace(value, spec=msgspec.structs.replace(value.spec, **spec))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"completions": 5}, "spec.completions"),
        ({"completion_mode": "Indexed"}, "spec.completionMode"),
        ({"managed_by": "example.com/x"}, "spec.managedBy"),
        ({"selector": batch.LabelSelector()}, "spec.selector"),
        ({"template": batch.PodTemplateSpec()}, "spec.template"),
    ],
)
def test_what_of_a_job_may_not_change_is_refused(changes: dict[str, Any], field: str) -> None:
    old = complete(job())
    assert "field is immutable" in refusals(changed(old, **changes), old)[field]


def test_an_indexed_job_may_grow_as_a_whole() -> None:
    old = complete(indexed(parallelism=3))
    assert refusals(changed(old, completions=5, parallelism=5), old) == {}
    assert "spec.completions" in refusals(changed(old, completions=5), old)


def test_where_a_suspended_job_runs_may_change_before_it_ever_ran() -> None:
    old = complete(job(suspend=True))
    template = old.spec.template
    spec = msgspec.structs.replace(template.spec, node_selector={"disk": "fast"})
    moved = changed(old, template=msgspec.structs.replace(template, spec=spec))
    assert refusals(moved, old) == {}
    awake = changed(old, suspend=False)
    assert "spec.template" in refusals(changed(moved, suspend=False), awake)


@pytest.mark.parametrize("text", ["", "0", "1,3-5,7", "0,1", "0-2,5,6,8-10"])
def test_indexes_are_text_and_back(text: str) -> None:
    assert indexes.to_text(indexes.parse(text, 100)) == text


def test_indexes_beyond_the_last_are_forgotten() -> None:
    assert indexes.parse("1,3-5,7", 5) == {1, 3, 4}


@pytest.mark.parametrize("text", ["a", "1-", "3-1", "2-2", "1,1", "5,3", "-1", "01"])
def test_what_names_no_indexes_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any words will do
        indexes.intervals(text)


def test_indexes_of_billions_are_counted_without_being_written_out() -> None:
    found = indexes.intervals("0-2,5-999999999")
    assert indexes.count(found, 2**31 - 1) == 3 + 999_999_995
    assert indexes.count(found, 7) == 5
    assert indexes.among({0, 3, 4, 5, 999_999_999}, found) == {0, 5, 999_999_999}
