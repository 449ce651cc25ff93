"""`python -m tests.simulation.mutations [NAME ...]`: look for each bug from seed 0 on, and say which seed found it."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.simulation.mutations import catalogue
from tests.simulation.mutations.mutation import MovedError, Mutation
from tests.simulation.mutations.workshop import BrokenError, Found, try_seeds

JOBS = 2
WORDS_MAX = 110


def _look_for(mutation: Mutation) -> Found:
    with tempfile.TemporaryDirectory(prefix="swarmlet-mutation-") as folder:
        try:
            return try_seeds(mutation.world, range(mutation.seeds_max), folder=Path(folder), mutation=mutation)
        except (BrokenError, MovedError) as error:
            return Found(None, str(error))


def _tell(mutation: Mutation, found: Found) -> None:
    outcome = "NOT FOUND" if found.seed is None else f"seed {found.seed:4}"
    words = (found.finding or f"nothing in {mutation.seeds_max} seeds").splitlines()[-1][:WORDS_MAX]
    sys.stdout.write(f"{mutation.name:42} {mutation.world.value:10} {outcome:9}  {words}\n")
    sys.stdout.flush()


def main() -> int:
    """Return 1 where a bug was not found within its seeds."""
    wanted = set(sys.argv[1:])
    mutations = [each for each in catalogue.ALL if not wanted or each.name in wanted]
    found: dict[str, int | None] = {}
    with ThreadPoolExecutor(JOBS) as jobs:
        for mutation, result in zip(mutations, jobs.map(_look_for, mutations), strict=True):
            found[mutation.name] = result.seed
            _tell(mutation, result)
    catalogue.record(found)
    missed = sum(seed is None for seed in found.values())
    sys.stdout.write(f"{len(found) - missed} of {len(found)} bugs found\n")
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
