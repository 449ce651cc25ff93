"""All that is measured of the Kubernetes API, in one order, each part in its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tools.bench.failures import FAILURES
from tools.bench.kubernetes import creates, reads, watches
from tools.bench.report import Report
from tools.lab.cluster import Cluster


@dataclass(frozen=True)
class Part:
    """One of the measurements, and how long it may take."""

    name: str
    measure: Callable[[Report, Cluster], Awaitable[None]]
    seconds_max: float


PARTS = (
    Part("idle watches", watches.measure_idle, 150.0),  # first: what lists leave free would hide what watches take
    Part("lists and documents", reads.measure, 240.0),
    Part("watches", watches.measure, 180.0),
    Part("creates", creates.measure, 180.0),
)


async def measure(report: Report, cluster: Cluster, parts: Sequence[Part] = PARTS) -> None:
    """Measure each; what one fails of, or takes too long for, leaves the figures of the others."""
    for part in parts:
        try:
            async with asyncio.timeout(part.seconds_max):
                await part.measure(report, cluster)
        except FAILURES as error:
            report.fail(part.name, error)
