"""Rules of Deployment, ReplicaSet and Scale."""

from __future__ import annotations

import re

from swarmlet.model import apps, selectors
from swarmlet.model.base import IntOrString
from swarmlet.model.meta import LabelSelector
from swarmlet.model.pod import PodTemplateSpec
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import meta, pod

_PERCENT = re.compile(r"[0-9]{1,9}%", re.ASCII)


def deployment(value: apps.Deployment, problems: Problems) -> None:
    """Check a Deployment."""
    place, spec = problems.at("spec"), value.spec
    place.field("replicas").not_negative(spec.replicas)
    _selector(spec.selector, spec.template, place, "deployment")
    _strategy(spec.strategy, place.field("strategy"))
    place.field("minReadySeconds").not_negative(spec.min_ready_seconds)
    place.field("revisionHistoryLimit").not_negative(spec.revision_history_limit)
    deadline = spec.progress_deadline_seconds
    place.field("progressDeadlineSeconds").not_negative(deadline)
    if deadline is not None and deadline <= spec.min_ready_seconds:
        place.field("progressDeadlineSeconds").invalid(deadline, "must be greater than minReadySeconds")


def deployment_update(new: apps.Deployment, old: apps.Deployment, problems: Problems) -> None:
    """Check what of a Deployment may not change."""
    _immutable_selector(new.spec.selector, old.spec.selector, problems)


def replica_set(value: apps.ReplicaSet, problems: Problems) -> None:
    """Check a ReplicaSet."""
    place, spec = problems.at("spec"), value.spec
    place.field("replicas").not_negative(spec.replicas)
    place.field("minReadySeconds").not_negative(spec.min_ready_seconds)
    _selector(spec.selector, spec.template, place, "deployment")


def replica_set_update(new: apps.ReplicaSet, old: apps.ReplicaSet, problems: Problems) -> None:
    """Check what of a ReplicaSet may not change."""
    _immutable_selector(new.spec.selector, old.spec.selector, problems)


def scale(value: apps.Scale, problems: Problems) -> None:
    """Check a Scale."""
    problems.at("spec").field("replicas").not_negative(value.spec.replicas)


def _selector(selector: LabelSelector, template: PodTemplateSpec, place: Place, word: str) -> None:
    meta.selector(selector, place.field("selector"))
    if meta.is_empty(selector):
        place.field("selector").required(f"empty selector is invalid for {word}")
    else:
        _matches(selector, template, place.field("template"))
    pod.template(template, place.field("template"))


def _matches(selector: LabelSelector, template: PodTemplateSpec, place: Place) -> None:
    if any(each.operator not in ("In", "NotIn", "Exists", "DoesNotExist") for each in selector.match_expressions):
        return
    if not selectors.from_labels(selector)(template.metadata.labels):
        place.field("metadata").field("labels").invalid(
            template.metadata.labels, "`selector` does not match template `labels`"
        )


def _immutable_selector(new: LabelSelector, old: LabelSelector, problems: Problems) -> None:
    if new != old:
        problems.at("spec").field("selector").invalid(new, meta.IMMUTABLE)


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
    _share(unavailable, place.field("maxUnavailable"))
    _share(surge, place.field("maxSurge"))
    if _number(unavailable) == 0 and _number(surge) == 0:
        place.field("maxUnavailable").invalid(unavailable, "may not be 0 when `maxSurge` is 0")
    if isinstance(unavailable, str) and _number(unavailable) > 100:
        place.field("maxUnavailable").invalid(unavailable, "must not be greater than 100%")


def _share(value: IntOrString | None, place: Place) -> None:
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            place.invalid(
                value,
                "a valid percent string must be a numeric string followed by an ending '%' "
                "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            )
    else:
        place.not_negative(value)


def _number(value: IntOrString | None) -> int:
    """Return the number of a count or a percentage; -1 where it is none, and is complained of elsewhere."""
    if isinstance(value, str):
        return int(value[:-1]) if _PERCENT.fullmatch(value) else -1
    return value or 0
