"""`make chaos`: run a campaign, print its report, exit 1 and keep the evidence where anything was found."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tools.chaos import report
from tools.chaos.campaign import SETTINGS, Campaign, Outcome
from tools.lab import Lab, LabError
from tools.lab.cluster import Cluster

LAB = "chaos"
SUBNET = "10.77.35.0/24"
DISK_MEBIBYTES = 96
MACHINES = 5


def main() -> int:
    """Read the arguments, run, report."""
    given = _arguments()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"chaos: seed {seed}, {given.machines} machines, {given.minutes:g} minutes", flush=True)
    try:
        told = run(seed=seed, machines=given.machines, minutes=given.minutes, keep=given.keep)
    except LabError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 2
    if given.json:
        given.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print("\n".join(report.words(told)))
    return 1 if told["findings"] else 0


def run(
    *, seed: int, machines: int, minutes: float, lab: str = LAB, subnet: str = SUBNET, keep: bool = False
) -> dict[str, Any]:
    """Run one campaign on a lab of its own and return its report.

    The evidence is kept where anything was found, or where `keep`.
    """
    begun = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - begun:6.1f}  {line}", flush=True)

    with Lab(lab, count=machines, subnet=subnet, docker=False, disk_mebibytes=DISK_MEBIBYTES) as made:
        cluster = Cluster(made, SETTINGS)
        outcome = asyncio.run(Campaign(cluster, seed=seed, seconds=minutes * 60, tell=tell).run())
        told = report.document(outcome)
        if told["findings"] or keep:
            tell(f"the evidence is in {_keep(cluster, outcome, told)}")
    return told


def _keep(cluster: Cluster, outcome: Outcome, told: dict[str, Any]) -> Path:
    """Copy the daemons' logs, the history and the report to a folder that stays."""
    folder = Path(tempfile.mkdtemp(prefix="swarmlet-chaos-"))
    for daemon in cluster:
        if daemon.log.exists():
            shutil.copy(daemon.log, folder / f"{daemon.name}.log")
    outcome.history.write(folder / "history.jsonl")
    (folder / "report.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return folder


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description="Torment real daemons and count what is lost.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, help="draws the same faults again (default: another each time)")
    parser.add_argument("--machines", type=int, default=MACHINES, choices=(3, 5, 7))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    parser.add_argument("--keep", action="store_true", help="keep the evidence though nothing is found")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
