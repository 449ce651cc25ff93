"""One life of a daemon: an event loop, threads for the disk, and the ways it can be late, or end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any, Protocol

from tests.simulation.kernel import TURN_SECONDS_MAX, TURN_SECONDS_MIN, Kernel, LocalClock, ProcessLoop

HANDOVER_SECONDS = 0.000_02
"""From one thread to another."""


class Killed(BaseException):
    """The process died in the midst of a call; nothing of it may run on."""


class Lag(Protocol):
    """How long the calls of a piece of work have taken; asking sets it to zero."""

    def take_lag(self) -> float: ...


class Process:
    """What the kernel runs: turns of one event loop, while the process is alive and not paused.

    `stepped` is called after each turn, `ended` once if the main coroutine returns or raises by itself.
    """

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        clock: LocalClock,
        *,
        stepped: Callable[[], None] = lambda: None,
        ended: Callable[[BaseException | None], None] = lambda _error: None,
    ) -> None:
        self.kernel = kernel
        self.name = name
        self.loop = ProcessLoop(clock)
        self.alive = True
        self.resumes_at = 0.0
        self._stepped = stepped
        self._ended = ended
        self._turn_at: float | None = None
        self._rng = kernel.chance(f"turns of {name} from {kernel.now}")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._main: asyncio.Task[Any] | None = None

    # From outside.

    def start(self, main: Coroutine[Any, Any, Any]) -> None:
        self._main = self.spawn(main)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in the process."""
        task = self.loop.create_task(work)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        self.schedule()
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and task is not self._main:
            self.loop.failures.append(error)

    def post(self, callback: Callable[..., object], *arguments: object) -> None:
        """Let something reach the process from outside: a packet, the end of a disk's work."""
        if self.alive:
            self.loop.call_soon(callback, *arguments)
            self.schedule()

    def pause(self, seconds: float) -> None:
        """Nothing of the process runs for a while; then everything is late."""
        self.resumes_at = max(self.resumes_at, self.kernel.now + seconds)

    @property
    def is_paused(self) -> bool:
        return self.kernel.now < self.resumes_at

    def kill(self) -> None:
        """Die as by SIGKILL: no `finally` runs."""
        self.alive = False

    def unfinished(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that were under way when the process ended."""
        return sorted(asyncio.all_tasks(self.loop), key=asyncio.Task.get_name)

    # Turns.

    def schedule(self) -> None:
        """See to it that the process gets its next turn when it is due."""
        due = self.loop.next_turn
        if due is None or not self.alive:
            return
        pace = self._rng.uniform(TURN_SECONDS_MIN, TURN_SECONDS_MAX)
        when = max(due, self.kernel.now + pace, self.resumes_at)
        if self._turn_at is None or when < self._turn_at:
            self._turn_at = when
            self.kernel.at(when, lambda: self._take_turn(when))

    def _take_turn(self, when: float) -> None:
        if not self.alive or when != self._turn_at:
            return
        self._turn_at = None
        if not self.is_paused:
            self.loop.turn()
            if not self.alive:
                return
            self._stepped()
            if self._main and self._main.done():
                self._end()
                return
        self.schedule()

    def _end(self) -> None:
        assert self._main
        self.alive = False
        cancelled = self._main.cancelled()
        self._ended(None if cancelled else self._main.exception())


class DiskThread(Executor):
    """A thread of a process: one thing at a time, each as long as its calls take."""

    def __init__(self, process: Process, lag: Lag) -> None:
        self._process = process
        self._lag = lag
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._busy = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._queue.append((future, lambda: fn(*args, **kwargs)))
        self._next()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Finish what was handed over while the caller waits."""
        while self._queue and self._process.alive:
            future, work = self._queue.popleft()
            _perform(future, work)()

    def _next(self) -> None:
        if not self._busy and self._queue:
            self._busy = True
            self._process.kernel.after(HANDOVER_SECONDS, self._work)

    def _work(self) -> None:
        process = self._process
        if not process.alive:
            return
        if process.is_paused:
            process.kernel.at(process.resumes_at, self._work)
            return
        if not self._queue:  # `shutdown` did it
            self._busy = False
            return
        future, work = self._queue.popleft()
        try:
            tell = _perform(future, work)
        except Killed:
            return
        if process.alive:
            process.kernel.after(self._lag.take_lag() + HANDOVER_SECONDS, lambda: self._finish(tell))

    def _finish(self, tell: Callable[[], None]) -> None:
        self._process.post(tell)
        self._busy = False
        self._next()


def _perform(future: Future[Any], work: Callable[[], Any]) -> Callable[[], None]:
    """Do the work now; return what tells its outcome."""
    try:
        result = work()
    except Exception as error:  # noqa: BLE001  the future raises it
        failure = error
        return lambda: future.set_exception(failure) if not future.done() else None
    return lambda: future.set_result(result) if not future.done() else None
