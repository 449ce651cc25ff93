"""A bound on guessing: who failed often lately must wait, whatever it sends now."""

from __future__ import annotations

from collections import OrderedDict, deque

from swarmlet.errors import BusyError

FAILURES_MAX = 10
WINDOW_SECONDS = 60.0
ADDRESSES_MAX = 1_024


class Attempts:
    """Failed attempts of late, by the address they came from; the address longest quiet is forgotten first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str, now: float) -> None:
        """Raise `BusyError` for an address with too many failures in the window. `now` is monotonic seconds."""
        failures = self._failures.get(address, ())
        if sum(1 for moment in failures if now - moment < WINDOW_SECONDS) >= FAILURES_MAX:
            raise BusyError(f"too many failed attempts from {address}; wait {WINDOW_SECONDS:.0f} s and try again")

    def failed(self, address: str, now: float) -> None:
        """Remember a failure."""
        self._failures.setdefault(address, deque(maxlen=FAILURES_MAX)).append(now)
        self._failures.move_to_end(address)
        while len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
