"""metrics.k8s.io/v1beta1: what nodes and Pods use, made from samples when it is asked for and never stored.

Source: k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.model import quantity
from swarmlet.model.base import ApiStruct, Time, always, clock_time
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.samples import NodeSample, PodSample

KIBIBYTE = 1024


class ContainerMetrics(ApiStruct, frozen=True, kw_only=True):
    name: str
    usage: dict[str, str] = {}


class NodeMetrics(Object, frozen=True, kw_only=True):
    """`usage` is the mean of the `window` that ends at `timestamp`."""

    api_version: str = always("metrics.k8s.io/v1beta1")
    kind: str = always("NodeMetrics")
    timestamp: Time | None = None
    window: str = ""
    usage: dict[str, str] = {}


class PodMetrics(Object, frozen=True, kw_only=True):
    api_version: str = always("metrics.k8s.io/v1beta1")
    kind: str = always("PodMetrics")
    timestamp: Time | None = None
    window: str = ""
    containers: tuple[ContainerMetrics, ...] = ()


def of_node(sample: NodeSample, labels: dict[str, str], now: datetime) -> NodeMetrics:
    """Return the metrics of a node; `labels` are its own, for selectors."""
    return NodeMetrics(
        metadata=ObjectMeta(name=sample.node_name, labels=labels, creation_timestamp=clock_time(now)),
        timestamp=clock_time(sample.at),
        window=_window(sample.window_seconds),
        usage=_usage(sample.cpu_nanocores, sample.memory_bytes),
    )


def of_pod(sample: PodSample, labels: dict[str, str], now: datetime) -> PodMetrics:
    """Return the metrics of a Pod; `labels` are its own, for selectors."""
    return PodMetrics(
        metadata=ObjectMeta(
            name=sample.name, namespace=sample.namespace, labels=labels, creation_timestamp=clock_time(now)
        ),
        timestamp=clock_time(sample.at),
        window=_window(sample.window_seconds),
        containers=tuple(
            ContainerMetrics(name=each.name, usage=_usage(each.cpu_nanocores, each.memory_bytes))
            for each in sample.containers
        ),
    )


def _usage(cpu_nanocores: int, memory_bytes: int) -> dict[str, str]:
    whole = memory_bytes // KIBIBYTE * KIBIBYTE
    return {"cpu": str(quantity.Quantity(cpu_nanocores)), "memory": quantity.from_bytes(whole)}


def _window(seconds: float) -> str:
    """Return a duration as Go reads and writes it."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
