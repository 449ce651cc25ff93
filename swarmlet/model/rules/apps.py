"""Rules of Deployment, ReplicaSet and Scale."""

from __future__ import annotations

from swarmlet.model import apps
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import workloads


def deployment(value: apps.Deployment, problems: Problems) -> None:
    """Check a Deployment."""
    place, spec = problems.at("spec"), value.spec
    place.field("replicas").not_negative(spec.replicas)
    workloads.selector(spec.selector, spec.template, place, "deployment")
    _strategy(spec.strategy, place.field("strategy"))
    place.field("minReadySeconds").not_negative(spec.min_ready_seconds)
    place.field("revisionHistoryLimit").not_negative(spec.revision_history_limit)
    deadline = spec.progress_deadline_seconds
    place.field("progressDeadlineSeconds").not_negative(deadline)
    if deadline is not None and deadline <= spec.min_ready_seconds:
        place.field("progressDeadlineSeconds").invalid(deadline, "must be greater than minReadySeconds")


def deployment_update(new: apps.Deployment, old: apps.Deployment, problems: Problems) -> None:
    """Check what of a Deployment may not change."""
    workloads.immutable_selector(new.spec.selector, old.spec.selector, problems)


def replica_set(value: apps.ReplicaSet, problems: Problems) -> None:
    """Check a ReplicaSet."""
    place, spec = problems.at("spec"), value.spec
    place.field("replicas").not_negative(spec.replicas)
    place.field("minReadySeconds").not_negative(spec.min_ready_seconds)
    workloads.selector(spec.selector, spec.template, place, "deployment")


def replica_set_update(new: apps.ReplicaSet, old: apps.ReplicaSet, problems: Problems) -> None:
    """Check what of a ReplicaSet may not change."""
    workloads.immutable_selector(new.spec.selector, old.spec.selector, problems)


def scale(value: apps.Scale, problems: Problems) -> None:
    """Check a Scale."""
    problems.at("spec").field("replicas").not_negative(value.spec.replicas)


def _strategy(strategy: apps.DeploymentStrategy, place: Place) -> None:
    place.field("type").one_of(strategy.type, ("Recreate", "RollingUpdate"))
    inner = place.field("rollingUpdate")
    if strategy.type == "Recreate" and strategy.rolling_update:
        inner.forbidden("may not be specified when strategy `type` is 'Recreate'")
    elif strategy.type == "RollingUpdate" and strategy.rolling_update is None:
        inner.required("this should be defaulted and never be nil")
    elif strategy.rolling_update:
        _rolling(strategy.rolling_update, inner)


def _rolling(rolling: apps.RollingUpdateDeployment, place: Place) -> None:
    unavailable, surge = rolling.max_unavailable, rolling.max_surge
    workloads.share(unavailable, place.field("maxUnavailable"))
    workloads.share(surge, place.field("maxSurge"))
    if workloads.number(unavailable) == 0 and workloads.number(surge) == 0:
        place.field("maxUnavailable").invalid(unavailable, "may not be 0 when `maxSurge` is 0")
    workloads.not_over_all(unavailable, place.field("maxUnavailable"))
