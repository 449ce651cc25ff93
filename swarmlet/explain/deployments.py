"""Why a Deployment or a ReplicaSet has not the Pods that it asks for, and why a rollout does not progress."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from swarmlet.explain import changes, groups
from swarmlet.explain.case import Case, about, by_condition, by_event, number, plural
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import conditions, kinds
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.meta import Condition, Object

REVISION = "deployment.kubernetes.io/revision"
TIMED_OUT = "ProgressDeadlineExceeded"
EXCEEDED_QUOTA = "exceeded quota"


def explain(case: Case, value: Object) -> list[Finding]:
    """Return how a Deployment is: its rollout, what it cannot make, and its Pods that do not serve."""
    deployment = cast("Deployment", value)
    sets = sorted((cast("ReplicaSet", each) for each in case.owned(deployment, kinds.REPLICA_SET)), key=_revision)
    found = [
        *_unseen(deployment),
        *_rollout(case, deployment, sets),
        *_failure(deployment, deployment.status.conditions),
    ]
    for each in reversed(sets):
        found += groups.troubles(case, case.pods_of(each))
    status, wanted = deployment.status, _wanted(deployment.spec.replicas)
    severity = ERROR if status.available_replicas < wanted else severity_of(found)
    available = conditions.get(status.conditions, "Available")
    headline = Finding(
        text=f"Deployment {deployment.metadata.name}: {_ready(status.available_replicas, wanted, 'available')}",
        severity=severity,
        since=available.last_transition_time if available and available.status == "False" else None,
        about=about(deployment),
        source="status",
        causes=worst_first(found),
    )
    return [headline, *changes.newest(case, deployment), *_scaled(case, deployment)]


def explain_set(case: Case, value: Object) -> list[Finding]:
    """Return how a ReplicaSet is: whose it is, what it cannot make, and its Pods that do not serve."""
    replica_set = cast("ReplicaSet", value)
    status, wanted = replica_set.status, _wanted(replica_set.spec.replicas)
    found = [*_failure(replica_set, status.conditions), *groups.troubles(case, case.pods_of(replica_set))]
    owner = case.owner(replica_set)
    of = f" (revision {_revision(replica_set)} of Deployment {owner.metadata.name})" if owner else ""
    headline = Finding(
        text=f"ReplicaSet {replica_set.metadata.name}{of}: {_ready(status.ready_replicas, wanted, 'ready')}",
        severity=ERROR if status.ready_replicas < wanted else severity_of(found),
        about=about(replica_set),
        source="status",
        causes=worst_first(found),
    )
    if owner is not None and not wanted:
        text = "it is kept at no replicas, to go back to: swarmlet rollout undo"
        return [headline, Finding(text=text, about=about(replica_set), source="spec.replicas")]
    return [headline]


def _unseen(deployment: Deployment) -> Iterator[Finding]:
    if deployment.status.observed_generation < deployment.metadata.generation:
        text = "its newest change was not acted on yet: that is the leader's work"
        yield Finding(
            text=text,
            severity=WARNING,
            about=about(deployment),
            source="status.observedGeneration",
            advice="where this lasts: swarmlet status",
        )


def _rollout(case: Case, deployment: Deployment, sets: list[ReplicaSet]) -> Iterator[Finding]:
    name = deployment.metadata.name
    if deployment.spec.paused:
        paused = conditions.get(deployment.status.conditions, "Progressing")
        since = paused.last_transition_time if paused and paused.reason == "DeploymentPaused" else None
        yield Finding(
            text="its rollout is paused (spec.paused)",
            severity=WARNING,
            since=since,
            about=about(deployment),
            source="spec.paused",
            advice=f"swarmlet rollout resume deployment/{name}",
        )
    rolled_back = case.event(deployment, "DeploymentRollback")
    if rolled_back is not None:
        yield by_event(deployment, rolled_back, severity=WARNING)
    told = conditions.get(deployment.status.conditions, "Progressing")
    status, wanted = deployment.status, _wanted(deployment.spec.replicas)
    if status.updated_replicas == wanted == status.replicas and told is not None and told.status != "False":
        return
    newest = f" {_revision(sets[-1])}" if sets else ""
    older = max(0, status.replicas - status.updated_replicas)
    updated = number(status.updated_replicas, f"of the newest revision{newest}")
    numbers = f"of {plural(wanted, 'replica')} {updated}, and {older} of older ones run"
    if told is not None and told.status == "False":
        yield _stalled(deployment, told, numbers if len(sets) > 1 else "")
    elif told is not None and status.updated_replicas != status.replicas:
        yield by_condition(deployment, told, f"its rollout is under way: {numbers}", WARNING)


def _stalled(deployment: Deployment, told: Condition, numbers: str) -> Finding:
    """Return that a rollout is late; `numbers` is "" for the first one, before which there is nothing."""
    if told.reason == TIMED_OUT:
        seconds = deployment.spec.progress_deadline_seconds
        late = f"its rollout has not progressed within {seconds} s (progressDeadlineSeconds)"
        text = f"{late}: {numbers}" if numbers else late
        advice = f"swarmlet rollout undo deployment/{deployment.metadata.name} goes back" if numbers else ""
        return by_condition(deployment, told, text, ERROR, advice)
    return by_condition(deployment, told, f"{told.message.removesuffix('.')} ({told.reason})", ERROR)


def _failure(value: Object, held: tuple[Condition, ...]) -> Iterator[Finding]:
    failed = conditions.get(held, "ReplicaFailure")
    if failed is not None and failed.status == "True":
        advice = "raise the quota, or ask for less: swarmlet describe quota" if EXCEEDED_QUOTA in failed.message else ""
        yield by_condition(value, failed, f"it cannot make more Pods: {failed.message}", ERROR, advice)


def _scaled(case: Case, deployment: Deployment) -> Iterator[Finding]:
    scaled = case.event(deployment, "ScalingReplicaSet")
    if scaled is not None:
        yield by_event(deployment, scaled, f"its last step: {scaled.message}", INFO)


def _ready(count: int, wanted: int, word: str) -> str:
    if not wanted:
        return "it asks for no replicas"
    if count == wanted:
        return f"all of its {plural(wanted, 'replica')} are {word}" if wanted > 1 else f"its replica is {word}"
    return f"of {plural(wanted, 'replica')} {number(count, word)}"


def _wanted(replicas: int | None) -> int:
    return 1 if replicas is None else replicas


def _revision(replica_set: Object) -> int:
    text = replica_set.metadata.annotations.get(REVISION, "")
    return int(text) if text.isascii() and text.isdigit() else 0
