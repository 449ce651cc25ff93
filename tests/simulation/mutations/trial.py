"""Run in a process of its own, on a copy of the package: `python -m tests.simulation.mutations.trial core 0,1,2`.

Runs these seeds until one finds something, and prints what, as one line of JSON: the seed and the finding, or neither.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from tests.simulation.mutations.mutation import World

BROKEN = (NameError, ImportError, SyntaxError, AttributeError)
"""An edit that cannot run at all is no bug put back, but a defect of the list."""


def _core() -> Callable[[int], object]:
    from tests.raft.test_random_faults import run_seed  # noqa: PLC0415  each world needs other things

    return run_seed


def _consensus() -> Callable[[int], object]:
    from tests.simulation.simulation import Simulation  # noqa: PLC0415

    def run(seed: int) -> None:
        violation = Simulation(seed).run().violation
        if violation:
            raise violation

    return run


def _test(name: str) -> Callable[[int], object]:
    import pytest  # noqa: PLC0415

    def run(_seed: int) -> None:
        ended = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", name])
        if ended is pytest.ExitCode.TESTS_FAILED:
            raise AssertionError(f"{name} fails")
        if ended is not pytest.ExitCode.OK:
            raise ImportError(f"{name}: {ended}")

    return run


def main() -> None:
    world, seeds, test = World(sys.argv[1]), map(int, sys.argv[2].split(",")), sys.argv[3]
    run = {World.CORE: _core, World.CONSENSUS: _consensus, World.TEST: lambda: _test(test)}[world]()
    for seed in seeds:
        try:
            run(seed)
        except BROKEN:
            raise
        except BaseException as finding:
            if isinstance(finding, KeyboardInterrupt):
                raise
            sys.stdout.write(json.dumps({"seed": seed, "finding": f"{type(finding).__name__}: {finding}"}) + "\n")
            return
    sys.stdout.write(json.dumps({"seed": None, "finding": ""}) + "\n")


if __name__ == "__main__":
    main()
