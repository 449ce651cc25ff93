"""What an evaluation may cost: so many steps, and no more."""

from __future__ import annotations

from typing import Any

from swarmlet.model.cel.errors import BudgetError

PARTS_PER_STEP = 10
"""What a function looks at or makes is paid by this many letters, items and entries."""


class Budget:
    """Steps that are left. `spend` raises `BudgetError` where they do not suffice."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Pay for so many steps."""
        self.left -= steps
        if self.left < 0:
            raise BudgetError

    def spend_for(self, *values: Any) -> None:
        """Pay for looking at values, each all through."""
        for value in values:
            if isinstance(value, str | bytes | list | dict):
                self.spend(_parts(value) // PARTS_PER_STEP)


def _parts(value: Any) -> int:
    """Return how much there is to look at in a value: letters, items, entries."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list):
        return len(value) + sum(map(_parts, value))
    if isinstance(value, dict):
        return len(value) + sum(map(_parts, value.values()))
    return 1
