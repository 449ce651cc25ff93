"""The rows of HorizontalPodAutoscalers and of metrics.

Source: kubernetes/pkg/printers/internalversion/printers.go (printHorizontalPodAutoscaler, formatHPAMetrics) and
kubernetes-sigs/metrics-server pkg/api/table.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import UNKNOWN, since
from swarmlet.model.apps import Scale
from swarmlet.model.autoscaling import HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricValueStatus
from swarmlet.model.metrics import NodeMetrics, PodMetrics
from swarmlet.model.quantity import Quantity, parse

NONE = "<none>"
METRICS_SHOWN_MAX = 2


def scale(value: Scale, now: datetime) -> list[object]:
    """Return the cells of `kubectl get --subresource=scale`."""
    return [
        value.metadata.name,
        value.spec.replicas,
        value.status.replicas,
        since(value.metadata.creation_timestamp, now),
    ]


def horizontal_pod_autoscaler(value: HorizontalPodAutoscaler, now: datetime) -> list[object]:
    """Return the cells of `kubectl get horizontalpodautoscalers`."""
    target, least = value.spec.scale_target_ref, value.spec.min_replicas
    return [
        value.metadata.name,
        f"{target.kind}/{target.name}",
        _targets(value.spec.metrics, value.status.current_metrics),
        "<unset>" if least is None else str(least),
        value.spec.max_replicas,
        value.status.current_replicas,
        since(value.metadata.creation_timestamp, now),
    ]


def node_metrics(value: NodeMetrics, _now: datetime) -> list[object]:
    """Return the cells of `kubectl get nodes.metrics.k8s.io`."""
    return [value.metadata.name, value.usage.get("cpu", ""), value.usage.get("memory", ""), value.window]


def pod_metrics(value: PodMetrics, _now: datetime) -> list[object]:
    """Return the cells of `kubectl get pods.metrics.k8s.io`: what its containers use together."""
    return [value.metadata.name, _sum(value, "cpu"), _sum(value, "memory"), value.window]


def _targets(specs: tuple[MetricSpec, ...], statuses: tuple[MetricStatus, ...]) -> str:
    told = [_target(spec, statuses[number] if number < len(statuses) else None) for number, spec in enumerate(specs)]
    if not told:
        return NONE
    more = len(told) - METRICS_SHOWN_MAX
    return ", ".join(told[:METRICS_SHOWN_MAX]) + (f" + {more} more..." if more > 0 else "")


def _target(spec: MetricSpec, status: MetricStatus | None) -> str:
    source = spec.resource or spec.container_resource
    if source is None:
        return "<unknown type>"
    target, now = source.target, _current(status)
    if target.average_value is not None:
        return f"{source.name}: {(now.average_value if now else None) or UNKNOWN}/{target.average_value}"
    share = UNKNOWN if now is None or now.average_utilization is None else f"{now.average_utilization}%"
    return f"{source.name}: {share}/{target.average_utilization}%"


def _current(status: MetricStatus | None) -> MetricValueStatus | None:
    source = None if status is None else status.resource or status.container_resource
    return None if source is None else source.current


def _sum(value: PodMetrics, resource: str) -> str:
    amounts = [parse(each.usage[resource]) for each in value.containers if resource in each.usage]
    return str(Quantity(sum(each.nano for each in amounts), amounts[0].family)) if amounts else ""
