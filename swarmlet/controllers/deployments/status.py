"""A Deployment's status: the counts, and the conditions Available, Progressing and ReplicaFailure.

The reasons and messages are Kubernetes', word for word: kubectl and helm read them.
Source: kubernetes pkg/controller/deployment/progress.go and sync.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from swarmlet.controllers.deployments import rollout
from swarmlet.model import conditions
from swarmlet.model.apps import Deployment, DeploymentStatus, ReplicaSet
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Condition

AVAILABLE = "Available"
PROGRESSING = "Progressing"
REPLICA_FAILURE = "ReplicaFailure"

NEW_CREATED = "NewReplicaSetCreated"
NEW_FOUND = "FoundNewReplicaSet"
NEW_AVAILABLE = "NewReplicaSetAvailable"
UPDATED = "ReplicaSetUpdated"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"

NO_DEADLINE_SECONDS = 2**31 - 1

Conditions = tuple[Condition, ...]


def count(
    deployment: Deployment, everyone: Sequence[ReplicaSet], new: ReplicaSet | None, held: Conditions, now: datetime
) -> DeploymentStatus:
    """Return the status that `everyone`'s counts make, with the condition Available among those `held`."""
    available = rollout.total_available(everyone)
    return DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(each.status.replicas for each in everyone),
        updated_replicas=new.status.replicas if new else 0,
        ready_replicas=sum(each.status.ready_replicas for each in everyone),
        available_replicas=available,
        unavailable_replicas=max(0, rollout.total_size(everyone) - available),
        collision_count=deployment.status.collision_count,
        conditions=conditions.put(held, _availability(deployment, available, now), now),
    )


def _availability(deployment: Deployment, available: int, now: datetime) -> Condition:
    if available >= rollout.bounds_of(deployment).least_available:
        said = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        said = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    status, reason, message = said
    return Condition(type=AVAILABLE, status=status, reason=reason, message=message, last_update_time=clock_time(now))


def has_deadline(deployment: Deployment) -> bool:
    """Whether it matters how long a rollout takes."""
    return deployment.spec.progress_deadline_seconds not in (None, NO_DEADLINE_SECONDS)


def progressing(held: Conditions, status: str, reason: str, message: str, now: datetime) -> Conditions:
    """Return `held` with the condition Progressing; its update time is now, from which the deadline counts."""
    before = conditions.get(held, PROGRESSING)
    since = before.last_transition_time if before and before.status == status else clock_time(now)
    after = Condition(
        type=PROGRESSING,
        status=status,
        reason=reason,
        message=message,
        last_update_time=clock_time(now),
        last_transition_time=since,
    )
    if before is None:
        return (*held, after)
    return tuple(after if each is before else each for each in held)


def pausing(deployment: Deployment, held: Conditions, now: datetime) -> Conditions:
    """Return `held` saying that the rollout is paused, or resumed if it was: paused time does not count."""
    before = conditions.get(held, PROGRESSING)
    if not has_deadline(deployment) or (before and before.reason == TIMED_OUT):
        return held
    was_paused = before is not None and before.reason == PAUSED
    if deployment.spec.paused and not was_paused:
        return progressing(held, "Unknown", PAUSED, "Deployment is paused", now)
    if not deployment.spec.paused and was_paused:
        return progressing(held, "Unknown", RESUMED, "Deployment is resumed", now)
    return held


def judge_progress(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: datetime
) -> DeploymentStatus:
    """Return `status` with the condition Progressing: done, under way, or over its deadline."""
    held = status.conditions
    if not has_deadline(deployment):
        return msgspec.structs.replace(status, conditions=conditions.drop(held, PROGRESSING))
    before = conditions.get(held, PROGRESSING)
    if before and before.reason == NEW_AVAILABLE and status.replicas == status.updated_replicas:
        return status
    subject = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
    if is_complete(deployment, status):
        held = progressing(held, "True", NEW_AVAILABLE, f"{subject} has successfully progressed.", now)
    elif _has_moved(deployment.status, status):
        held = progressing(held, "True", UPDATED, f"{subject} is progressing.", now)
    elif before and before.reason != TIMED_OUT and _is_late(deployment, before, now):
        held = progressing(held, "False", TIMED_OUT, f"{subject} has timed out progressing.", now)
    return msgspec.structs.replace(status, conditions=held)


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Whether all replicas are of the newest template and serve."""
    desired = rollout.desired_replicas(deployment)
    return status.updated_replicas == status.replicas == status.available_replicas == desired


def seconds_to_deadline(deployment: Deployment, status: DeploymentStatus, now: datetime) -> float | None:
    """Return when to look again whether the rollout is late; None where it is done, late already, or not timed."""
    condition = conditions.get(status.conditions, PROGRESSING)
    settled = condition is None or condition.reason in (TIMED_OUT, NEW_AVAILABLE, PAUSED)
    if settled or not has_deadline(deployment) or is_complete(deployment, status):
        return None
    assert condition is not None
    return max(0.0, (_deadline(deployment, condition) - now).total_seconds()) + 1.0


def failures(held: Conditions, new: ReplicaSet | None, old: Sequence[ReplicaSet], now: datetime) -> Conditions:
    """Return `held` with the first ReplicaSet's failure to make Pods, or without the condition where none fails."""
    for each in ([new] if new else []) + list(old):
        failure = conditions.get(each.status.conditions, REPLICA_FAILURE)
        if failure is not None:
            return conditions.put(held, failure, now)
    return conditions.drop(held, REPLICA_FAILURE)


def _has_moved(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    return (
        after.updated_replicas > before.updated_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
    )


def _is_late(deployment: Deployment, condition: Condition, now: datetime) -> bool:
    return condition.reason != NEW_AVAILABLE and _deadline(deployment, condition) < now


def _deadline(deployment: Deployment, condition: Condition) -> datetime:
    seconds = deployment.spec.progress_deadline_seconds or 0
    since = condition.last_update_time or condition.last_transition_time
    assert since is not None, "a condition of ours bears its times"
    return since + timedelta(seconds=seconds)
