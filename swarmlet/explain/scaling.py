"""Why a HorizontalPodAutoscaler does not scale, and why a PodDisruptionBudget allows no eviction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from swarmlet.explain import groups
from swarmlet.explain.case import PODS, Case, about, by_condition, by_event, number, plural
from swarmlet.explain.findings import ERROR, INFO, WARNING, Finding, severity_of, worst_first
from swarmlet.model import conditions, disruptions, objects, pods, selectors
from swarmlet.model.autoscaling import (
    ABLE_TO_SCALE,
    SCALING_ACTIVE,
    SCALING_LIMITED,
    HorizontalPodAutoscaler,
    MetricSpec,
    MetricStatus,
)
from swarmlet.model.meta import Object
from swarmlet.model.pod import Pod
from swarmlet.model.policy import PodDisruptionBudget


def explain_autoscaler(case: Case, value: Object) -> list[Finding]:
    """Return what an autoscaler measures, what it wants, and what keeps it from that."""
    autoscaler = cast("HorizontalPodAutoscaler", value)
    spec, status = autoscaler.spec, autoscaler.status
    found = list(_conditions(autoscaler))
    if not status.conditions:
        text = "nothing was decided yet: that is the leader's work"
        found.append(Finding(text=text, severity=WARNING, about=about(autoscaler), source="status"))
    bounds = f"{1 if spec.min_replicas is None else spec.min_replicas} to {spec.max_replicas}"
    target = f"{spec.scale_target_ref.kind} {spec.scale_target_ref.name}"
    headline = Finding(
        text=f"autoscaler {autoscaler.metadata.name}: {target} has {plural(status.current_replicas, 'replica')}, "
        f"{status.desired_replicas} are wanted (of {bounds})",
        severity=severity_of(found),
        about=about(autoscaler),
        source="status",
        causes=(*worst_first(found), *_metrics(autoscaler)),
    )
    return [headline, *_rescaled(case, autoscaler)]


def explain_budget(case: Case, value: Object) -> list[Finding]:
    """Return how many Pods of a budget may go now, and why not more."""
    budget = cast("PodDisruptionBudget", value)
    status = budget.status
    selects = selectors.from_labels(budget.spec.selector)
    everyone = [cast("Pod", each.object) for each in case.view.list(PODS, budget.metadata.namespace)]
    members = [pod for pod in everyone if selects(pod.metadata.labels)]
    found = list(_objections(case, budget, members))
    allowed = plural(status.disruptions_allowed, "eviction") if status.disruptions_allowed else "no eviction"
    healthy = number(status.current_healthy, "healthy")
    headline = Finding(
        text=f"budget {budget.metadata.name} allows {allowed} now: of {plural(status.expected_pods, 'Pod')} {healthy}, "
        f"and {status.desired_healthy} must be",
        severity=WARNING if not status.disruptions_allowed else INFO,
        about=about(budget),
        source="status",
        causes=worst_first(found),
    )
    return [headline]


def _conditions(autoscaler: HorizontalPodAutoscaler) -> Iterator[Finding]:
    held = autoscaler.status.conditions
    able, active = conditions.get(held, ABLE_TO_SCALE), conditions.get(held, SCALING_ACTIVE)
    if able is not None and able.status == "False":
        advice = "correct spec.scaleTargetRef, or make what it names"
        yield by_condition(autoscaler, able, f"{able.message} ({able.reason})", ERROR, advice)
    elif active is not None and active.status == "False":
        yield by_condition(
            autoscaler, active, f"{active.message} ({active.reason})", ERROR, _what_helps(active.message)
        )
    limited = conditions.get(held, SCALING_LIMITED)
    if limited is not None and limited.status == "True":
        yield by_condition(autoscaler, limited, f"{limited.message} ({limited.reason})", WARNING)
    if able is not None and able.status == "True" and able.reason not in ("ReadyForNewScale", "SucceededGetScale"):
        yield by_condition(autoscaler, able, f"{able.message} ({able.reason})", INFO)


def _what_helps(message: str) -> str:
    if "missing request" in message:
        return "let the Pods' template ask for the resource in resources.requests"
    if "scaling is disabled" in message:
        return "scale the target to at least 1"
    return ""


def _metrics(autoscaler: HorizontalPodAutoscaler) -> Iterator[Finding]:
    for spec, told in zip(autoscaler.spec.metrics, autoscaler.status.current_metrics, strict=False):
        text = _measured(spec, told)
        if text:
            yield Finding(text=text, about=about(autoscaler), source="status.currentMetrics")


def _measured(spec: MetricSpec, told: MetricStatus) -> str:
    wanted, measured = spec.resource or spec.container_resource, told.resource or told.container_resource
    if wanted is None or measured is None:
        return ""
    target, current = wanted.target, measured.current
    if target.average_utilization is not None and current.average_utilization is not None:
        return f"{wanted.name} is used to {current.average_utilization} %, the target is {target.average_utilization} %"
    return f"{wanted.name} is used at {current.average_value} a Pod, the target is {target.average_value}"


def _rescaled(case: Case, autoscaler: HorizontalPodAutoscaler) -> Iterator[Finding]:
    told = case.event(autoscaler, "SuccessfulRescale")
    if told is not None:
        yield by_event(autoscaler, told, f"its last step: {told.message}")


def _objections(case: Case, budget: PodDisruptionBudget, members: list[Pod]) -> Iterator[Finding]:
    if not disruptions.is_observed(budget):
        text = "its newest change was not acted on yet: that is the leader's work"
        yield Finding(text=text, severity=WARNING, about=about(budget), source="status.observedGeneration")
    if not members:
        text = "its selector matches no Pods"
        yield Finding(text=text, severity=WARNING, about=about(budget), source="now")
        return
    if budget.status.disruptions_allowed:
        return
    status = budget.status
    failed = conditions.get(status.conditions, "DisruptionAllowed")
    if failed is not None and failed.reason == "SyncFailed":
        yield by_condition(budget, failed, f"its Pods cannot be counted: {failed.message}", ERROR)
    elif status.expected_pods and status.desired_healthy >= status.expected_pods:
        asked = f"{status.desired_healthy} of {plural(status.expected_pods, 'Pod')}"
        yield Finding(
            text=f"it asks for {asked}, so none may ever go, and a drain waits for ever",
            severity=ERROR,
            about=about(budget),
            source="status",
            advice="have more replicas, or let spec.minAvailable be lower (or spec.maxUnavailable at least 1)",
        )
    unhealthy = [pod for pod in members if not pods.is_ready(pod) and not objects.is_terminating(pod)]
    yield from groups.troubles(case, unhealthy)
