"""What a mutation is: one bug, as an exact edit of one file."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class World(enum.Enum):
    """Where a bug must show; the value is what the reports call it."""

    CORE = "core"
    """Cores in memory: `tests/raft/test_random_faults.py`. Tens of schedules a second."""
    CONSENSUS = "consensus"
    """The driver and the real disk code on fake files: `tests/simulation/simulation.py`."""
    TEST = "test"
    """One test, which the entry names."""


SEEDS_MAX = {World.CORE: 100, World.CONSENSUS: 60, World.TEST: 1}
"""Within how many seeds a bug must be found where its entry does not say otherwise."""


class MovedError(Exception):
    """The text that a mutation edits is not there, or not only once: the entry must follow the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """`old` stands exactly once in `file` (from `swarmlet/` on) and becomes `new`; `source` is what it puts back."""

    name: str
    source: str
    file: str
    old: str
    new: str
    world: World = World.CORE
    within: int = 0
    test: str = ""

    @property
    def seeds_max(self) -> int:
        return self.within or SEEDS_MAX[self.world]

    def edit(self, text: str) -> str:
        """Return the file's text with the bug in it."""
        found = text.count(self.old)
        if found != 1:
            raise MovedError(
                f"mutation {self.name}: the text that it edits stands {found} times in swarmlet/{self.file}; "
                "let the entry follow the code"
            )
        return text.replace(self.old, self.new)
