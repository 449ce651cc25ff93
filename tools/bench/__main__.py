"""Run measurements and print them beside peer, floor and target: all of them, or the parts that are named.

python -m tools.bench [consensus large boot reconcile placement memory hollow network
    api failover footprint workloads endpoints kubernetes]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable

from tools.bench import (
    boot,
    consensus,
    endpoints,
    failover,
    footprint,
    hollow,
    large,
    memory,
    network,
    placement,
    reconcile,
    workloads,
    writes,
)
from tools.bench.failures import FAILURES
from tools.bench.kubernetes import parts as kubernetes
from tools.bench.report import Report
from tools.lab import Lab
from tools.lab.cluster import Cluster

ALONE: dict[str, Callable[[Report], Awaitable[None]]] = {
    "consensus": consensus.measure,
    "large": large.measure,
    "boot": boot.measure,
    "reconcile": reconcile.measure,
    "placement": placement.measure,
    "memory": memory.measure,
    "hollow": hollow.measure,
    "network": network.measure,
}
ON_A_LAB: dict[str, Callable[[Report, Cluster], Awaitable[None]]] = {
    "footprint": footprint.report,
    "api": writes.measure,
    "failover": failover.measure,
    "workloads": workloads.measure,
    "endpoints": endpoints.measure,
    "kubernetes": kubernetes.measure,
}
WITH_ENGINES = {"footprint", "workloads", "endpoints"}


def main() -> int:
    """Measure and print; exit 1 where a target is missed, 2 where something could not be measured."""
    arguments = _arguments()
    parts = arguments.parts or [*ALONE, *ON_A_LAB]
    report = Report()
    for part in parts:
        if part in ALONE:
            _run(report, part, ALONE[part](report))
    if wanted := [part for part in parts if part in ON_A_LAB]:
        try:
            _on_a_lab(report, wanted, arguments)
        except FAILURES as error:
            report.fail("the machines", error)
    report.print()
    return 2 if report.failed else 0 if report.is_met else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench")
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[[], *ALONE, *ON_A_LAB], help="default: all")
    parser.add_argument("--lab", default="bench", help="the lab's name, where another one runs on this machine")
    parser.add_argument("--subnet", default="10.77.9.0/24", help="the lab's subnet")
    return parser.parse_args()


def _on_a_lab(report: Report, parts: list[str], arguments: argparse.Namespace) -> None:
    engines = bool(WITH_ENGINES.intersection(parts))
    with Lab(arguments.lab, count=3, subnet=arguments.subnet, docker=engines) as lab:
        cluster = Cluster(lab, {} if engines else {"runtime": "process"})
        cluster.form()
        for part in parts:
            _run(report, part, ON_A_LAB[part](report, cluster))


def _run(report: Report, part: str, measuring: Awaitable[None]) -> None:
    async def measured() -> None:
        await measuring

    start = time.monotonic()
    with contextlib.closing(asyncio.Runner()) as runner:
        try:
            runner.run(measured())
        except FAILURES as error:
            report.fail(part, error)
    print(f"bench: {part} took {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
