"""How many connections there may be at a time, in all."""

from __future__ import annotations

import resource
from collections.abc import Callable

CONNECTIONS_MAX = 20_000
FILES_KEPT = 512
"""Of the files that the process may open: for all else that a daemon does."""


class Places:
    """A bound that all fronts share. Who finds it full waits in the kernel's queue until somebody goes."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit or _limit()
        self._taken = 0
        self._waiting: list[Callable[[], None]] = []

    @property
    def is_full(self) -> bool:
        return self._taken >= self.limit

    def take(self) -> None:
        """Count one more."""
        self._taken += 1

    def give_back(self) -> None:
        """Count one less, and call who waits."""
        self._taken -= 1
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def wait(self, wake: Callable[[], None]) -> None:
        """Call `wake` once, when there is room again."""
        self._waiting.append(wake)


def _limit() -> int:
    """Return how many connections the process has files for, at two each."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(CONNECTIONS_MAX, (soft - FILES_KEPT) // 2))
