"""HorizontalPodAutoscalers: as many replicas as their Pods' use of processor and memory asks for.

Each is looked at every `sync_seconds`. What Pods use is in the leader's memory (`usage.UsageMemory`), and so is what
was asked for lately (`hpa_behavior.History`): docs/decisions/0015 says what that means when the leader changes.
Source: kubernetes pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, cast

import msgspec

from swarmlet.config import Autoscaling
from swarmlet.controllers.autoscaling import behavior as hpa_behavior
from swarmlet.controllers.autoscaling import metrics as hpa_metrics
from swarmlet.controllers.autoscaling import status as hpa_status
from swarmlet.controllers.autoscaling import targets as hpa_targets
from swarmlet.controllers.autoscaling.behavior import History
from swarmlet.controllers.autoscaling.metrics import Meter
from swarmlet.controllers.autoscaling.replicas import MetricError, Readiness
from swarmlet.controllers.autoscaling.targets import NoScaleError, ScaleTarget
from swarmlet.controllers.nodes.usage import UsageMemory
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, objects
from swarmlet.model.autoscaling import (
    ABLE_TO_SCALE,
    SCALING_ACTIVE,
    SCALING_LIMITED,
    HorizontalPodAutoscaler,
    MetricStatus,
)
from swarmlet.model.base import clock_time
from swarmlet.model.meta import Condition
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

AUTOSCALERS = kinds.HORIZONTAL_POD_AUTOSCALER.resource
SETTLE_SECONDS = 5.0
"""A new leader is told within this time what the one before it knew: agents beat every second."""
ABOVE_MAX = "Current number of replicas above Spec.MaxReplicas"
BELOW_MIN = "Current number of replicas below Spec.MinReplicas"
DISABLED = "scaling is disabled since the replica count of the target is zero"


class HorizontalPodAutoscalers:
    """The reconciler; it remembers of one reign what was asked for in it."""

    name: ClassVar[str] = "horizontal-pod-autoscaler"
    watches: ClassVar[frozenset[str]] = frozenset({AUTOSCALERS})

    def __init__(self, usage: UsageMemory, config: Autoscaling) -> None:
        self._usage = usage
        self._config = config
        self._histories: dict[str, History] = {}

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the one that asks for something else now; its status is this reconciler's own."""
        if change.new is None:
            if change.old is not None:
                self._histories.pop(change.old.object.metadata.uid, None)
            return []
        old = cast("HorizontalPodAutoscaler", change.old.object) if change.old else None
        new = cast("HorizontalPodAutoscaler", change.new.object)
        return [] if old is not None and old.spec == new.spec else [change.key]

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every HorizontalPodAutoscaler."""
        return [stored.key for stored in view.list(AUTOSCALERS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the number of replicas of its target, and its status."""
        stored = view.get(key)
        if stored is None or objects.is_terminating(stored.object):
            return NOTHING
        if self._usage.reign_seconds() < SETTLE_SECONDS:
            return Reconciliation(requeue_after_seconds=SETTLE_SECONDS - self._usage.reign_seconds())
        history = self._histories.setdefault(stored.object.metadata.uid, History())
        return _Look(view, stored, self._usage, self._config, history, now).take()


