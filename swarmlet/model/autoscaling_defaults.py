"""What the API server fills into a HorizontalPodAutoscaler, and what counts where one says nothing of its behavior.

Source: k8s.io/kubernetes/pkg/apis/autoscaling/v2/defaults.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model import autoscaling
from swarmlet.model.autoscaling import (
    MAX,
    PERCENT,
    PODS,
    RESOURCE,
    UTILIZATION,
    Behavior,
    HorizontalPodAutoscaler,
    MetricSpec,
    MetricTarget,
    ResourceMetricSource,
    ScalingPolicy,
    ScalingRules,
)

MIN_REPLICAS = 1
CPU_UTILIZATION = 80
METRICS = (
    MetricSpec(
        type=RESOURCE,
        resource=ResourceMetricSource(
            name="cpu", target=MetricTarget(type=UTILIZATION, average_utilization=CPU_UTILIZATION)
        ),
    ),
)
SCALE_UP = ScalingRules(
    stabilization_window_seconds=0,
    select_policy=MAX,
    policies=(
        ScalingPolicy(type=PODS, value=4, period_seconds=15),
        ScalingPolicy(type=PERCENT, value=100, period_seconds=15),
    ),
)
SCALE_DOWN = ScalingRules(select_policy=MAX, policies=(ScalingPolicy(type=PERCENT, value=100, period_seconds=15),))
"""Its window is the controller's affair: `SCALE_DOWN_WINDOW_SECONDS`."""
SCALE_DOWN_WINDOW_SECONDS = 300


def horizontal_pod_autoscaler(value: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    """Return the HorizontalPodAutoscaler with its defaults."""
    spec = value.spec
    filled = msgspec.structs.replace(
        spec,
        min_replicas=MIN_REPLICAS if spec.min_replicas is None else spec.min_replicas,
        metrics=spec.metrics or METRICS,
        behavior=None if spec.behavior is None else behavior(spec.behavior),
    )
    return msgspec.structs.replace(value, spec=filled)


def behavior(given: Behavior | None) -> Behavior:
    """Return the behavior with whatever it does not say."""
    given = given or autoscaling.Behavior()
    return Behavior(scale_up=_rules(given.scale_up, SCALE_UP), scale_down=_rules(given.scale_down, SCALE_DOWN))


def _rules(given: ScalingRules | None, default: ScalingRules) -> ScalingRules:
    if given is None:
        return default
    window = given.stabilization_window_seconds
    return ScalingRules(
        stabilization_window_seconds=default.stabilization_window_seconds if window is None else window,
        select_policy=given.select_policy or default.select_policy,
        policies=given.policies or default.policies,
        tolerance=given.tolerance,
    )
