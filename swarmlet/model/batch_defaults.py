"""What the API server fills into a Job and a CronJob; `defaults` knows the rest of the template.

Source: k8s.io/kubernetes/pkg/apis/batch/v1/defaults.go and pkg/registry/batch/job/strategy.go (generateSelector).
"""

from __future__ import annotations

import msgspec

from swarmlet.model import batch
from swarmlet.model.meta import LabelSelector, ObjectMeta
from swarmlet.model.pod import PodTemplateSpec

BACKOFF_LIMIT = 6
BACKOFF_LIMIT_UNBOUNDED = 2**31 - 1
"""Of a Job that bounds each index instead."""
SUCCESSFUL_JOBS_HISTORY_LIMIT = 3
FAILED_JOBS_HISTORY_LIMIT = 1


def job(value: batch.Job, template: PodTemplateSpec) -> batch.Job:
    """Return the Job with its defaults, around a template that has its own; a stored one gets its selector."""
    filled = msgspec.structs.replace(value, spec=_job_spec(value.spec, template))
    return filled if value.spec.manual_selector or not value.metadata.uid else _selecting(filled)


def cron_job(value: batch.CronJob, template: PodTemplateSpec) -> batch.CronJob:
    """Return the CronJob with its defaults; what its Jobs do not say is filled in when they are made."""
    spec = value.spec
    job_spec = msgspec.structs.replace(spec.job_template.spec, template=template)
    successful, failed = spec.successful_jobs_history_limit, spec.failed_jobs_history_limit
    filled = msgspec.structs.replace(
        spec,
        concurrency_policy=spec.concurrency_policy or "Allow",
        suspend=bool(spec.suspend),
        successful_jobs_history_limit=SUCCESSFUL_JOBS_HISTORY_LIMIT if successful is None else successful,
        failed_jobs_history_limit=FAILED_JOBS_HISTORY_LIMIT if failed is None else failed,
        job_template=msgspec.structs.replace(spec.job_template, spec=job_spec),
    )
    return msgspec.structs.replace(value, spec=filled)


def _job_spec(spec: batch.JobSpec, template: PodTemplateSpec) -> batch.JobSpec:
    once = spec.completions is None and spec.parallelism is None
    replacement = "Failed" if spec.pod_failure_policy else "TerminatingOrFailed"
    return msgspec.structs.replace(
        spec,
        completions=1 if once else spec.completions,
        parallelism=1 if spec.parallelism is None else spec.parallelism,
        backoff_limit=_backoff_limit(spec),
        completion_mode=spec.completion_mode or batch.NON_INDEXED,
        suspend=bool(spec.suspend),
        manual_selector=bool(spec.manual_selector),
        pod_replacement_policy=spec.pod_replacement_policy or replacement,
        pod_failure_policy=_pod_failure_policy(spec.pod_failure_policy),
        template=template,
    )


def _backoff_limit(spec: batch.JobSpec) -> int:
    if spec.backoff_limit is not None:
        return spec.backoff_limit
    return BACKOFF_LIMIT if spec.backoff_limit_per_index is None else BACKOFF_LIMIT_UNBOUNDED


def _pod_failure_policy(policy: batch.PodFailurePolicy | None) -> batch.PodFailurePolicy | None:
    if policy is None:
        return None
    rules = tuple(
        msgspec.structs.replace(
            rule,
            on_pod_conditions=tuple(
                msgspec.structs.replace(pattern, status=pattern.status or "True") for pattern in rule.on_pod_conditions
            ),
        )
        for rule in policy.rules
    )
    return batch.PodFailurePolicy(rules=rules)


def generated_labels(metadata: ObjectMeta) -> dict[str, str]:
    """Return the labels that a Job's Pods bear; the first is what it selects by."""
    return {
        batch.CONTROLLER_UID: metadata.uid,
        batch.LEGACY_CONTROLLER_UID: metadata.uid,
        batch.JOB_NAME: metadata.name,
        batch.LEGACY_JOB_NAME: metadata.name,
    }


def _selecting(value: batch.Job) -> batch.Job:
    """Return the Job selecting the Pods that bear its uid; what a user wrote instead is validation's to refuse."""
    spec = value.spec
    labels = generated_labels(value.metadata) | spec.template.metadata.labels
    metadata = msgspec.structs.replace(spec.template.metadata, labels=labels)
    selector = spec.selector or LabelSelector()
    wanted = {batch.CONTROLLER_UID: value.metadata.uid} | selector.match_labels
    filled = msgspec.structs.replace(
        spec,
        selector=msgspec.structs.replace(selector, match_labels=wanted),
        template=msgspec.structs.replace(spec.template, metadata=metadata),
    )
    return msgspec.structs.replace(value, spec=filled)
