"""All mutations, the first seed that finds each, and the page that lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.simulation.mutations.consensus_mutations import CONSENSUS
from tests.simulation.mutations.core_mutations import CORE
from tests.simulation.mutations.mutation import Mutation, World
from tests.simulation.mutations.tested_mutations import TESTED

ALL = (*CORE, *CONSENSUS, *TESTED)
SEEDS = Path(__file__).with_name("seeds.json")
PAGE = Path(__file__).parents[3] / "docs" / "mutations.md"

_HEAD = """\
# Bugs put back on purpose

A simulator that finds nothing proves little, unless it is known to find what is there. So the bugs of the Raft
libraries that made us write our own, and every pitfall of the design, are put back one at a time as an exact edit of
the source; each must be found within so many seeds. `make test` runs each at the seed that was the first to find it,
and that seed without the bug; `make mutations` looks for all of them from seed 0 on and writes this page anew.

*core*: cores in memory under random schedules (`tests/raft/test_random_faults.py`). *consensus*: the driver and the
real disk code on simulated files, clocks and links (`tests/simulation`). *test*: no broken promise, or below what is
simulated; one test that the entry names.

| Mutation | Puts back | World | Found at seed | Within |
|---|---|---|---:|---:|
"""


def read_seeds() -> dict[str, int]:
    """Return, by a mutation's name, the seed that was the first to find it."""
    return json.loads(SEEDS.read_text(encoding="utf-8")) if SEEDS.exists() else {}


def record(found: Mapping[str, int | None]) -> None:
    """Keep what was found, forget what was not, and write the page anew."""
    seeds = read_seeds() | found
    kept = {each.name: seed for each in ALL if (seed := seeds.get(each.name)) is not None}
    SEEDS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")


def page(seeds: Mapping[str, int]) -> str:
    """Return the text of docs/mutations.md."""
    return _HEAD + "".join(_row(each, seeds.get(each.name)) for each in ALL)


def _row(mutation: Mutation, seed: int | None) -> str:
    if mutation.world is World.TEST:
        return f"| {mutation.name} | {mutation.source} | test | | |\n"
    return f"| {mutation.name} | {mutation.source} | {mutation.world.value} | {seed} | {mutation.seeds_max} |\n"
