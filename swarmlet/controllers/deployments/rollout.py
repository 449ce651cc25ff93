"""The arithmetic of a rollout: how many replicas each ReplicaSet of a Deployment is to have next.

A ReplicaSet's `spec.replicas` is what is asked for, its `status.available_replicas` what serves; only the two together
keep within the bounds. Source: kubernetes pkg/controller/deployment/util/deployment_util.go, sync.go and rolling.go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from swarmlet.model import singletons
from swarmlet.model.apps import Deployment, ReplicaSet
from swarmlet.model.base import IntOrString

ROLLING_UPDATE = "RollingUpdate"
RECREATE = "Recreate"
DEFAULT_STEP = "25%"

DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"

Sizes = Mapping[str, int]
"""Replicas by the name of a ReplicaSet."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a Deployment asks for while it changes: so many replicas, so many more or fewer for a time."""

    desired: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.desired + self.surge

    @property
    def least_available(self) -> int:
        return self.desired - self.unavailable


def bounds_of(deployment: Deployment) -> Bounds:
    """Return the bounds, percentages resolved: surge rounds up, unavailable down, and never are both zero."""
    desired = desired_replicas(deployment)
    strategy = deployment.spec.strategy
    if strategy_type(deployment) == RECREATE:
        return Bounds(desired, 0, 0)
    rolling = strategy.rolling_update
    surge = _resolve(rolling.max_surge if rolling else None, desired, up=True)
    unavailable = _resolve(rolling.max_unavailable if rolling else None, desired, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(desired, surge, min(unavailable, desired))


def _resolve(value: IntOrString | None, total: int, *, up: bool) -> int:
    value = DEFAULT_STEP if value is None else value
    if isinstance(value, int):
        return value
    hundredths = int(value.rstrip("%")) * total
    return -(-hundredths // 100) if up else hundredths // 100


def strategy_type(deployment: Deployment) -> str:
    """Return how replicas are replaced: strict singletons by "Recreate", whatever the strategy says.

    To roll them would wait for ever: the new one is not started before the old one has ended.
    """
    return RECREATE if singletons.asks_for_single(deployment.spec.template) else deployment.spec.strategy.type


def desired_replicas(deployment: Deployment) -> int:
    """Return how many replicas are asked for (1 where nothing is said)."""
    return 1 if deployment.spec.replicas is None else deployment.spec.replicas


def size(replica_set: ReplicaSet) -> int:
    """Return how many replicas a ReplicaSet is asked to have."""
    return 1 if replica_set.spec.replicas is None else replica_set.spec.replicas


def total_size(replica_sets: Iterable[ReplicaSet]) -> int:
    """Return how many replicas they are asked to have together."""
    return sum(size(each) for each in replica_sets)


def total_available(replica_sets: Iterable[ReplicaSet]) -> int:
    """Return how many replicas serve."""
    return sum(each.status.available_replicas for each in replica_sets)


def active(replica_sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    """Return those that are asked to have any."""
    return [each for each in replica_sets if size(each) > 0]


def number_in(replica_set: ReplicaSet, annotation: str) -> int | None:
    """Return the number in one of the annotations above, None where there is none."""
    text = replica_set.metadata.annotations.get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() else None


def new_size(deployment: Deployment, everyone: Sequence[ReplicaSet], own: int) -> int:
    """Return what the newest ReplicaSet, now of `own` replicas among `everyone`, may grow to at once."""
    bounds = bounds_of(deployment)
    if strategy_type(deployment) == RECREATE or own >= bounds.desired:
        return bounds.desired
    room = bounds.most - total_size(everyone)
    return own + max(0, min(room, bounds.desired - own))


def shrink_old(bounds: Bounds, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """Return the smaller sizes that the old ReplicaSets may take now, unhealthy replicas going first."""
    everyone = [new, *old]
    new_unavailable = size(new) - new.status.available_replicas
    room = total_size(everyone) - bounds.least_available - new_unavailable
    if room <= 0 or total_size(old) == 0:
        return {}
    oldest_first = sorted(old, key=_age)
    sizes = _drop_unhealthy(oldest_first, room)
    return sizes | _drop_available(oldest_first, sizes, total_available(everyone) - bounds.least_available)


def _drop_unhealthy(oldest_first: Sequence[ReplicaSet], room: int) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for each in oldest_first:
        unhealthy = min(room, size(each) - each.status.available_replicas)
        if unhealthy > 0:
            sizes[each.metadata.name] = size(each) - unhealthy
            room -= unhealthy
    return sizes


def _drop_available(oldest_first: Sequence[ReplicaSet], sizes: Sizes, room: int) -> dict[str, int]:
    smaller: dict[str, int] = {}
    for each in oldest_first:
        now = sizes.get(each.metadata.name, size(each))
        count = min(now, room)
        if count > 0:
            smaller[each.metadata.name] = now - count
            room -= count
    return smaller


def rescale(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """Return the sizes that follow a change of `spec.replicas`: the one that is active follows it, several share it."""
    desired = desired_replicas(deployment)
    sole = _active_or_latest(new, old)
    if sole is not None:
        return {sole.metadata.name: desired}
    if new is not None and is_saturated(deployment, new):
        return {each.metadata.name: 0 for each in active(old)}
    if strategy_type(deployment) == RECREATE:
        return {}
    return _share(deployment, active([*old, *([new] if new else [])]))


def _share(deployment: Deployment, replica_sets: Sequence[ReplicaSet]) -> Sizes:
    bounds = bounds_of(deployment)
    allowed = bounds.most if bounds.desired > 0 else 0
    missing = allowed - total_size(replica_sets)
    in_turn = sorted(replica_sets, key=_newest_largest if missing > 0 else _oldest_largest)
    sizes: dict[str, int] = {}
    added = 0
    for each in in_turn:
        share = _proportion(deployment, bounds, each, missing - added) if missing else 0
        sizes[each.metadata.name] = size(each) + share
        added += share
    if in_turn and missing:
        first = in_turn[0].metadata.name
        sizes[first] = max(0, sizes[first] + missing - added)
    return sizes


def _proportion(deployment: Deployment, bounds: Bounds, replica_set: ReplicaSet, missing: int) -> int:
    own = size(replica_set)
    if own == 0 or missing == 0:
        return 0
    if bounds.desired == 0:
        return max(-own, missing)
    before = number_in(replica_set, MAX_REPLICAS) or deployment.status.replicas or bounds.most
    fraction = math.floor(own * bounds.most / before + 0.5) - own
    return min(fraction, missing) if missing > 0 else max(fraction, missing)


def is_saturated(deployment: Deployment, new: ReplicaSet) -> bool:
    """Whether the newest ReplicaSet alone is, and serves, all that is asked for."""
    desired = desired_replicas(deployment)
    return size(new) == desired == new.status.available_replicas == number_in(new, DESIRED_REPLICAS)


def _active_or_latest(new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> ReplicaSet | None:
    everyone = [*old, *([new] if new else [])]
    alive = active(everyone)
    if len(alive) > 1:
        return None
    if alive:
        return alive[0]
    return new or max(everyone, key=_age, default=None)


def _age(replica_set: ReplicaSet) -> tuple[float, str]:
    created = replica_set.metadata.creation_timestamp
    return (created.timestamp() if created else math.inf, replica_set.metadata.name)


def _newest_largest(replica_set: ReplicaSet) -> tuple[int, float]:
    return (-size(replica_set), -_age(replica_set)[0])


def _oldest_largest(replica_set: ReplicaSet) -> tuple[int, float]:
    return (-size(replica_set), _age(replica_set)[0])


def oldest_first(replica_sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    """Return them by age; names decide between those of one second."""
    return sorted(replica_sets, key=_age)
