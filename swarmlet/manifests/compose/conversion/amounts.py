"""Times and amounts as manifests write them: whole seconds, thousandths of a core, bytes."""

from __future__ import annotations

import math
from datetime import timedelta

_UNITS = (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))


def seconds(duration: timedelta | None, default: int = 0, least: int = 0) -> int:
    """Return whole seconds, rounded up, and not under `least`; `default` where nothing is said."""
    return default if duration is None else max(least, math.ceil(duration.total_seconds()))


def cores(cpus: float) -> str:
    """Return an amount of CPU: thousandths of a core, at least one."""
    millis = max(1, math.ceil(round(cpus * 1000, 6)))
    return str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def size(amount_bytes: int) -> str:
    """Return an amount of bytes in the largest unit that tells it exactly."""
    return next(
        (f"{amount_bytes // unit}{name}" for name, unit in _UNITS if amount_bytes % unit == 0), str(amount_bytes)
    )
