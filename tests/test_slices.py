"""Long work in slices."""

from __future__ import annotations

import asyncio
import itertools

from swarmlet import slices
from swarmlet.clock import SystemClock

LOOKS_A_SLICE = 5


class Stepping(SystemClock):
    """A clock of which some time goes by whenever it is looked at."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += slices.SLICE_SECONDS / LOOKS_A_SLICE
        return self.seconds


def test_others_have_the_loop_after_each_slice() -> None:
    turns = []

    async def other() -> None:
        while True:
            turns.append(len(done))
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(other())
        await slices.work_through((done.append(number) for number in range(100)), Stepping())
        task.cancel()

    done: list[int] = []
    asyncio.run(main())
    assert len(done) == 100
    gaps = [after - before for before, after in itertools.pairwise(turns)]
    assert gaps
    assert max(gaps) <= LOOKS_A_SLICE + 1
