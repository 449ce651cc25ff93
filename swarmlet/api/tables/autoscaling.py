"""The rows of HorizontalPodAutoscalers and of scales.

Source: kubernetes/pkg/printers/internalversion/printers.go (printHorizontalPodAutoscaler, printScale).
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import UNKNOWN
from swarmlet.api.tables.shapes import AGE, META, NAME, NONE, UNSET, Column, Columns, age, shortened
from swarmlet.model.apps import Scale
from swarmlet.model.autoscaling import HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricValueStatus

METRICS_SHOWN_MAX = 2


def _scale(value: Scale, now: datetime) -> list[object]:
    return [value.metadata.name, value.spec.replicas, value.status.replicas, age(value, now)]


def _horizontal_pod_autoscaler(value: HorizontalPodAutoscaler, now: datetime) -> list[object]:
    target, least = value.spec.scale_target_ref, value.spec.min_replicas
    return [
        value.metadata.name,
        f"{target.kind}/{target.name}",
        _targets(value.spec.metrics, value.status.current_metrics),
        UNSET if least is None else str(least),
        value.spec.max_replicas,
        value.status.current_replicas,
        age(value, now),
    ]


def _targets(specs: tuple[MetricSpec, ...], statuses: tuple[MetricStatus, ...]) -> str:
    told = [_target(spec, statuses[number] if number < len(statuses) else None) for number, spec in enumerate(specs)]
    return shortened(told, METRICS_SHOWN_MAX, ", ") or NONE


def _target(spec: MetricSpec, status: MetricStatus | None) -> str:
    source = spec.resource or spec.container_resource
    if source is None:
        return "<unknown type>"
    target, now = source.target, _current(status)
    if target.average_value is not None:
        return f"{source.name}: {(now.average_value if now else None) or UNKNOWN}/{target.average_value}"
    share = UNKNOWN if now is None or now.average_utilization is None else f"{now.average_utilization}%"
    wanted = "<auto>" if target.average_utilization is None else f"{target.average_utilization}%"
    return f"{source.name}: {share}/{wanted}"


def _current(status: MetricStatus | None) -> MetricValueStatus | None:
    source = None if status is None else status.resource or status.container_resource
    return None if source is None else source.current


_SPEC = "api.autoscaling.v2.HorizontalPodAutoscalerSpec"

HORIZONTAL_POD_AUTOSCALER = Columns(
    (
        NAME,
        Column("Reference", field=f"{_SPEC}.scaleTargetRef"),
        Column("Targets", field=f"{_SPEC}.metrics"),
        Column("MinPods", field=f"{_SPEC}.minReplicas"),
        Column("MaxPods", field=f"{_SPEC}.maxReplicas"),
        Column("Replicas", field="api.autoscaling.v2.HorizontalPodAutoscalerStatus.currentReplicas"),
        AGE,
    ),
    _horizontal_pod_autoscaler,
)
SCALE = Columns(
    (
        Column("Name", field=f"{META}.name"),
        Column("Desired", "integer", field="api.autoscaling.v1.ScaleSpec.replicas"),
        Column("Available", "integer", field="api.autoscaling.v1.ScaleStatus.replicas"),
        AGE,
    ),
    _scale,
)
