"""What an evaluation may cost: so many steps, and no more."""

from __future__ import annotations

from typing import Any

from swarmlet.model.cel.errors import BudgetError
from swarmlet.model.cel.values import Optional

PARTS_PER_STEP = 10
"""What a function looks at or makes is paid by this many letters."""
PARTS_PER_ITEM = 5
"""An item or entry takes as long as so many letters."""


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
            if isinstance(value, str | bytes | list | dict | Optional):
                self.spend(_parts(value, (self.left + 1) * PARTS_PER_STEP) // PARTS_PER_STEP)


def _parts(value: Any, most: int) -> int:
    """Return how much there is to look at in a value: letters, items, entries; little more is counted than `most`.

    A list may hold another one many times, and that a third: gone through, they are larger than any memory.
    """
    parts, pending = 0, [value]
    while pending and parts < most:
        each = pending.pop()
        if isinstance(each, str | bytes):
            parts += len(each)
        elif isinstance(each, list | dict):
            parts += len(each) * PARTS_PER_ITEM
            pending += each.values() if isinstance(each, dict) else each
        else:
            parts += 1
            if isinstance(each, Optional):
                pending.append(each.value)
    return parts
