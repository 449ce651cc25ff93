"""`python -m tests.simulation.mutations [NAME ...]`: look for each bug from seed 0 on, and say which seed found it."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.simulation.mutations import catalogue
from tests.simulation.mutations.mutation import Mutation, MovedError
from tests.simulation.mutations.workshop import BrokenError, Found, try_seeds

JOBS = 2


def _look_for(mutation: Mutation) -> Found:
    with tempfile.TemporaryDirectory(prefix="swarmlet-mutation-") as folder:
        try:
            return try_seeds(mutation.world, 0, mutation.seeds_max, folder=Path(folder), mutation=mutation)
        except (BrokenError, MovedError) as error:
            return Found(None, str(error))


def main() -> int:
    """Return how many bugs were not found within their seeds."""
    wanted = set(sys.argv[1:])
    mutations = [each for each in catalogue.ALL if not wanted or each.name in wanted]
    seeds, missed = catalogue.read_seeds(), 0
    with ThreadPoolExecutor(JOBS) as jobs:
        for mutation, found in zip(mutations, jobs.map(_look_for, mutations), strict=True):
            if found.seed is None:
                missed += 1
                seeds.pop(mutation.name, None)
            else:
                seeds[mutation.name] = found.seed
            outcome = "NOT FOUND" if found.seed is None else f"seed {found.seed:3}"
            words = (found.finding or f"nothing in {mutation.seeds_max} seeds").splitlines()[-1][:110]
            sys.stdout.write(f"{mutation.name:42} {mutation.world.value:10} {outcome:9}  {words}\n")
            sys.stdout.flush()
    catalogue.write_seeds({each.name: seeds[each.name] for each in catalogue.ALL if each.name in seeds})
    sys.stdout.write(f"{len(mutations) - missed} of {len(mutations)} found\n")
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
