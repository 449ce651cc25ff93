"""What the metrics of a HorizontalPodAutoscaler say of the Pods that it scales.

Source: kubernetes pkg/controller/podautoscaler/horizontal.go (computeReplicasForMetric) and metrics/client.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from swarmlet.controllers.autoscaling import replicas as hpa_replicas
from swarmlet.controllers.autoscaling.replicas import MetricError, PodMetric, Proposal, Readiness, Tolerances
from swarmlet.controllers.nodes.usage import UsageMemory
from swarmlet.model import quantity
from swarmlet.model.autoscaling import (
    CONTAINER_RESOURCE,
    RESOURCE,
    ContainerResourceMetricSource,
    ContainerResourceMetricStatus,
    MetricSpec,
    MetricStatus,
    MetricValueStatus,
    ResourceMetricSource,
    ResourceMetricStatus,
)
from swarmlet.model.pod import Pod

NANO_PER_MILLI = 10**6
UNKNOWN = MetricStatus(type="")
FAILED = {RESOURCE: "FailedGetResourceMetric", CONTAINER_RESOURCE: "FailedGetContainerResourceMetric"}
"""The reason for which a metric of a type cannot be had."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How many replicas one metric asks for, what it is called, and its status."""

    proposal: Proposal
    name: str
    status: MetricStatus


class Meter:
    """Measures the Pods of one target, of which there shall be `current` now."""

    def __init__(
        self, pods: Sequence[Pod], usage: UsageMemory, readiness: Readiness, tolerances: Tolerances, current: int
    ) -> None:
        self._pods = pods
        self._usage = usage
        self._readiness = readiness
        self._tolerances = tolerances
        self._current = current

    def measure(self, spec: MetricSpec) -> Measured:
        """Return what one metric says; raise `MetricError` where it cannot be had."""
        source = spec.resource or spec.container_resource
        assert source is not None, "admission has checked it"
        container = source.container if isinstance(source, ContainerResourceMetricSource) else ""
        amount = source.target.average_value
        try:
            if amount is not None:
                proposal = self._by_amount(source.name, container, quantity.to_milli(amount))
            else:
                proposal = self._by_utilization(source.name, container, source.target.average_utilization or 0)
        except MetricError as error:
            what = "utilization" if amount is None else "usage"
            raise MetricError(f"failed to get {source.name} {what}: {error}") from error
        name = f"{source.name} resource" + (" utilization (percentage of request)" if amount is None else "")
        return Measured(proposal, name, _status(source, proposal))

    def _by_utilization(self, resource: str, container: str, target: int) -> Proposal:
        metrics, groups = self._grouped(resource, container)
        requested = hpa_replicas.requests(self._pods, container, resource)
        return hpa_replicas.by_utilization(self._current, target, metrics, requested, groups, self._tolerances)

    def _by_amount(self, resource: str, container: str, target_milli: int) -> Proposal:
        metrics, groups = self._grouped(resource, container)
        return hpa_replicas.by_amount(self._current, target_milli, metrics, groups, self._tolerances)

    def _grouped(self, resource: str, container: str) -> tuple[dict[str, PodMetric], hpa_replicas.Groups]:
        try:
            metrics = self._metrics(resource, container)
        except MetricError as error:
            raise MetricError(f"unable to get metrics for resource {resource}: {error}") from error
        if not self._pods:
            raise MetricError("no pods returned by selector while calculating replica count")
        return metrics, hpa_replicas.group(self._pods, metrics, resource, self._readiness)

    def _metrics(self, resource: str, container: str) -> dict[str, PodMetric]:
        found: dict[str, PodMetric] = {}
        for pod in self._pods:
            sample = self._usage.pod(pod.spec.node_name, pod.metadata.uid)
            if sample is None:
                continue
            parts = [each for each in sample.containers if container in ("", each.name)]
            if not parts:
                where = f"{sample.namespace}/{sample.name}"
                raise MetricError(f"container {container} not present in metrics for pod {where}")
            if resource == hpa_replicas.CPU:
                milli = -(-sum(each.cpu_nanocores for each in parts) // NANO_PER_MILLI)
            else:
                milli = sum(each.memory_bytes for each in parts) * 1000
            found[sample.name] = PodMetric(milli, sample.at, timedelta(seconds=sample.window_seconds))
        if not found:
            raise MetricError("no metrics returned from resource metrics API")
        return found


def _status(source: ResourceMetricSource | ContainerResourceMetricSource, proposal: Proposal) -> MetricStatus:
    current = MetricValueStatus(
        average_utilization=proposal.utilization, average_value=quantity.from_milli(proposal.average_milli)
    )
    if isinstance(source, ContainerResourceMetricSource):
        status = ContainerResourceMetricStatus(name=source.name, container=source.container, current=current)
        return MetricStatus(type=CONTAINER_RESOURCE, container_resource=status)
    return MetricStatus(type=RESOURCE, resource=ResourceMetricStatus(name=source.name, current=current))
