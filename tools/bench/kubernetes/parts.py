"""All that is measured of the Kubernetes API, in one order."""

from __future__ import annotations

from tools.bench.kubernetes import reads
from tools.bench.report import Report
from tools.lab.cluster import Cluster


async def measure(report: Report, cluster: Cluster) -> None:
    """Measure lists and documents."""
    await reads.measure(report, cluster)
