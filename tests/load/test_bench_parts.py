"""The benchmark's own arithmetic: what one part fails of leaves the others' figures, and both clocks of an event."""

from __future__ import annotations

import asyncio
from typing import cast

from tests.virtual_time import run
from tools.bench.kubernetes import parts, readers
from tools.bench.kubernetes.parts import Part
from tools.bench.report import Report
from tools.lab import LabError
from tools.lab.cluster import Cluster

NO_CLUSTER = cast(Cluster, None)
MS = 1_000_000


async def _good(report: Report, _cluster: Cluster) -> None:
    report.add("good", "1 ms")


async def _broken(report: Report, _cluster: Cluster) -> None:
    report.add("before it broke", "2 ms")
    raise LabError("no daemon answers")


async def _endless(_report: Report, _cluster: Cluster) -> None:
    await asyncio.Event().wait()


def test_a_part_that_fails_or_never_ends_leaves_the_figures_of_the_others() -> None:
    report = Report()
    wanted = (Part("broken", _broken, 1.0), Part("endless", _endless, 1.0), Part("good", _good, 1.0))
    run(parts.measure(report, NO_CLUSTER, wanted))
    assert [(row[0], row[2]) for row in report.rows] == [
        ("before it broke", ""),
        ("FAILED: broken", "no daemon answers"),
        ("FAILED: endless", "timed out"),
        ("good", ""),
    ]
    assert report.failed == ["broken", "endless"]


def test_an_event_is_timed_from_its_sending_and_from_the_answer_of_its_write() -> None:
    sent, answered = 1_000 * MS, 1_020 * MS
    arrivals = [(sent, sent + 50 * MS), (sent, sent + 10 * MS), (sent, sent + 40 * MS)]
    seen = readers.seen(arrivals, {sent: answered}, begun=3)
    assert (seen.events, seen.p50_ms, seen.max_ms, seen.begun) == (3, 40.0, 50.0, 3)
    assert (seen.p99_ms, seen.answered_p99_ms) == (40.0, 20.0)


def test_a_line_that_comes_before_the_answer_of_its_write_took_no_time() -> None:
    assert readers.seen([(5 * MS, 6 * MS)], {5 * MS: 9 * MS}, begun=1).answered_p99_ms == 0
