"""One look at all Pods that wait for a node, in as many steps as it takes.

Who was told in one step why it goes on waiting is passed over in the next ones, so those behind it get their turn too
although each step begins with the first of all.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from swarmlet.store.commands import Key

BREATH_SECONDS = 0.02
"""Between two steps of which the first wrote nothing: whoever shares the event loop gets it for so long."""


class Sweep:
    """What was looked at since it began; once it is over the next one begins."""

    def __init__(self) -> None:
        self._told: set[Key] = set()
        self._is_long = False
        self._is_stale = False
        self._due: datetime | None = None

    def begin(self) -> None:
        """Forget what was looked at."""
        self._told = set()
        self._is_long = self._is_stale = False
        self._due = None

    def note_change(self) -> None:
        """Note that something changed which may matter to those who were told before."""
        self._is_stale = True

    def passes_over(self, pod: Key) -> bool:
        """Whether a Pod was told in a step before."""
        return pod in self._told

    def tell(self, pod: Key) -> None:
        """Note that a Pod was told why it goes on waiting, and need not be looked at in this sweep again."""
        self._told.add(pod)

    def look_again(self, at: datetime) -> None:
        """Note when a Pod is to be looked at again, though nothing changes."""
        self._due = at if self._due is None else min(at, self._due)

    def end_step(
        self, waiting: AbstractSet[Key], answered: AbstractSet[Key], now: datetime, *, wrote: bool
    ) -> float | None:
        """Return in how many seconds the next step is to follow, or the next sweep; None where nothing is to.

        `answered` are the Pods that this step was about. What was written in several steps may not have taken effect,
        and what changed meanwhile may matter to the first: then all are looked at again.
        """
        if not waiting <= answered | self._told:
            self._is_long = True
            self._is_stale |= wrote
            return 0.0 if wrote else BREATH_SECONDS
        is_to_follow, due = self._is_long and (wrote or self._is_stale), self._due
        self.begin()
        if is_to_follow:
            return 0.0 if wrote else BREATH_SECONDS
        return max(timedelta(), due - now).total_seconds() if due else None
