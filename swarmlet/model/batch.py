"""batch/v1 Job and CronJob. Source: k8s.io/api/batch/v1/types.go."""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, Time, always
from swarmlet.model.core import ObjectReference
from swarmlet.model.meta import Condition, LabelSelector, Object, ObjectMeta
from swarmlet.model.pod import PodTemplateSpec

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
"""Annotation and label of an Indexed Job's Pods."""
COMPLETION_INDEX_ENV = "JOB_COMPLETION_INDEX"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
"""On a Pod of a Job with `backoffLimitPerIndex`: how often its index had failed before."""
INDEX_IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking"
"""Holds a Pod in the store until its Job has counted how it ended."""
CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
LEGACY_CONTROLLER_UID = "controller-uid"
LEGACY_JOB_NAME = "job-name"
JOB_CONTROLLER = "kubernetes.io/job-controller"
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""On a Job: the time that its CronJob's schedule names."""
INSTANTIATE = "cronjob.kubernetes.io/instantiate"
"""On a Job that a user made from a CronJob, with the value "manual"."""

INDEXED = "Indexed"
NON_INDEXED = "NonIndexed"
COMPLETE = "Complete"
FAILED = "Failed"
SUSPENDED = "Suspended"
FAILURE_TARGET = "FailureTarget"
SUCCESS_CRITERIA_MET = "SuccessCriteriaMet"


class PodFailurePolicyOnExitCodesRequirement(ApiStruct, frozen=True, kw_only=True):
    operator: str
    values: tuple[int, ...] = ()
    container_name: str | None = None


class PodFailurePolicyOnPodConditionsPattern(ApiStruct, frozen=True, kw_only=True):
    type: str
    status: str = ""


class PodFailurePolicyRule(ApiStruct, frozen=True, kw_only=True):
    """One of the two requirements is set."""

    action: str
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: tuple[PodFailurePolicyOnPodConditionsPattern, ...] = ()


class PodFailurePolicy(ApiStruct, frozen=True, kw_only=True):
    rules: tuple[PodFailurePolicyRule, ...] = ()


class SuccessPolicyRule(ApiStruct, frozen=True, kw_only=True):
    succeeded_indexes: str | None = None
    succeeded_count: int | None = None


class SuccessPolicy(ApiStruct, frozen=True, kw_only=True):
    rules: tuple[SuccessPolicyRule, ...] = ()


class JobSpec(ApiStruct, frozen=True, kw_only=True):
    parallelism: int | None = None
    completions: int | None = None
    active_deadline_seconds: int | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    success_policy: SuccessPolicy | None = None
    backoff_limit: int | None = None
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    selector: LabelSelector | None = None
    manual_selector: bool | None = None
    template: PodTemplateSpec = PodTemplateSpec()
    ttl_seconds_after_finished: int | None = None
    completion_mode: str | None = None
    suspend: bool | None = None
    pod_replacement_policy: str | None = None
    managed_by: str | None = None


class UncountedTerminatedPods(ApiStruct, frozen=True, kw_only=True):
    """Always empty: how a Pod ended is counted in the same step that lets it go (docs/decisions/0010)."""


class JobStatus(ApiStruct, frozen=True, kw_only=True):
    conditions: tuple[Condition, ...] = ()
    start_time: Time | None = None
    completion_time: Time | None = None
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    terminating: int | None = None
    completed_indexes: str = ""
    failed_indexes: str | None = None
    uncounted_terminated_pods: UncountedTerminatedPods | None = None
    ready: int | None = None


class Job(Object, frozen=True, kw_only=True):
    api_version: str = always("batch/v1")
    kind: str = always("Job")
    spec: JobSpec = JobSpec()
    status: JobStatus = msgspec.field(default_factory=JobStatus)  # clients want "status": {}


class JobTemplateSpec(ApiStruct, frozen=True, kw_only=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: JobSpec = JobSpec()


class CronJobSpec(ApiStruct, frozen=True, kw_only=True):
    schedule: str = ""
    time_zone: str | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = ""
    suspend: bool | None = None
    job_template: JobTemplateSpec = JobTemplateSpec()
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None


class CronJobStatus(ApiStruct, frozen=True, kw_only=True):
    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: Time | None = None
    last_successful_time: Time | None = None


class CronJob(Object, frozen=True, kw_only=True):
    api_version: str = always("batch/v1")
    kind: str = always("CronJob")
    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = msgspec.field(default_factory=CronJobStatus)  # clients want "status": {}
