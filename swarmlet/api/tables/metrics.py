"""The rows of what Nodes and Pods use. Source: kubernetes-sigs/metrics-server pkg/api/table.go."""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.shapes import NAME, Column, Columns
from swarmlet.model.metrics import NodeMetrics, PodMetrics
from swarmlet.model.quantity import Quantity, parse


def _node_metrics(value: NodeMetrics, _now: datetime) -> list[object]:
    return [value.metadata.name, value.usage.get("cpu", ""), value.usage.get("memory", ""), value.window]


def _pod_metrics(value: PodMetrics, _now: datetime) -> list[object]:
    """Return the cells of a Pod: what its containers use together."""
    return [value.metadata.name, _sum(value, "cpu"), _sum(value, "memory"), value.window]


def _sum(value: PodMetrics, resource: str) -> str:
    amounts = [parse(each.usage[resource]) for each in value.containers if resource in each.usage]
    return str(Quantity(sum(each.nano for each in amounts), amounts[0].family)) if amounts else ""


_COLUMNS = (NAME, Column("cpu"), Column("memory"), Column("Window"))

NODE_METRICS = Columns(_COLUMNS, _node_metrics)
POD_METRICS = Columns(_COLUMNS, _pod_metrics)
