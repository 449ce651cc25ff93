"""What a StatefulSet does next: which Pods it makes and which it removes, given those that are.

Three phases, each only when the one before leaves nothing to wait for: the ordinals that are asked for exist, those
that are not go, and those of another revision go to be made anew. Under `OrderedReady` one Pod is dealt with at a time.
Source: kubernetes pkg/controller/statefulset/stateful_set_control.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from swarmlet.controllers.sets import statefulset_pods as members
from swarmlet.model import apps_sets, objects, pods
from swarmlet.model.apps_sets import StatefulSet
from swarmlet.model.base import IntOrString
from swarmlet.model.pod import Pod

BURST_PODS = 500
"""Pods made or removed in one step; the rest follows in the next."""


@dataclass(slots=True)
class Plan:
    """Ordinals to make, and Pods to remove: `failed` because they have ended, the others to shrink or to update."""

    make: list[int] = field(default_factory=list)
    remove: list[Pod] = field(default_factory=list)
    failed: list[Pod] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.make) + len(self.remove) + len(self.failed) >= BURST_PODS


def plan(stateful_set: StatefulSet, present: Mapping[int, Pod], update_revision: str, now: datetime) -> Plan:
    """Return the next step. `present` are the Pods by ordinal, those that are about to go included."""
    step = Plan()
    wanted = members.ordinals(stateful_set)
    if _waits_for_wanted(stateful_set, present, step, now):
        return step
    condemned = [present[ordinal] for ordinal in sorted(present, reverse=True) if ordinal not in wanted]
    if _waits_for_condemned(stateful_set, condemned, step):
        return step
    if stateful_set.spec.update_strategy.type != apps_sets.ON_DELETE:
        _update(stateful_set, present, update_revision, step, now)
    return step


def keeps_current(stateful_set: StatefulSet, ordinal: int) -> bool:
    """Whether a Pod that is made now is still of the revision before the update: the partition holds it back."""
    if stateful_set.spec.update_strategy.type == apps_sets.ON_DELETE:
        return False
    return ordinal < members.ordinals(stateful_set).start + members.partition(stateful_set)


def unavailable_max(value: IntOrString | None, replicas: int) -> int:
    """Return how many Pods an update may take at a time: percentages round down, and it is never none."""
    if isinstance(value, str):
        return max(1, int(value.rstrip("%")) * replicas // 100)
    return max(1, value or 1)


def _waits_for_wanted(stateful_set: StatefulSet, present: Mapping[int, Pod], step: Plan, now: datetime) -> bool:
    """Make what is missing or has ended; return whether nothing else may be done yet."""
    ordered, least = members.is_ordered(stateful_set), stateful_set.spec.min_ready_seconds
    for ordinal in members.ordinals(stateful_set):
        pod = present.get(ordinal)
        if pod is None:
            step.make.append(ordinal)
        elif pods.is_finished(pod):
            if not objects.is_terminating(pod):
                step.failed.append(pod)
        elif not ordered or (not objects.is_terminating(pod) and pods.is_available(pod, now, least)):
            continue
        if ordered or step.is_full:
            return True
    return False


def _waits_for_condemned(stateful_set: StatefulSet, condemned: Iterable[Pod], step: Plan) -> bool:
    """Remove what is not asked for, the highest ordinal first; return whether nothing else may be done yet."""
    ordered = members.is_ordered(stateful_set)
    for pod in condemned:
        if not objects.is_terminating(pod):
            step.remove.append(pod)
        if ordered or step.is_full:
            return True
    return False


def _update(
    stateful_set: StatefulSet, present: Mapping[int, Pod], update_revision: str, step: Plan, now: datetime
) -> None:
    """Remove Pods of another revision, the highest ordinal first, as far as what is unavailable leaves room.

    One that is unavailable goes at once: nothing is lost by it, and so a broken revision can be left again.
    """
    rolling, least = stateful_set.spec.update_strategy.rolling_update, stateful_set.spec.min_ready_seconds
    wanted = members.ordinals(stateful_set)
    serving = {ordinal for ordinal in wanted if _serves(present.get(ordinal), now, least)}
    room = unavailable_max(rolling.max_unavailable if rolling else None, len(wanted)) - (len(wanted) - len(serving))
    for ordinal in reversed(wanted[members.partition(stateful_set) :]):
        pod = present.get(ordinal)
        if pod is None or objects.is_terminating(pod) or members.revision_of(pod) == update_revision:
            continue
        if ordinal in serving:
            if room <= 0:
                continue
            room -= 1
        if not pods.is_finished(pod):  # those go as failed ones do
            step.remove.append(pod)


def _serves(pod: Pod | None, now: datetime, min_ready_seconds: int) -> bool:
    return pod is not None and pods.is_active(pod) and pods.is_available(pod, now, min_ready_seconds)
