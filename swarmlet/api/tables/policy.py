"""The rows of PodDisruptionBudgets, NetworkPolicies, PriorityClasses and RuntimeClasses.

Source: kubernetes/pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import since
from swarmlet.model import selectors
from swarmlet.model.base import IntOrString
from swarmlet.model.network_policy import NetworkPolicy
from swarmlet.model.policy import PodDisruptionBudget
from swarmlet.model.runtime_classes import RuntimeClass
from swarmlet.model.scheduling import PriorityClass

NOT_GIVEN = "N/A"
NONE = "<none>"


def pod_disruption_budget(value: PodDisruptionBudget, now: datetime) -> list[object]:
    """Return the cells of `kubectl get poddisruptionbudgets`."""
    return [
        value.metadata.name,
        _share(value.spec.min_available),
        _share(value.spec.max_unavailable),
        value.status.disruptions_allowed,
        since(value.metadata.creation_timestamp, now),
    ]


def network_policy(value: NetworkPolicy, now: datetime) -> list[object]:
    """Return the cells of `kubectl get networkpolicies`."""
    chosen = selectors.to_text(value.spec.pod_selector) or NONE
    return [value.metadata.name, chosen, since(value.metadata.creation_timestamp, now)]


def priority_class(value: PriorityClass, now: datetime) -> list[object]:
    """Return the cells of `kubectl get priorityclasses`."""
    age = since(value.metadata.creation_timestamp, now)
    return [value.metadata.name, value.value, value.global_default, age, value.preemption_policy]


def runtime_class(value: RuntimeClass, now: datetime) -> list[object]:
    """Return the cells of `kubectl get runtimeclasses`."""
    return [value.metadata.name, value.handler, since(value.metadata.creation_timestamp, now)]


def _share(value: IntOrString | None) -> str:
    return NOT_GIVEN if value is None else str(value)
