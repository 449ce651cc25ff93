"""How many replicas a metric asks for: pure arithmetic.

Amounts are integers in thousandths of a core or of a byte, as Kubernetes counts them. Pods that tell nothing are
counted so that they make any change smaller: as using all they may where there would be fewer replicas, nothing where
there would be more.
Source: kubernetes pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from swarmlet.model import conditions, objects, quantity
from swarmlet.model.pod import Pod
from swarmlet.model.pods import is_sidecar

TOLERANCE = 0.1
CPU = "cpu"


class MetricError(Exception):
    """A metric cannot be had, in Kubernetes' words."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """By how much a ratio may differ from 1 and still ask for nothing, downwards and upwards."""

    down: float = TOLERANCE
    up: float = TOLERANCE

    def hold(self, ratio: float) -> bool:
        """Whether a ratio is near enough to 1."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class PodMetric:
    """What one Pod uses, over `window` that ends at `at`."""

    milli: int
    at: datetime
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """When a Pod's processor time does not count yet: see `config.Autoscaling`."""

    now: datetime
    cpu_initialization: timedelta
    initial_readiness: timedelta


@dataclass(frozen=True, slots=True)
class Groups:
    """The Pods of a target by what their metric is worth: how many count, and who else there is."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """How many replicas a metric asks for, and what it is now: a share in percent (None for an amount) and the mean."""

    replicas: int
    utilization: int | None
    average_milli: int


def group(pods: Sequence[Pod], metrics: Mapping[str, PodMetric], resource: str, readiness: Readiness) -> Groups:
    """Tell the Pods apart by what their metrics are worth."""
    ready = 0
    unready, missing, ignored = set[str](), set[str](), set[str]()
    for pod in pods:
        name = pod.metadata.name
        if objects.is_terminating(pod) or pod.status.phase == "Failed":
            ignored.add(name)
        elif pod.status.phase == "Pending":
            unready.add(name)
        elif name not in metrics:
            missing.add(name)
        elif resource == CPU and _is_unready(pod, metrics[name], readiness):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_unready(pod: Pod, metric: PodMetric, readiness: Readiness) -> bool:
    """Whether a Pod's processor time tells of its start rather than of its load."""
    condition, started = conditions.get(pod.status.conditions, "Ready"), pod.status.start_time
    if condition is None or started is None:
        return True
    since = condition.last_transition_time or started
    if started + readiness.cpu_initialization > readiness.now:
        return condition.status == "False" or metric.at < since + metric.window
    return condition.status == "False" and started + readiness.initial_readiness > since


def requests(pods: Sequence[Pod], container: str, resource: str) -> dict[str, int]:
    """Return what each Pod asks for, of one container or ("") of all that run together.

    Raises `MetricError` where one asks for nothing: there is no share of that.
    """
    found: dict[str, int] = {}
    for pod in pods:
        found[pod.metadata.name] = 0
        sidecars = filter(is_sidecar, pod.spec.init_containers)
        for each in (*pod.spec.containers, *sidecars):
            if container not in ("", each.name):
                continue
            if resource not in each.resources.requests:
                raise MetricError(f"missing request for {resource} in container {each.name} of Pod {pod.metadata.name}")
            found[pod.metadata.name] += quantity.to_milli(each.resources.requests[resource])
    return found


def by_utilization(
    current: int,
    target: int,
    metrics: Mapping[str, PodMetric],
    requested: Mapping[str, int],
    groups: Groups,
    tolerances: Tolerances,
) -> Proposal:
    """Return how many replicas bring the Pods to `target` percent of what they ask for."""
    counted = _counted(metrics, groups)

    def utilization_of(amounts: Mapping[str, int]) -> int:
        asked = sum(requested.get(name, 0) for name in amounts)
        if not asked:
            raise MetricError("no metrics returned matched known pods")
        return sum(amount for name, amount in amounts.items() if name in requested) * 100 // asked

    most = {name: requested[name] * max(100, target) // 100 for name in groups.missing}
    replicas = _replicas(current, counted, most, groups, tolerances, lambda it: utilization_of(it) / target)
    return Proposal(replicas, utilization_of(counted), sum(counted.values()) // len(counted))


def by_amount(
    current: int, target_milli: int, metrics: Mapping[str, PodMetric], groups: Groups, tolerances: Tolerances
) -> Proposal:
    """Return how many replicas bring the Pods to `target_milli` each, as a mean."""
    counted = _counted(metrics, groups)

    def average_of(amounts: Mapping[str, int]) -> int:
        return sum(amounts.values()) // len(amounts)

    most = dict.fromkeys(groups.missing, target_milli)
    replicas = _replicas(current, counted, most, groups, tolerances, lambda it: average_of(it) / target_milli)
    return Proposal(replicas, None, average_of(counted))


def _counted(metrics: Mapping[str, PodMetric], groups: Groups) -> dict[str, int]:
    left_out = groups.ignored | groups.unready
    counted = {name: metric.milli for name, metric in metrics.items() if name not in left_out}
    if not counted:
        raise MetricError("did not receive metrics for targeted pods (pods might be unready)")
    return counted


def _replicas(
    current: int,
    counted: Mapping[str, int],
    most: Mapping[str, int],
    groups: Groups,
    tolerances: Tolerances,
    ratio_of: Callable[[Mapping[str, int]], float],
) -> int:
    """Return the replicas by the ratio of what is used to what shall be; missing Pods may use `most`."""
    ratio = ratio_of(counted)
    are_starting = bool(groups.unready) and ratio > 1.0
    if not are_starting and not groups.missing:
        return current if tolerances.hold(ratio) else math.ceil(ratio * groups.ready)
    amounts = dict(counted)
    if ratio < 1.0:
        amounts |= most
    elif ratio > 1.0:
        amounts |= dict.fromkeys(groups.missing, 0)
    if are_starting:
        amounts |= dict.fromkeys(groups.unready, 0)
    again = ratio_of(amounts)
    if tolerances.hold(again) or ratio < 1.0 < again or again < 1.0 < ratio:
        return current
    replicas = math.ceil(again * len(amounts))
    turns = (again < 1.0 and replicas > current) or (again > 1.0 and replicas < current)
    return current if turns else replicas
