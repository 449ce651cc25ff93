"""Undoing a rollout that missed its deadline, where the Deployment asks for it by annotation.

Kubernetes only says that a rollout is late. Here the template goes back to that of the newest revision that has once
been rolled out whole; one that never was is nobody's way back, and one that was and fails now is not left again, so
nothing goes in circles.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from swarmlet.controllers.deployments import revisions
from swarmlet.controllers.deployments import status as deployment_status
from swarmlet.model import conditions, objects
from swarmlet.model.apps import Deployment, ReplicaSet

AUTO_ROLLBACK = "swarmlet.io/auto-rollback"
"""Of a Deployment: "true" asks for all this."""


def is_due(deployment: Deployment, new: ReplicaSet | None) -> bool:
    """Whether the present template's rollout has missed its deadline, was seen to, and is to be undone."""
    progress = conditions.get(deployment.status.conditions, deployment_status.PROGRESSING)
    return (
        deployment.metadata.annotations.get(AUTO_ROLLBACK) == "true"
        and deployment.status.observed_generation == deployment.metadata.generation
        and progress is not None
        and progress.reason == deployment_status.TIMED_OUT
        and new is not None
        and not was_completed(new)
    )


def way_back(old: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """Return the newest of the earlier revisions that were rolled out whole."""
    return max(filter(was_completed, old), key=revisions.revision_of, default=None)


def rolled_back(deployment: Deployment, to: ReplicaSet) -> Deployment:
    """Return the Deployment with the template of an earlier revision."""
    template = revisions.template_of(to)
    spec = msgspec.structs.replace(deployment.spec, template=template)
    generation = deployment.metadata.generation + 1
    return objects.with_metadata(msgspec.structs.replace(deployment, spec=spec), generation=generation)


def message(deployment: Deployment, new: ReplicaSet, to: ReplicaSet) -> str:
    """Say what was undone and why."""
    status = deployment.status
    return (
        f"Rolled back to revision {revisions.revision_of(to)}: revision {revisions.revision_of(new)} was not available "
        f"within {deployment.spec.progress_deadline_seconds} s of its last progress ({status.updated_replicas} of "
        f"{deployment.spec.replicas} replicas updated, {status.unavailable_replicas or 0} unavailable)"
    )


def was_completed(replica_set: ReplicaSet) -> bool:
    """Whether all replicas were once of this revision, and available."""
    return revisions.COMPLETED in replica_set.metadata.annotations


def completed(replica_set: ReplicaSet) -> ReplicaSet:
    """Return the ReplicaSet marked as one whose rollout came to its end."""
    if was_completed(replica_set):
        return replica_set
    return objects.with_metadata(
        replica_set, annotations=replica_set.metadata.annotations | {revisions.COMPLETED: "true"}
    )
