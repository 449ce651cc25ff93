"""The short form of `make bench PARTS=endpoints`: a Pod's readiness is soon in force on every node."""

from __future__ import annotations

import asyncio

import pytest

from tools.bench import endpoints
from tools.bench.report import Report
from tools.lab.cluster import Cluster

pytestmark = pytest.mark.alone

SERVICES = 20
CHANGES = 20
MEDIAN_MILLISECONDS_MAX = 1000
"""`make bench` holds a quiet machine to far less; this one may be busy."""


def test_every_node_meets_a_change_of_readiness_soon(cluster: Cluster) -> None:
    report = Report()
    asyncio.run(endpoints.measure(report, cluster, services=SERVICES, changes=CHANGES))
    [(measured, ours, beside, _, _)] = report.rows
    assert measured == "readiness to the last of 3 nodes, 20 Services"
    assert f"{CHANGES} changes" in beside
    assert float(ours.split()[0]) < MEDIAN_MILLISECONDS_MAX
