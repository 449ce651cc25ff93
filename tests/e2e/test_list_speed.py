"""The short form of `make bench PARTS=kubernetes`: lists are whole in every form, cost little and hold nobody up."""

from __future__ import annotations

import asyncio

import pytest

from tools.bench.kubernetes import reads
from tools.bench.report import Report
from tools.lab.cluster import Cluster

pytestmark = pytest.mark.alone

PODS = 300
SECONDS = 0.3


def test_lists_of_pods_cost_little_and_hold_nobody_up(cluster: Cluster) -> None:
    report = Report()
    asyncio.run(reads.measure(report, cluster, count=PODS, seconds=SECONDS))
    assert report.missed == []
    told = {measured: beside for measured, _, beside, _, _ in report.rows}
    assert {f"{PODS} Pods {case.name}" for case in reads.CASES} <= set(told)
    assert "not changed: " in told[f"aggregated discovery, {reads.CLIENTS} clients"]
