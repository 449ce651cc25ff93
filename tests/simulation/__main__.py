"""`python -m tests.simulation`: run seeds, and make the first that fails short; or replay one."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulation import faults
from tests.simulation.scenarios import BY_NAME
from tests.simulation.shrinking import Shrinker
from tests.simulation.simulation import Report

TRACE_LINES = 60


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    if options.replay or options.seed is not None:
        return _replay(options)
    return _campaign(options)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--scenario", choices=sorted(BY_NAME), default="consensus")
    parser.add_argument("--seed", type=int, help="run one seed and print its trace")
    parser.add_argument("--replay", type=Path, help="run the seed and plan of a file, and print the trace")
    parser.add_argument("--shrink-seconds", type=float, default=120.0, help="how long to look for a shorter plan")
    return parser.parse_args(arguments)


# Many seeds.


def _campaign(options: argparse.Namespace) -> int:
    started = time.monotonic()
    figures: Counter[str] = Counter()
    done = 0
    for report in _reports(options):
        done += 1
        figures.update(report.figures)
        if report.violation:
            _explain(options, report)
            return 1
        if done % 100 == 0:
            print(f"{done} seeds, {done / (time.monotonic() - started):.2f} a second", flush=True)
    seconds = time.monotonic() - started
    print(f"{done} seeds, all promises kept; {done / seconds:.2f} seeds/s on {options.jobs} processes")
    print("  ".join(f"{name} {count}" for name, count in figures.items()))
    return 0


def _reports(options: argparse.Namespace) -> Iterator[Report]:
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    names = [options.scenario] * len(seeds)
    if options.jobs == 1:
        yield from map(_run_seed, names, seeds)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        try:
            yield from pool.map(_run_seed, names, seeds)
        finally:
            pool.shutdown(cancel_futures=True)


def _run_seed(name: str, seed: int) -> Report:
    scenario = BY_NAME[name]
    report = scenario.run(seed, scenario.draw(seed))
    if not report.violation:
        report.trace.clear()  # megabytes, between processes
    return report


# One that fails.


def _explain(options: argparse.Namespace, report: Report) -> None:
    """Print what a reader needs to find the cause: the shortest plan, its trace, and how to see it again."""
    print(f"seed {report.seed} breaks a promise: {report.violation}\nlooking for a shorter plan ...", flush=True)
    shrinker = Shrinker(BY_NAME[options.scenario], report, seconds_max=options.shrink_seconds)
    shortest = shrinker.shrink()
    path = Path(tempfile.gettempdir()) / f"swarmlet-{options.scenario}-{report.seed}.plan"
    path.write_text(f"seed {report.seed}\n{shortest.plan}\n", encoding="utf-8")
    print(f"\nseed:    {report.seed}")
    print(f"commit:  {_commit()}")
    print(f"promise: {shortest.violation}")
    print(f"plan, of {len(report.plan.faults)} faults, after {shrinker.attempts} attempts:\n{shortest.plan}")
    print(f"trace, its last {TRACE_LINES} lines:")
    print("\n".join(shortest.trace[-TRACE_LINES:]))
    print(f"\nreplay:  python -m tests.simulation --scenario {options.scenario} --replay {path}")


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return found.stdout.strip() if found.returncode == 0 else "not a checkout"


def _replay(options: argparse.Namespace) -> int:
    scenario = BY_NAME[options.scenario]
    seed, plan = options.seed, None
    if options.replay:
        head, _, text = options.replay.read_text(encoding="utf-8").partition("\n")
        seed, plan = int(head.removeprefix("seed ")), faults.parse(text)
    report = scenario.run(seed, plan or scenario.draw(seed))
    print(f"seed {seed}\n{report.plan}\n")
    print("\n".join(report.trace))
    return 1 if report.violation else 0


if __name__ == "__main__":
    sys.exit(main())
