"""When the metrics of a HorizontalPodAutoscaler are worth a write: what only wavers is kept as it stood there."""

from __future__ import annotations

from collections.abc import Sequence

from swarmlet.model import quantity
from swarmlet.model.autoscaling import MetricStatus, MetricValueStatus

NOISE_SHARE = 0.01
"""By so much an amount may differ from the one that stands there, and say the same to a reader."""


def steadied(new: Sequence[MetricStatus], old: Sequence[MetricStatus]) -> tuple[MetricStatus, ...]:
    """Return the new metrics, each as it stood there before where a reader would see no difference."""
    return tuple(
        old[number] if number < len(old) and _says_the_same(each, old[number]) else each
        for number, each in enumerate(new)
    )


def _says_the_same(new: MetricStatus, old: MetricStatus) -> bool:
    mine, theirs = _value(new), _value(old)
    if mine is None or theirs is None or _source(new) != _source(old):
        return False
    if mine.average_utilization is not None:
        return mine.average_utilization == theirs.average_utilization
    if mine.average_value is None or theirs.average_value is None:
        return False
    amounts = quantity.parse(mine.average_value).nano, quantity.parse(theirs.average_value).nano
    return abs(amounts[0] - amounts[1]) <= NOISE_SHARE * max(amounts)


def _source(status: MetricStatus) -> tuple[str, str, str]:
    if status.container_resource is not None:
        return status.type, status.container_resource.name, status.container_resource.container
    return status.type, status.resource.name if status.resource else "", ""


def _value(status: MetricStatus) -> MetricValueStatus | None:
    source = status.resource or status.container_resource
    return None if source is None else source.current
