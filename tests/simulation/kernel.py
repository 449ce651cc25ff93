"""Virtual time: one queue of what happens when, one seed for every choice, one trace of what has happened.

Nothing waits: the time is at once that of the next event. Events of one instant come in an order that the seed draws.
Each process of a simulated machine has an event loop of its own (`ProcessLoop`), of which the kernel runs one turn at a
time; a process can thus be slow, late, paused or gone without any other noticing more than its silence.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import struct
import zlib
from asyncio import events
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from tests.virtual_time import EPOCH

TURN_SECONDS_MIN, TURN_SECONDS_MAX = 0.000_01, 0.000_2
"""What one turn of an event loop takes."""
RESOLUTION_SECONDS = 0.000_001
"""What is due so soon is due: local and global time are converted into each other."""

Callback = Callable[[], None]

_event = struct.Struct("dd")


class SimulationBug(Exception):  # noqa: N818  what it says
    """The simulator itself is wrong: no verdict on what it simulates."""


class Kernel:
    """Time, chance and the record of one run."""

    def __init__(self, seed: object) -> None:
        self.now = 0.0
        self.seed = seed
        self.rng = self.chance("kernel")
        self.events = 0
        self.trace: list[str] = []
        self._queue: list[tuple[float, float, int, Callback]] = []
        self._order = itertools.count()
        self._digest = 0

    def chance(self, purpose: str) -> random.Random:
        """Return a source of chance of its own, so that one subject's draws do not shift another's."""
        return random.Random(f"{self.seed}/{purpose}")

    # What will happen.

    def at(self, when: float, callback: Callback) -> None:
        """Let `callback` happen at `when`, or now where that is past."""
        heapq.heappush(self._queue, (max(when, self.now), self.rng.random(), next(self._order), callback))

    def after(self, seconds: float, callback: Callback) -> None:
        self.at(self.now + seconds, callback)

    def run(self, *, until: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Let everything happen up to the time `until`, or until `done`; return whether it is done."""
        while not done():
            if not self._queue or self._queue[0][0] > until:
                self.now = max(self.now, until)
                return done()
            self.now, tie, _, callback = heapq.heappop(self._queue)
            self.events += 1
            self._mix(tie)
            callback()
        return True

    # What has happened.

    def record(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.now:11.6f} {who:<8} {what}")

    def _mix(self, tie: float) -> None:
        """Let every event count in the digest: there are too many for the trace."""
        self._digest = zlib.crc32(_event.pack(self.now, tie), self._digest)

    @property
    def digest(self) -> str:
        """What the whole run so far comes down to: equal digests, equal runs."""
        return f"{self._digest:08x}"


class LocalClock:
    """One machine's clock, fast or slow, and set by people: a `swarmlet.clock.Clock`."""

    def __init__(self, kernel: Kernel, *, rate: float = 1.0, offset_seconds: float = 0.0) -> None:
        self._kernel = kernel
        self._rate = rate
        self._local, self._global = offset_seconds, kernel.now
        self._wall = 0.0

    def monotonic(self) -> float:
        return self._local + (self._kernel.now - self._global) * self._rate

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.monotonic() + self._wall)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def global_time(self, local: float) -> float:
        """Return when, in the kernel's time, this clock will show `local`."""
        return self._global + (local - self._local) / self._rate

    def set_rate(self, rate: float) -> None:
        """Run faster or slower from now on."""
        self._local, self._global, self._rate = self.monotonic(), self._kernel.now, rate

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; what is measured does not jump."""
        self._wall += seconds


class _Selector:
    """Stands where the event loop expects to wait for sockets: there are none."""

    def select(self, _timeout: float | None = None) -> tuple[()]:
        return ()

    def close(self) -> None:
        pass


class ProcessLoop(asyncio.BaseEventLoop):
    """The event loop of one process, on its machine's clock; the kernel gives it its turns."""

    def __init__(self, clock: LocalClock) -> None:
        super().__init__()
        self._clock = clock
        self._selector = _Selector()
        self._clock_resolution = RESOLUTION_SECONDS
        self.failures: list[BaseException] = []
        """What no task has taken care of."""
        self.set_exception_handler(self._note_failure)

    def time(self) -> float:
        return self._clock.monotonic()

    def turn(self) -> None:
        """Run what is ready and what is due."""
        events._set_running_loop(self)
        try:
            self._run_once()  # type: ignore[attr-defined]
        finally:
            events._set_running_loop(None)

    @property
    def next_turn(self) -> float | None:
        """The kernel's time at which something is due; None where nothing ever is."""
        if self._ready:  # type: ignore[has-type]
            return 0.0
        timers = self._scheduled  # type: ignore[has-type]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1  # type: ignore[has-type]
        return self._clock.global_time(timers[0]._when) if timers else None

    def _process_events(self, _events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _note_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or SimulationBug(context.get("message")))

    def __del__(self) -> None:
        """Never warn: a process that was killed closes nothing."""


@contextmanager
def running(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Make `loop` the one that runs, as code inside it sees it."""
    events._set_running_loop(loop)
    try:
        yield
    finally:
        events._set_running_loop(None)
