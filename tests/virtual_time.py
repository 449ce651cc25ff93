"""Virtual time: an event loop whose clock jumps to what is due next, so that nothing waits and all repeats.

For tests of one process; `tests.simulation` has processes of their own, each on its own clock, on the same idea.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
THREAD_SECONDS_MAX = 20.0
"""Real time that a thread may take while nothing else is due."""


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for time to pass, lets it have passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None:
            self.now += max(timeout, 0)
            return super().select(0)
        found = super().select(THREAD_SECONDS_MAX)
        if not found:
            raise RuntimeError("deadlock: nothing is due, ever")
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)
        self._default_executor = AtOnce()  # time would jump while a thread is at work

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """The clock of the loop that runs."""

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_event_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class AtOnce(Executor):
    """Does the work while it is handed over: no thread, no surprise."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  the future raises it
            future.set_exception(error)
        return future


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run `main` on virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
