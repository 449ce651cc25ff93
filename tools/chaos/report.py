"""Tells what a campaign came to, in words and as JSON."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tools.chaos.campaign import Outcome
from tools.chaos.history import End, Operation
from tools.chaos.nemesis import Ordeal


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch without an acknowledged write, and what was going on when it began."""

    seconds: float
    during: str


def document(outcome: Outcome) -> dict[str, Any]:
    """Return everything as JSON's types."""
    writes = Counter(str(each.end) for each in outcome.history.operations if each.is_write)
    reads = sum(1 for each in outcome.history.operations if not each.is_write and each.end is End.DONE)
    acknowledged = sorted(each.ended for each in outcome.history.operations if _acknowledged(each))
    moments = [outcome.started, *acknowledged, outcome.ended]
    overall, quorate = outages(moments, outcome.nemesis.ordeals)
    gauges = outcome.gauges
    return {
        "seed": outcome.seed,
        "machines": outcome.machines,
        "seconds": round(outcome.ended - outcome.started, 1),
        "faults": dict(sorted(outcome.nemesis.counts.items())),
        "trials": [ordeal.hit for ordeal in outcome.nemesis.ordeals],
        "clock_jumps_possible": outcome.faults.has_clocks,
        "corrupt_databases_refused": outcome.faults.refusals,
        "writes": {str(end): writes[end] for end in End},
        "reads": reads,
        "lost": len(outcome.verdict.lost),
        "watch_events": sum(len(sighting.events) for sighting in outcome.history.sightings),
        "watches_resumed": sum(watcher.resumed for watcher in outcome.watchers),
        "watches_relisted": sum(watcher.relisted for watcher in outcome.watchers),
        "gaps": len(outcome.verdict.gaps),
        "longest_outage": {"seconds": round(overall.seconds, 2), "during": overall.during},
        "longest_outage_with_a_quorum": {"seconds": round(quorate.seconds, 2), "during": quorate.during},
        "elections": gauges.elections,
        "snapshots_taken": gauges.totals["snapshots_taken"],
        "snapshots_installed": gauges.totals["snapshots_installed"],
        "findings": outcome.findings,
    }


def words(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the report for a person."""
    writes, longest, quorate = report["writes"], report["longest_outage"], report["longest_outage_with_a_quorum"]
    yield f"seed {report['seed']}, {report['machines']} machines, {report['seconds']:.0f} s"
    yield f"faults injected          {sum(report['faults'].values())}"
    yield from (f"  {count:4}  {kind}" for kind, count in report["faults"].items())
    if not report["clock_jumps_possible"]:
        yield "  no clock jumps: libfaketime is not installed (make engine)"
    yield f"  {report['corrupt_databases_refused']} corrupt databases were refused, and their machines joined anew"
    yield f"writes acknowledged      {writes['done']} (refused {writes['refused']}, unknown {writes['unknown']})"
    yield f"lost                     {report['lost']}"
    yield f"linearizable reads       {report['reads']}"
    watches = f"{report['watches_resumed']} resumed, {report['watches_relisted']} lists anew after 410"
    yield f"watch events             {report['watch_events']} ({watches})"
    yield f"gaps                     {report['gaps']}"
    yield f"longest unavailability   {longest['seconds']} s ({longest['during']})"
    yield f"  while a quorum was up  {quorate['seconds']} s ({quorate['during']})"
    yield f"elections                {report['elections']}"
    yield f"snapshots taken          {report['snapshots_taken']} ({report['snapshots_installed']} installed from peers)"
    yield from (f"FOUND  {finding}" for finding in report["findings"])


def outages(moments: Sequence[float], ordeals: Sequence[Ordeal]) -> tuple[Outage, Outage]:
    """Return the longest stretch between two moments of acknowledgement, and the longest while there was a quorum.

    Where a trial took the quorum away, the latter counts from when that was mended.
    """
    overall = quorate = Outage(0, "never")
    for before, after in itertools.pairwise(moments):
        if after - before <= min(overall.seconds, quorate.seconds):
            continue
        ordeal = _ordeal_at(ordeals, before, after)
        during = ordeal.hit if ordeal else "no fault"
        overall = max(overall, Outage(after - before, during), key=lambda outage: outage.seconds)
        seconds = after - (before if ordeal is None or ordeal.trial.keeps_quorum else max(before, ordeal.mended))
        quorate = max(quorate, Outage(seconds, during), key=lambda outage: outage.seconds)
    return overall, quorate


def _acknowledged(operation: Operation) -> bool:
    return operation.is_write and operation.end is End.DONE


def _ordeal_at(ordeals: Sequence[Ordeal], before: float, after: float) -> Ordeal | None:
    """Return the last trial that had begun by the end of the stretch and was not over at its start."""
    return next((one for one in reversed(ordeals) if one.struck <= after and one.recovered >= before), None)
