"""autoscaling/v2 HorizontalPodAutoscaler. Source: k8s.io/api/autoscaling/v2/types.go.

Metrics of the types Pods, Object and External have no source here: their fields stand not in `MetricSpec`, and the
types are refused by name.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, Time, always
from swarmlet.model.meta import Condition, Object

RESOURCE = "Resource"
CONTAINER_RESOURCE = "ContainerResource"
UTILIZATION = "Utilization"
AVERAGE_VALUE = "AverageValue"
PODS = "Pods"
PERCENT = "Percent"
MAX = "Max"
MIN = "Min"
DISABLED = "Disabled"
ABLE_TO_SCALE = "AbleToScale"
SCALING_ACTIVE = "ScalingActive"
SCALING_LIMITED = "ScalingLimited"


class CrossVersionObjectReference(ApiStruct, frozen=True, kw_only=True):
    kind: str
    name: str
    api_version: str = ""


class MetricTarget(ApiStruct, frozen=True, kw_only=True):
    """One of the two is set: a share of what is asked for, in percent, or an amount, as the mean of the Pods."""

    type: str
    average_value: str | None = None
    average_utilization: int | None = None


class ResourceMetricSource(ApiStruct, frozen=True, kw_only=True):
    name: str
    target: MetricTarget


class ContainerResourceMetricSource(ApiStruct, frozen=True, kw_only=True):
    name: str
    container: str
    target: MetricTarget


class MetricSpec(ApiStruct, frozen=True, kw_only=True):
    """The source that `type` names is set, and only that."""

    type: str
    resource: ResourceMetricSource | None = None
    container_resource: ContainerResourceMetricSource | None = None


class ScalingPolicy(ApiStruct, frozen=True, kw_only=True):
    """At most `value` "Pods" or "Percent" of them in any `period_seconds`."""

    type: str
    value: int
    period_seconds: int


class ScalingRules(ApiStruct, frozen=True, kw_only=True):
    """Kubernetes' HPAScalingRules. `select_policy`: which of the policies counts, the one that allows most or least."""

    stabilization_window_seconds: int | None = None
    select_policy: str | None = None
    policies: tuple[ScalingPolicy, ...] = ()
    tolerance: str | None = None


class Behavior(ApiStruct, frozen=True, kw_only=True):
    """Kubernetes' HorizontalPodAutoscalerBehavior."""

    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


class HorizontalPodAutoscalerSpec(ApiStruct, frozen=True, kw_only=True):
    scale_target_ref: CrossVersionObjectReference = CrossVersionObjectReference(kind="", name="")
    min_replicas: int | None = None
    max_replicas: int = msgspec.field(default_factory=int)
    metrics: tuple[MetricSpec, ...] = ()
    behavior: Behavior | None = None


class MetricValueStatus(ApiStruct, frozen=True, kw_only=True):
    average_value: str | None = None
    average_utilization: int | None = None


class ResourceMetricStatus(ApiStruct, frozen=True, kw_only=True):
    name: str
    current: MetricValueStatus


class ContainerResourceMetricStatus(ApiStruct, frozen=True, kw_only=True):
    name: str
    container: str
    current: MetricValueStatus


class MetricStatus(ApiStruct, frozen=True, kw_only=True):
    """`type` "" where the metric of this place could not be had."""

    type: str
    resource: ResourceMetricStatus | None = None
    container_resource: ContainerResourceMetricStatus | None = None


class HorizontalPodAutoscalerStatus(ApiStruct, frozen=True, kw_only=True):
    """`desired_replicas` is on the wire at zero, too: clients require it."""

    observed_generation: int | None = None
    last_scale_time: Time | None = None
    current_replicas: int = 0
    desired_replicas: int = msgspec.field(default_factory=int)
    current_metrics: tuple[MetricStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


class HorizontalPodAutoscaler(Object, frozen=True, kw_only=True):
    api_version: str = always("autoscaling/v2")
    kind: str = always("HorizontalPodAutoscaler")
    spec: HorizontalPodAutoscalerSpec = HorizontalPodAutoscalerSpec()
    status: HorizontalPodAutoscalerStatus = msgspec.field(
        default_factory=HorizontalPodAutoscalerStatus
    )  # clients want "status": {}
