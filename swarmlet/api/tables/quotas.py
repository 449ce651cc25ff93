"""The rows of ResourceQuotas and LimitRanges.

Source: kubernetes/pkg/printers/internalversion/printers.go (printResourceQuota; LimitRanges have no printer of their
own, so the server prints when they were made).
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import since
from swarmlet.model.quotas import LimitRange, ResourceQuota

NONE_USED = "0"


def resource_quota(value: ResourceQuota, now: datetime) -> list[object]:
    """Return the cells of `kubectl get resourcequotas`."""
    told: dict[bool, list[str]] = {False: [], True: []}
    for name, most in sorted(value.status.hard.items()):
        told[name.startswith("limits")].append(f"{name}: {value.status.used.get(name, NONE_USED)}/{most}")
    requests, limits = ", ".join(told[False]), ", ".join(told[True])
    return [value.metadata.name, requests, limits, since(value.metadata.creation_timestamp, now)]


def limit_range(value: LimitRange, _now: datetime) -> list[object]:
    """Return the cells of `kubectl get limitranges`."""
    made = value.metadata.creation_timestamp
    return [value.metadata.name, made.strftime("%Y-%m-%dT%H:%M:%SZ") if made else ""]
