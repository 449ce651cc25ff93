"""The rows of PodDisruptionBudgets.

Source: kubernetes/pkg/printers/internalversion/printers.go (printPodDisruptionBudget).
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.durations import since
from swarmlet.model.base import IntOrString
from swarmlet.model.policy import PodDisruptionBudget

NOT_GIVEN = "N/A"


def pod_disruption_budget(value: PodDisruptionBudget, now: datetime) -> list[object]:
    """Return the cells of `kubectl get poddisruptionbudgets`."""
    return [
        value.metadata.name,
        _share(value.spec.min_available),
        _share(value.spec.max_unavailable),
        value.status.disruptions_allowed,
        since(value.metadata.creation_timestamp, now),
    ]


def _share(value: IntOrString | None) -> str:
    return NOT_GIVEN if value is None else str(value)
