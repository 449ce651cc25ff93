"""Eviction thresholds: how little of something a node may have left before it takes steps.

`memory.available` is "100Mi" or "5%" of what there is. Source: kubernetes pkg/kubelet/eviction/helpers.go.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from swarmlet.errors import InvalidError
from swarmlet.model import quantity

MEMORY_AVAILABLE = "memory.available"
NODEFS_AVAILABLE = "nodefs.available"
NODEFS_INODES_FREE = "nodefs.inodesFree"
IMAGEFS_AVAILABLE = "imagefs.available"
IMAGEFS_INODES_FREE = "imagefs.inodesFree"
PID_AVAILABLE = "pid.available"
SIGNALS = (
    MEMORY_AVAILABLE,
    NODEFS_AVAILABLE,
    NODEFS_INODES_FREE,
    IMAGEFS_AVAILABLE,
    IMAGEFS_INODES_FREE,
    PID_AVAILABLE,
)
OF_NODEFS = (NODEFS_AVAILABLE, NODEFS_INODES_FREE)
OF_IMAGEFS = (IMAGEFS_AVAILABLE, IMAGEFS_INODES_FREE)
DEFAULTS: Mapping[str, str] = {
    MEMORY_AVAILABLE: "100Mi",
    NODEFS_AVAILABLE: "10%",
    NODEFS_INODES_FREE: "5%",
    IMAGEFS_AVAILABLE: "15%",
    IMAGEFS_INODES_FREE: "5%",
    PID_AVAILABLE: "5%",
}
PERCENT_MAX = 100.0


@dataclass(frozen=True, slots=True)
class Threshold:
    """Of a signal: an `amount`, or a `percentage` of what there is."""

    signal: str
    amount: int = 0
    percentage: float = 0.0

    def of(self, capacity: int) -> int:
        """Return the amount below which the threshold is met."""
        return int(capacity * self.percentage / PERCENT_MAX) if self.percentage else self.amount


def parse(signal: str, text: str) -> Threshold | None:
    """Return the threshold that `text` writes, None where it switches the signal off ("0", "0%" or "100%").

    Raises `ValueError` saying what is allowed.
    """
    allowed = f'{signal}: a quantity such as "100Mi", a percentage such as "10%", or "0" for none'
    if signal not in SIGNALS:
        raise ValueError(f"the signals {', '.join(SIGNALS)}")
    is_share = text.endswith("%")
    try:
        value = float(text.removesuffix("%")) if is_share else quantity.to_int(text)
    except (InvalidError, ValueError):
        raise ValueError(allowed) from None
    if not 0 <= value <= (PERCENT_MAX if is_share else math.inf):
        raise ValueError(allowed)
    if not value or (is_share and value == PERCENT_MAX):
        return None
    return Threshold(signal, percentage=value) if is_share else Threshold(signal, int(value))


def read(texts: Mapping[str, str]) -> tuple[Threshold, ...]:
    """Return the thresholds of a configuration that was checked, memory's first: it is the most urgent."""
    found = (parse(signal, texts[signal]) for signal in SIGNALS if signal in texts)
    return tuple(each for each in found if each is not None)
