"""autoscaling/v1 HorizontalPodAutoscaler: one target of CPU, and all else of autoscaling/v2 in annotations.

Source: k8s.io/api/autoscaling/v1/types.go; kubernetes/pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from swarmlet.model import nesting
from swarmlet.model.autoscaling import (
    AVERAGE_VALUE,
    RESOURCE,
    UTILIZATION,
    CrossVersionObjectReference,
)
from swarmlet.model.base import ApiStruct, Time, always
from swarmlet.model.meta import Object

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
ROUND_TRIP = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)
"""Annotations that carry, as JSON, what version 1 has no fields for. They are in no object of version 2."""

CPU = "cpu"

Document = dict[str, Any]


class HorizontalPodAutoscalerSpec(ApiStruct, frozen=True, kw_only=True):
    scale_target_ref: CrossVersionObjectReference = CrossVersionObjectReference(kind="", name="")
    min_replicas: int | None = None
    max_replicas: int = msgspec.field(default_factory=int)
    target_cpu_utilization_percentage: int | None = msgspec.field(name="targetCPUUtilizationPercentage", default=None)


class HorizontalPodAutoscalerStatus(ApiStruct, frozen=True, kw_only=True):
    observed_generation: int | None = None
    last_scale_time: Time | None = None
    current_replicas: int = msgspec.field(default_factory=int)
    desired_replicas: int = msgspec.field(default_factory=int)
    current_cpu_utilization_percentage: int | None = msgspec.field(name="currentCPUUtilizationPercentage", default=None)


class HorizontalPodAutoscaler(Object, frozen=True, kw_only=True):
    api_version: str = always("autoscaling/v1")
    kind: str = always("HorizontalPodAutoscaler")
    spec: HorizontalPodAutoscalerSpec = HorizontalPodAutoscalerSpec()
    status: HorizontalPodAutoscalerStatus = msgspec.field(default_factory=HorizontalPodAutoscalerStatus)


def to_v2(document: Document) -> Document:
    """Return a document of version 1 as one of version 2; an annotation that is no JSON, or too deep, says nothing."""
    given = _part(_part(document, "metadata"), "annotations")
    told = {name: _decoded(given[name]) for name in ROUND_TRIP if name in given}
    result = {**document, "apiVersion": "autoscaling/v2"}
    if told:
        kept = {name: text for name, text in given.items() if name not in ROUND_TRIP}
        result["metadata"] = _filled({**_part(document, "metadata"), "annotations": kept}, "annotations")
    if "spec" in document or METRICS in told or BEHAVIOR in told:
        result["spec"] = _spec_v2(_part(document, "spec"), told)
    if "status" in document or CURRENT_METRICS in told or CONDITIONS in told:
        result["status"] = _status_v2(_part(document, "status"), told)
    return result


def to_v1(document: Document) -> Document:
    """Return a document of version 2 as one of version 1."""
    metadata, spec, status = (_part(document, name) for name in ("metadata", "spec", "status"))
    given = {name: text for name, text in _part(metadata, "annotations").items() if name not in ROUND_TRIP}
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    carried = {
        METRICS: [_metric(each, _source_v1) for each in metrics if _share_of_cpu(each, "target") is None],
        CURRENT_METRICS: [_metric(each, _current_v1) for each in current],
        CONDITIONS: status.get("conditions"),
        BEHAVIOR: _capitalized(spec.get("behavior")),
    }
    annotations = given | {name: msgspec.json.encode(value).decode() for name, value in carried.items() if value}
    result = {**document, "apiVersion": "autoscaling/v1"}
    result["metadata"] = _filled({**metadata, "annotations": annotations}, "annotations")
    shares = [share for each in metrics if (share := _share_of_cpu(each, "target")) is not None]
    result["spec"] = _without(spec, "metrics", "behavior") | _first("targetCPUUtilizationPercentage", shares)
    if "status" in document:
        used = [share for each in reversed(current) if (share := _share_of_cpu(each, "current")) is not None]
        rest = {"currentReplicas": 0} | _without(status, "currentMetrics", "conditions")
        result["status"] = rest | _first("currentCPUUtilizationPercentage", used)
    return result


def _spec_v2(spec: Document, told: dict[str, Any]) -> Document:
    result = _without(spec, "targetCPUUtilizationPercentage")
    metrics = [_metric(each, _source_v2) for each in _list(told.get(METRICS))]
    share = spec.get("targetCPUUtilizationPercentage")
    if share is not None:
        target = {"type": UTILIZATION, "averageUtilization": share}
        metrics.append({"type": RESOURCE, "resource": {"name": CPU, "target": target}})
    behavior = _uncapitalized(told.get(BEHAVIOR))
    carried = {"metrics": metrics, "behavior": behavior if isinstance(behavior, dict) else None}
    return result | {name: value for name, value in carried.items() if value}


def _status_v2(status: Document, told: dict[str, Any]) -> Document:
    result = _without(status, "currentCPUUtilizationPercentage")
    current = [_metric(each, _current_v2) for each in _list(told.get(CURRENT_METRICS))]
    share = status.get("currentCPUUtilizationPercentage")
    if not current and share is not None:
        current = [{"type": RESOURCE, "resource": {"name": CPU, "current": {"averageUtilization": share}}}]
    carried = {"currentMetrics": current, "conditions": _list(told.get(CONDITIONS))}
    return result | {name: value for name, value in carried.items() if value}


def _metric(metric: Any, of_source: Callable[[Document], Document]) -> Any:
    """Return a metric with its sources changed; of a type that is not known here it stays, to be refused by name."""
    if not isinstance(metric, dict):
        return metric
    sources = {name: of_source(metric[name]) for name in ("resource", "containerResource") if _is_part(metric, name)}
    return metric | sources


def _source_v1(source: Document) -> Document:
    target = _part(source, "target")
    named = {"targetAverageUtilization": "averageUtilization", "targetAverageValue": "averageValue"}
    return _without(source, "target") | {to: target[name] for to, name in named.items() if name in target}


def _source_v2(source: Document) -> Document:
    share, value = source.get("targetAverageUtilization"), source.get("targetAverageValue")
    target = {
        "type": AVERAGE_VALUE if share is None else UTILIZATION,
        "averageUtilization": share,
        "averageValue": value,
    }
    rest = _without(source, "targetAverageUtilization", "targetAverageValue")
    return rest | {"target": {name: each for name, each in target.items() if each is not None}}


def _current_v1(source: Document) -> Document:
    current = _part(source, "current")
    named = {"currentAverageUtilization": "averageUtilization", "currentAverageValue": "averageValue"}
    return _without(source, "current") | {to: current[name] for to, name in named.items() if name in current}


def _current_v2(source: Document) -> Document:
    named = {"averageUtilization": "currentAverageUtilization", "averageValue": "currentAverageValue"}
    rest = _without(source, *named.values())
    return rest | {"current": {to: source[name] for to, name in named.items() if source.get(name) is not None}}


def _share_of_cpu(metric: Any, part: str) -> Any:
    """Return the share that a metric of the Pods' CPU aims at (`part` "target") or has ("current"); None for others."""
    if not isinstance(metric, dict) or metric.get("type") != RESOURCE:
        return None
    resource = _part(metric, "resource")
    return _part(resource, part).get("averageUtilization") if resource.get("name") == CPU else None


def _capitalized(value: Any) -> Any:
    """Return a behavior as Kubernetes has it in the annotation: with the names of Go's fields."""
    return _renamed(value, lambda name: name[:1].upper() + name[1:])


def _uncapitalized(value: Any) -> Any:
    return _renamed(value, lambda name: name[:1].lower() + name[1:])


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {rename(name): _renamed(each, rename) for name, each in value.items() if each is not None}
    return [_renamed(each, rename) for each in value] if isinstance(value, list) else value


def _first(name: str, values: list[Any]) -> Document:
    return {name: values[0]} if values else {}


def _decoded(text: Any) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, TypeError, RecursionError):
        return None
    return None if nesting.is_deeper(value, nesting.DEPTH_MAX) else value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_part(document: Document, name: str) -> bool:
    return isinstance(document.get(name), dict)


def _part(document: Document, name: str) -> Document:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _filled(document: Document, name: str) -> Document:
    """Return a document without a part of that name where it is empty."""
    return document if document[name] else _without(document, name)
