"""What `describe` tells of PodDisruptionBudgets beyond what it tells of all. Source: kubectl pkg/describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

_SHARES = (("Min available", "minAvailable"), ("Max unavailable", "maxUnavailable"))
_COUNTS = (
    ("Allowed disruptions", "disruptionsAllowed"),
    ("Current", "currentHealthy"),
    ("Desired", "desiredHealthy"),
    ("Total", "expectedPods"),
)


def pod_disruption_budget(document: Document) -> Lines:
    """Return the lines of a PodDisruptionBudget, its selector and conditions apart."""
    spec, status = document["spec"], document.get("status") or {}
    lines: Lines = [(label, str(spec[key])) for label, key in _SHARES if key in spec]
    if policy := spec.get("unhealthyPodEvictionPolicy"):
        lines.append(("Unhealthy Pods", policy))
    lines.append(("Status", [(label, str(status.get(key, 0))) for label, key in _COUNTS]))
    if disrupted := status.get("disruptedPods"):
        lines.append(("Disrupted Pods", sorted(disrupted)))
    return lines
