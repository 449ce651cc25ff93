"""All that is measured of the Kubernetes API, in one order."""

from __future__ import annotations

from tools.bench.kubernetes import creates, reads, watches
from tools.bench.report import Report
from tools.lab.cluster import Cluster


async def measure(report: Report, cluster: Cluster) -> None:
    """Measure lists and documents, watches, and creates."""
    await reads.measure(report, cluster)
    await watches.measure(report, cluster)
    await creates.measure(report, cluster)
