"""Whether a Job is over, why, and what its conditions say. Source: kubernetes pkg/controller/job/job_controller.go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from swarmlet.controllers.jobs import pods as job_pods
from swarmlet.controllers.jobs import policies as job_policies
from swarmlet.controllers.jobs.counting import Tally
from swarmlet.model import batch, conditions
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Condition
from swarmlet.model.pod import Pod


@dataclass(frozen=True, slots=True)
class End:
    """How a Job ends: `batch.COMPLETE` or `batch.FAILED`."""

    type: str
    reason: str
    message: str

    @property
    def target(self) -> str:
        """The condition that says so while Pods are still running."""
        return batch.SUCCESS_CRITERIA_MET if self.type == batch.COMPLETE else batch.FAILURE_TARGET


def condition(type_: str, reason: str, message: str, now: datetime, *, holds: bool = True) -> Condition:
    """Return a Job's condition."""
    status = "True" if holds else "False"
    return Condition(type=type_, status=status, reason=reason, message=message, last_probe_time=clock_time(now))


def is_finished(job: batch.Job) -> bool:
    """Whether the Job is over, its Pods too."""
    return ended(job) is not None


def ended(job: batch.Job) -> Condition | None:
    """Return the condition that says that the Job is over."""
    found = (conditions.get(job.status.conditions, type_) for type_ in (batch.COMPLETE, batch.FAILED))
    return next((each for each in found if each is not None and each.status == "True"), None)


def decided(job: batch.Job) -> End | None:
    """Return the end that was decided on before, and is on its way."""
    for type_, target in ((batch.FAILED, batch.FAILURE_TARGET), (batch.COMPLETE, batch.SUCCESS_CRITERIA_MET)):
        found = conditions.get(job.status.conditions, target)
        if found is not None and found.status == "True":
            return End(type_, found.reason, found.message)
    return None


def judge(job: batch.Job, tally: Tally, active: Sequence[Pod], now: datetime) -> End | None:
    """Return whether the Job is to end now."""
    return _failure(job, tally, active, now) or _success(job, tally, active)


def deadline_in(job: batch.Job, now: datetime) -> float | None:
    """Return in how many seconds the Job will have been active for too long."""
    seconds, start = job.spec.active_deadline_seconds, job.status.start_time
    if seconds is None or start is None or job.spec.suspend:
        return None
    return (start + timedelta(seconds=seconds) - now).total_seconds()


def _failure(job: batch.Job, tally: Tally, active: Sequence[Pod], now: datetime) -> End | None:
    if tally.fail_job:
        return End(batch.FAILED, "PodFailurePolicy", tally.fail_job)
    if _over_limit(job, tally, active):
        return End(batch.FAILED, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = deadline_in(job, now)
    if left is not None and left <= 0:
        return End(batch.FAILED, "DeadlineExceeded", "Job was active longer than specified deadline")
    most = job.spec.max_failed_indexes
    if most is not None and len(tally.failed_indexes) > most:
        message = "Job has exceeded the specified maximal number of failed indexes"
        return End(batch.FAILED, "MaxFailedIndexesExceeded", message)
    return None


def _over_limit(job: batch.Job, tally: Tally, active: Sequence[Pod]) -> bool:
    """Whether Pods failed too often, or were restarted in place too often."""
    limit = job.spec.backoff_limit
    if limit is None:
        return False
    if tally.failed > limit:
        return True
    if job.spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = sum(map(job_pods.restarts, active))
    return restarts > 0 if limit == 0 else restarts >= limit


def _success(job: batch.Job, tally: Tally, active: Sequence[Pod]) -> End | None:
    completions = job.spec.completions
    rule = job_policies.success(job.spec.success_policy, tally.completed, completions or 0)
    if rule:
        return End(batch.COMPLETE, "SuccessPolicy", rule)
    if completions is None:
        reached = tally.succeeded > 0 and not active
    else:
        reached = tally.succeeded + len(tally.failed_indexes) >= completions
    if not reached:
        return None
    if tally.failed_indexes:
        return End(batch.FAILED, "FailedIndexes", "Job has failed indexes")
    return End(batch.COMPLETE, "CompletionsReached", "Reached expected number of succeeded pods")
