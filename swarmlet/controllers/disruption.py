"""PodDisruptionBudgets: keeps each one's status true, by which the API grants evictions.

Source: kubernetes pkg/controller/disruption.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers import disruption_scale
from swarmlet.controllers.disruption_scale import Expectation, NoScaleError
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.controllers.work.selected_pods import SelectedPods
from swarmlet.model import disruptions, events, kinds, objects, pods, selectors
from swarmlet.model.base import Time
from swarmlet.model.pod import Pod
from swarmlet.model.policy import PodDisruptionBudget, PodDisruptionBudgetStatus
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

BUDGETS = kinds.POD_DISRUPTION_BUDGET.resource
PODS = kinds.POD.resource
SCALED = frozenset({kinds.DEPLOYMENT.resource, kinds.REPLICA_SET.resource, kinds.STATEFUL_SET.resource})
"""What says how many Pods there ought to be."""

UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the "
    "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these "
    'pods please set ".spec.minAvailable" field of the PDB to an integer value.'
)


class Disruptions:
    """The reconciler; a key names a PodDisruptionBudget."""

    name: ClassVar[str] = "disruption"
    watches: ClassVar[frozenset[str]] = frozenset({BUDGETS, PODS}) | SCALED

    def __init__(self) -> None:
        self._covered = SelectedPods()

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the budget itself, those that cover a Pod, or those of a namespace where more or fewer are wanted."""
        if change.key.resource == BUDGETS:
            return [change.key]
        budgets = view.list(BUDGETS, change.key.namespace)
        if not budgets or (change.key.resource in SCALED and not _is_rescaled(change)):
            return []
        if change.key.resource in SCALED:
            return [each.key for each in budgets]
        touched = [cast("Pod", stored.object) for stored in (change.old, change.new) if stored]
        return [each.key for each in budgets if any(disruptions.covers(_budget(each), pod) for pod in touched)]

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every budget."""
        return [stored.key for stored in view.list(BUDGETS)]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the budget's status as its Pods are now."""
        stored = view.get(key)
        if stored is None:
            self._covered.forget(key)
            return NOTHING
        return _Count(view, stored, self._covered.of(view, key, _budget(stored).spec.selector), now).finish()


class _Count:
    """One budget and its Pods."""

    def __init__(self, view: View, stored: Stored, covered: list[Pod], now: datetime) -> None:
        self._view = view
        self._stored = stored
        self._budget = _budget(stored)
        self._now = now
        self._events: list[events.Note] = []
        self._pods = covered

    def finish(self) -> Reconciliation:
        """Return the new status, where it is another, and what is to be said of it."""
        disrupted = self._disrupted()
        try:
            expectation = disruption_scale.expectation(self._view, self._budget.spec, self._pods)
        except NoScaleError as error:
            message = f"Failed to calculate the number of expected pods: {error}"
            self._note(events.WARNING, "CalculateExpectedPodCountFailed", message)
            status = disruptions.failed(self._observed(), str(error), self._now)
        else:
            self._remark(expectation)
            status = disruptions.judged(self._counted(expectation, disrupted), self._now)
        if status == self._budget.status:
            return Reconciliation(requeue_after_seconds=self._recheck_seconds(disrupted))
        drafts = Drafts()
        drafts.update(self._stored, msgspec.structs.replace(self._budget, status=status))
        return Reconciliation(drafts.operations(), tuple(self._events), self._recheck_seconds(disrupted))

    def _observed(self) -> PodDisruptionBudgetStatus:
        return msgspec.structs.replace(self._budget.status, observed_generation=self._budget.metadata.generation)

    def _counted(self, expectation: Expectation, disrupted: dict[str, Time]) -> PodDisruptionBudgetStatus:
        healthy = sum(self._is_healthy(pod, disrupted) for pod in self._pods)
        spare = healthy - expectation.desired_healthy
        return msgspec.structs.replace(
            self._observed(),
            disrupted_pods=disrupted,
            current_healthy=healthy,
            desired_healthy=expectation.desired_healthy,
            expected_pods=expectation.expected,
            disruptions_allowed=max(0, spare) if expectation.expected > 0 else 0,
        )

    def _disrupted(self) -> dict[str, Time]:
        """Return the granted evictions that are still to be seen: Pods that are there and are not yet being deleted."""
        granted = self._budget.status.disrupted_pods
        waiting: dict[str, Time] = {}
        for pod in self._pods if granted else ():
            since = granted.get(pod.metadata.name)
            if since is None or objects.is_terminating(pod) or _is_younger(pod, since):
                continue
            if since + disruptions.DELETION_TIMEOUT < self._now:
                budget = f"{self._stored.key.namespace}/{self._stored.key.name}"
                message = f"Pod was expected by PDB {budget} to be deleted but it wasn't"
                self._events.append(events.Note(pod, events.WARNING, "NotDeleted", message))
            else:
                waiting[pod.metadata.name] = since
        return waiting

    def _is_healthy(self, pod: Pod, disrupted: dict[str, Time]) -> bool:
        return pods.is_ready(pod) and not objects.is_terminating(pod) and pod.metadata.name not in disrupted

    def _recheck_seconds(self, disrupted: dict[str, Time]) -> float | None:
        if not disrupted:
            return None
        due = min(disrupted.values()) + disruptions.DELETION_TIMEOUT
        return max(0.0, (due - self._now).total_seconds()) + 1.0

    def _remark(self, expectation: Expectation) -> None:
        if not self._pods:
            self._note(events.NORMAL, "NoPods", "No matching pods found")
        if expectation.unmanaged and self._budget.spec.selector is not None:
            selector = selectors.to_text(self._budget.spec.selector)
            self._note(events.WARNING, "UnmanagedPods", UNMANAGED.format(selector=selector))

    def _note(self, type_: str, reason: str, message: str) -> None:
        self._events.append(events.Note(self._budget, type_, reason, message))


def _budget(stored: Stored) -> PodDisruptionBudget:
    return cast("PodDisruptionBudget", stored.object)


def _is_younger(pod: Pod, since: datetime) -> bool:
    """Whether it is another Pod of that name, made after the eviction: a StatefulSet's next."""
    created = pod.metadata.creation_timestamp
    return created is not None and created > since


def _is_rescaled(change: Change) -> bool:
    return _replicas_asked(change.old) != _replicas_asked(change.new)


def _replicas_asked(stored: Stored | None) -> int | None:
    return disruption_scale.replicas(stored.object) if stored else None
