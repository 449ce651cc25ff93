"""How fast a number of replicas may follow what is asked for: stabilization windows, then policies.

What was asked for lately and what was done is remembered for one reign. A new leader begins with what there is, as if
that had been asked for: it goes neither down nor up before it has seen a whole window itself.
Source: kubernetes pkg/controller/podautoscaler/horizontal.go (stabilizeRecommendationWithBehaviors,
convertDesiredReplicasWithBehaviorRate).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from swarmlet.controllers.autoscaling.replicas import TOLERANCE, Tolerances
from swarmlet.model import autoscaling, autoscaling_defaults, quantity
from swarmlet.model.autoscaling import HorizontalPodAutoscalerSpec, ScalingRules
from swarmlet.model.rules.autoscaling import PERIOD_SECONDS_MAX, WINDOW_SECONDS_MAX

MEMORIES_MAX = 4_000
"""Of each sort: more than one a second for the longest window there can be."""

SCALE_UP_STABILIZED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
SCALE_DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
SCALE_UP_LIMIT = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
SCALE_DOWN_LIMIT = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
TOO_MANY_REPLICAS = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FEW_REPLICAS = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
DESIRED_WITHIN_RANGE = ("DesiredWithinRange", "the desired count is within the acceptable range")

Because = tuple[str, str]
"""The reason and the message of a condition."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A number at a time: of replicas asked for, or by how many they changed."""

    at: datetime
    count: int


@dataclass(slots=True)
class History:
    """What was asked for of one target, and by how many replicas it grew or shrank."""

    asked: list[Moment] = field(default_factory=list)
    grown: list[Moment] = field(default_factory=list)
    shrunk: list[Moment] = field(default_factory=list)
    _decided: tuple[datetime, int, int] | None = None

    def begin(self, current: int, now: datetime) -> None:
        """Take note of how many replicas there are, at the beginning of a look."""
        if not self.asked:
            self.asked.append(Moment(now, current))
        if self._decided is not None and self._decided[2] == current:  # it was written: nothing had overtaken it
            self.note_scaled(*self._decided)
        self._decided = None
        self._trim(now)

    def decide(self, old: int, new: int, now: datetime) -> None:
        """Take note that the target shall go from `old` to `new` replicas: it counts once it is seen to have."""
        self._decided = (now, old, new)

    def note_scaled(self, at: datetime, old: int, new: int) -> None:
        """Note that the target went from `old` to `new` replicas."""
        (self.grown if new > old else self.shrunk).append(Moment(at, abs(new - old)))

    def _trim(self, now: datetime) -> None:
        """Forget what no window or period can reach any more."""
        for moments, seconds in (
            (self.asked, WINDOW_SECONDS_MAX),
            (self.grown, PERIOD_SECONDS_MAX),
            (self.shrunk, PERIOD_SECONDS_MAX),
        ):
            moments[:] = [each for each in moments if each.at > now - timedelta(seconds=seconds)][-MEMORIES_MAX:]


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the replicas of one target. The windows of the rules are set."""

    minimum: int
    maximum: int
    up: ScalingRules
    down: ScalingRules

    @property
    def tolerances(self) -> Tolerances:
        return Tolerances(down=_tolerance(self.down), up=_tolerance(self.up))


def limits_of(spec: HorizontalPodAutoscalerSpec) -> Limits:
    """Return what a HorizontalPodAutoscaler allows, whatever of its behavior it does not say."""
    behavior = autoscaling_defaults.behavior(spec.behavior)
    up, down = behavior.scale_up or autoscaling_defaults.SCALE_UP, behavior.scale_down
    down = down or autoscaling_defaults.SCALE_DOWN
    if down.stabilization_window_seconds is None:
        window = autoscaling_defaults.SCALE_DOWN_WINDOW_SECONDS
        down = msgspec.structs.replace(down, stabilization_window_seconds=window)
    return Limits(spec.min_replicas or autoscaling_defaults.MIN_REPLICAS, spec.max_replicas, up, down)


def stabilize(history: History, current: int, desired: int, limits: Limits, now: datetime) -> tuple[int, Because]:
    """Return the replicas that what was asked for lately agrees on, and why they differ where they do.

    Notes `desired` in the history.
    """
    lowest = min([desired, *_since(history.asked, limits.up, now)])
    highest = max([desired, *_since(history.asked, limits.down, now)])
    history.asked.append(Moment(now, desired))
    stable = min(max(current, lowest), highest)
    return stable, SCALE_UP_STABILIZED if desired >= current else SCALE_DOWN_STABILIZED


def limit(history: History, current: int, desired: int, limits: Limits, now: datetime) -> tuple[int, Because]:
    """Return the replicas that policies and bounds allow now, and why they differ where they do."""
    if desired > current:
        fastest = max(current, _highest(history, current, limits.up, now))
        allowed, because = min(
            (limits.maximum, TOO_MANY_REPLICAS), (fastest, SCALE_UP_LIMIT), key=lambda choice: choice[0]
        )
        return (allowed, because) if desired > allowed else (desired, DESIRED_WITHIN_RANGE)
    if desired < current:
        fastest = min(current, _lowest(history, current, limits.down, now))
        allowed, because = max(
            (limits.minimum, TOO_FEW_REPLICAS), (fastest, SCALE_DOWN_LIMIT), key=lambda choice: choice[0]
        )
        return (allowed, because) if desired < allowed else (desired, DESIRED_WITHIN_RANGE)
    return desired, DESIRED_WITHIN_RANGE


def _since(asked: Sequence[Moment], rules: ScalingRules, now: datetime) -> list[int]:
    window = timedelta(seconds=rules.stabilization_window_seconds or 0)
    return [each.count for each in asked if each.at > now - window]


def _highest(history: History, current: int, rules: ScalingRules, now: datetime) -> int:
    """Return up to how many replicas the policies let the target grow."""
    if rules.select_policy == autoscaling.DISABLED:
        return current
    proposals = []
    for policy in rules.policies:
        start = _start(history, current, policy.period_seconds, now)
        if policy.type == autoscaling.PODS:
            proposals.append(start + policy.value)
        else:
            proposals.append(math.ceil(start * (1 + policy.value / 100)))
    return min(proposals) if rules.select_policy == autoscaling.MIN else max(proposals)


def _lowest(history: History, current: int, rules: ScalingRules, now: datetime) -> int:
    """Return down to how many replicas the policies let the target shrink."""
    if rules.select_policy == autoscaling.DISABLED:
        return current
    proposals = []
    for policy in rules.policies:
        start = _start(history, current, policy.period_seconds, now)
        if policy.type == autoscaling.PODS:
            proposals.append(start - policy.value)
        else:
            proposals.append(int(start * (1 - policy.value / 100)))
    return max(proposals) if rules.select_policy == autoscaling.MIN else min(proposals)


def _start(history: History, current: int, period_seconds: int, now: datetime) -> int:
    """Return how many replicas there were when the period began that ends now."""
    since = now - timedelta(seconds=period_seconds)
    grown = sum(each.count for each in history.grown if each.at > since)
    shrunk = sum(each.count for each in history.shrunk if each.at > since)
    return current - grown + shrunk


def _tolerance(rules: ScalingRules) -> float:
    return TOLERANCE if rules.tolerance is None else quantity.parse(rules.tolerance).nano / 10**9