class _Look:
    """One HorizontalPodAutoscaler, its target and its Pods, now."""

    def __init__(
        self,
        view: View,
        stored: Stored,
        usage: UsageMemory,
        config: Autoscaling,
        history: History,
        now: datetime,
    ) -> None:
        self._view = view
        self._stored = stored
        self._autoscaler = cast("HorizontalPodAutoscaler", stored.object)
        self._usage = usage
        self._config = config
        self._history = history
        self._now = now
        self._drafts = Drafts()
        self._why = ""
        self._events: list[events.Note] = []
        self._limits = hpa_behavior.limits_of(self._autoscaler.spec)

    def take(self) -> Reconciliation:
        """Decide, and return what came of it."""
        spec = self._autoscaler.spec
        try:
            target = hpa_targets.target_of(self._view, self._stored.key.namespace, spec.scale_target_ref)
        except NoScaleError as error:
            told = f"the HPA controller was unable to get the target's current scale: {error}"
            if self._condition(ABLE_TO_SCALE, "False", "FailedGetScale", told):
                self._note(events.WARNING, "FailedGetScale", str(error))
        else:
            reason = "the HPA controller was able to get the target's current scale"
            self._condition(ABLE_TO_SCALE, "True", "SucceededGetScale", reason)
            self._scale(target)
        self._set(observed_generation=self._autoscaler.metadata.generation or None)
        self._drafts.update(self._stored, self._autoscaler)
        seconds = self._config.sync_seconds
        return Reconciliation(self._drafts.operations(), tuple(self._events), seconds, atomic=True, why=self._why)

    def _scale(self, target: ScaleTarget) -> None:
        current = target.replicas
        self._history.begin(current, self._now)
        desired, reason = current, ""
        metrics: tuple[MetricStatus, ...] = ()
        if current == 0:
            self._condition(SCALING_ACTIVE, "False", "ScalingDisabled", DISABLED)
        elif current > self._limits.maximum:
            desired, reason = self._limits.maximum, ABOVE_MAX
        elif current < self._limits.minimum:
            desired, reason = self._limits.minimum, BELOW_MIN
        else:
            asked, reason, metrics = self._asked(target, current)
            if asked is None:
                self._set(current_replicas=current, current_metrics=self._steadied(metrics))
                return
            desired = self._normalized(current, asked)
        if desired != current and not objects.is_terminating(target.object):
            self._rescale(target, desired, reason)
        self._set(current_replicas=current, desired_replicas=desired, current_metrics=self._steadied(metrics))

    # What the metrics ask for.

    def _asked(self, target: ScaleTarget, current: int) -> tuple[int | None, str, tuple[MetricStatus, ...]]:
        """Return how many replicas the metrics ask for (None: nobody can say), why, and what they are."""
        missing = hpa_targets.selector_problem(target)
        if missing:
            if self._condition(SCALING_ACTIVE, "False", "InvalidSelector", missing):
                reason = "InvalidSelector" if target.selector else "SelectorRequired"
                self._note(events.WARNING, reason, missing if target.selector else "selector is required")
            return None, "", ()
        rivals = self._rivals()
        if len(rivals) > 1:
            told = f"pods by selector {target.selector} are controlled by multiple HPAs: [{' '.join(rivals)}]"
            if self._condition(SCALING_ACTIVE, "False", "AmbiguousSelector", told):
                self._note(events.WARNING, "AmbiguousSelector", told)
            return None, "", ()
        meter = self._meter(target, current)
        wanted, name, statuses, failures = 0, "", list[MetricStatus](), list[tuple[str, str]]()
        specs = self._autoscaler.spec.metrics
        for spec in specs:
            try:
                measured = meter.measure(spec)
            except MetricError as error:
                statuses.append(hpa_metrics.UNKNOWN)
                failures.append((hpa_metrics.FAILED[spec.type], str(error)))
                continue
            statuses.append(measured.status)
            if not name or measured.proposal.replicas > wanted:
                wanted, name = measured.proposal.replicas, measured.name
        if len(failures) == len(specs) or (failures and wanted < current):
            self._tell_failure(failures, len(specs))
            return None, "", tuple(statuses)
        message = f"the HPA was able to successfully calculate a replica count from {name}"
        self._condition(SCALING_ACTIVE, "True", "ValidMetricFound", message)
        reason = f"{name} above target" if wanted > current else "All metrics below target"
        return wanted, reason, tuple(statuses)

    def _meter(self, target: ScaleTarget, current: int) -> Meter:
        readiness = Readiness(
            now=self._now,
            cpu_initialization=timedelta(seconds=self._config.cpu_initialization_seconds),
            initial_readiness=timedelta(seconds=self._config.initial_readiness_seconds),
        )
        return Meter(target.pods(self._view), self._usage, readiness, self._limits.tolerances, current)

    def _rivals(self) -> list[str]:
        """Return the names of all that scale this target, itself among them."""
        reference = self._autoscaler.spec.scale_target_ref
        return [
            f"{each.key.namespace}/{each.key.name}"
            for each in self._view.list(AUTOSCALERS, self._stored.key.namespace)
            if cast("HorizontalPodAutoscaler", each.object).spec.scale_target_ref == reference
        ]

    def _tell_failure(self, failures: Sequence[tuple[str, str]], count: int) -> None:
        reason, told = failures[0]
        message = f"the HPA was unable to compute the replica count: {told}"
        if not self._condition(SCALING_ACTIVE, "False", reason, message):
            return
        for each in failures:
            self._note(events.WARNING, *each)
        whole = f"invalid metrics ({len(failures)} invalid out of {count}), first error is: {told}"
        self._note(events.WARNING, "FailedComputeMetricsReplicas", whole)

    # How far it may go at once.

    def _normalized(self, current: int, asked: int) -> int:
        stable, why = hpa_behavior.stabilize(self._history, current, asked, self._limits, self._now)
        if stable != asked:
            self._condition(ABLE_TO_SCALE, "True", *why)
        else:
            self._condition(ABLE_TO_SCALE, "True", "ReadyForNewScale", "recommended size matches current size")
        allowed, why = hpa_behavior.limit(self._history, current, stable, self._limits, self._now)
        self._condition(SCALING_LIMITED, "False" if allowed == stable else "True", *why)
        return allowed

    def _rescale(self, target: ScaleTarget, desired: int, reason: str) -> None:
        self._drafts.update(target.stored, target.scaled(desired, self._now))
        self._history.decide(target.replicas, desired, self._now)
        told = f"the HPA controller was able to update the target scale to {desired}"
        self._condition(ABLE_TO_SCALE, "True", "SucceededRescale", told)
        self._why = f"New size: {desired}; reason: {reason}"
        self._note(events.NORMAL, "SuccessfulRescale", self._why)
        self._set(last_scale_time=clock_time(self._now))

    # Its status.

    def _steadied(self, metrics: Sequence[MetricStatus]) -> tuple[MetricStatus, ...]:
        return hpa_status.steadied(metrics, self._autoscaler.status.current_metrics)

    def _condition(self, type_: str, status: str, reason: str, message: str) -> bool:
        """Set a condition; return whether it says something else than what is stored."""
        condition = Condition(type=type_, status=status, reason=reason, message=message)
        self._set(conditions=conditions.put(self._autoscaler.status.conditions, condition, self._now))
        before = conditions.get(cast("HorizontalPodAutoscaler", self._stored.object).status.conditions, type_)
        return before is None or (before.status, before.reason, before.message) != (status, reason, message)

    def _set(self, **changes: object) -> None:
        status = msgspec.structs.replace(self._autoscaler.status, **changes)
        self._autoscaler = msgspec.structs.replace(self._autoscaler, status=status)

    def _note(self, type_: str, reason: str, message: str) -> None:
        self._events.append(events.Note(self._autoscaler, type_, reason, message))
