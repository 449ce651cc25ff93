"""Rules of HorizontalPodAutoscaler. Source: kubernetes pkg/apis/autoscaling/validation/validation.go."""

from __future__ import annotations

from swarmlet.model import autoscaling, quantity
from swarmlet.model.problems import Place, Problems

RESOURCES = ("cpu", "memory")
"""What agents sample."""
SOURCES = (autoscaling.CONTAINER_RESOURCE, autoscaling.RESOURCE)
SELECT_POLICIES = (autoscaling.DISABLED, autoscaling.MAX, autoscaling.MIN)
POLICY_TYPES = (autoscaling.PERCENT, autoscaling.PODS)
WINDOW_SECONDS_MAX = 3_600
PERIOD_SECONDS_MAX = 1_800


def horizontal_pod_autoscaler(value: autoscaling.HorizontalPodAutoscaler, problems: Problems) -> None:
    """Check a HorizontalPodAutoscaler."""
    place, spec = problems.at("spec"), value.spec
    least = spec.min_replicas
    if least is not None and least < 1:
        place.field("minReplicas").invalid(least, "must be greater than or equal to 1")
    if spec.max_replicas < 1:
        place.field("maxReplicas").invalid(spec.max_replicas, "must be greater than 0")
    if least is not None and spec.max_replicas < least:
        place.field("maxReplicas").invalid(spec.max_replicas, "must be greater than or equal to `minReplicas`")
    _reference(spec.scale_target_ref, place.field("scaleTargetRef"))
    for inner, metric in place.field("metrics").each(spec.metrics):
        _metric(metric, inner)
    if spec.behavior:
        for name, rules in (("scaleUp", spec.behavior.scale_up), ("scaleDown", spec.behavior.scale_down)):
            if rules:
                _scaling_rules(rules, place.field("behavior").field(name))


def _reference(reference: autoscaling.CrossVersionObjectReference, place: Place) -> None:
    for name, text in (("kind", reference.kind), ("name", reference.name)):
        if not text:
            place.field(name).required()
        elif text in (".", "..") or "/" in text or "%" in text:
            place.field(name).invalid(text, "may not be '.' or '..', nor contain '/' or '%'")


def _metric(metric: autoscaling.MetricSpec, place: Place) -> None:
    """Check that a metric is of a type that has a source here, and says that source and no other."""
    if not metric.type:
        place.field("type").required("must specify a metric source type")
        return
    if metric.type not in SOURCES:
        place.field("type").unsupported(metric.type, SOURCES)
        return
    sources = {autoscaling.RESOURCE: metric.resource, autoscaling.CONTAINER_RESOURCE: metric.container_resource}
    for type_, source in sources.items():
        inner = place.field(type_[0].lower() + type_[1:])
        if type_ != metric.type:
            if source is not None:
                inner.forbidden("must populate the given metric source only")
        elif source is None:
            inner.required("must populate information for the given metric source")
        else:
            _source(source, inner)


def _source(source: autoscaling.ResourceMetricSource | autoscaling.ContainerResourceMetricSource, place: Place) -> None:
    if not source.name:
        place.field("name").required("must specify a resource name")
    elif source.name not in RESOURCES:
        place.field("name").unsupported(source.name, RESOURCES)
    if isinstance(source, autoscaling.ContainerResourceMetricSource) and not source.container:
        place.field("container").required("must specify a container")
    _target(source.target, place.field("target"))


def _target(target: autoscaling.MetricTarget, place: Place) -> None:
    share, value = target.average_utilization, target.average_value
    if not target.type:
        place.field("type").required("must specify a metric target type")
    elif target.type not in (autoscaling.UTILIZATION, autoscaling.AVERAGE_VALUE):
        place.field("type").invalid(target.type, "must be either Utilization or AverageValue for a resource")
    if value is not None and quantity.to_milli(value) <= 0:
        place.field("averageValue").invalid(value, "must be positive")
    if share is not None and share < 1:
        place.field("averageUtilization").invalid(share, "must be greater than 0")
    if share is None and value is None:
        place.field("averageUtilization").required("must set either a target raw value or a target utilization")
    if share is not None and value is not None:
        place.field("averageValue").forbidden("may not set both a target raw value and a target utilization")


def _scaling_rules(rules: autoscaling.ScalingRules, place: Place) -> None:
    window = rules.stabilization_window_seconds
    if window is not None and window < 0:
        place.field("stabilizationWindowSeconds").invalid(window, "must be greater than or equal to zero")
    if window is not None and window > WINDOW_SECONDS_MAX:
        why = f"must be less than or equal to {WINDOW_SECONDS_MAX}"
        place.field("stabilizationWindowSeconds").invalid(window, why)
    if rules.select_policy is not None and rules.select_policy not in SELECT_POLICIES:
        place.field("selectPolicy").unsupported(rules.select_policy, SELECT_POLICIES)
    if rules.tolerance is not None and quantity.parse(rules.tolerance).nano < 0:
        place.field("tolerance").invalid(rules.tolerance, "must be greater or equal to zero")
    if not rules.policies:
        place.field("policies").required("must specify at least one Policy")
    for inner, policy in place.field("policies").each(rules.policies):
        _policy(policy, inner)


def _policy(policy: autoscaling.ScalingPolicy, place: Place) -> None:
    if policy.type not in POLICY_TYPES:
        place.field("type").unsupported(policy.type, POLICY_TYPES)
    if policy.value <= 0:
        place.field("value").invalid(policy.value, "must be greater than zero")
    if policy.period_seconds <= 0:
        place.field("periodSeconds").invalid(policy.period_seconds, "must be greater than zero")
    if policy.period_seconds > PERIOD_SECONDS_MAX:
        why = f"must be less than or equal to {PERIOD_SECONDS_MAX}"
        place.field("periodSeconds").invalid(policy.period_seconds, why)
