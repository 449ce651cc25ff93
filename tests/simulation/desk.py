"""Where the people are: a process that never fails, from which clients and operators call the daemons."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from swarmlet.consensus.driver import Consensus
from swarmlet.errors import OutcomeUnknownError, SwarmletError, UnavailableError
from tests.simulation.kernel import Kernel, LocalClock
from tests.simulation.member import Member
from tests.simulation.process import Process

T = TypeVar("T")

WAY_SECONDS_MIN, WAY_SECONDS_MAX = 0.000_1, 0.002


class Desk:
    """Calls a machine's daemon as a client does: the call or its answer is lost where the daemon dies."""

    def __init__(self, kernel: Kernel, members: dict[str, Member]) -> None:
        self.kernel = kernel
        self.process = Process(kernel, "desk", LocalClock(kernel))
        self._members = members
        self._rng = kernel.chance("desk")

    async def ask(self, machine: str, work: Callable[[Consensus], Awaitable[T]], *, seconds: float) -> T:
        """Return what the work, done in the machine's daemon, returns.

        Raises what it raises, `UnavailableError` where no daemon listens, `OutcomeUnknownError` where none answers.
        """
        member = self._members.get(machine)
        consensus = member.consensus if member else None
        if member is None or consensus is None or not member.life.process.alive:
            raise UnavailableError(f"nobody listens on {machine}")
        answer: asyncio.Future[T] = self.process.loop.create_future()
        process = member.life.process

        async def serve() -> None:
            try:
                result = await work(consensus)
            except SwarmletError as error:
                self._way(self.process, answer.set_exception, answer, error)
            else:
                self._way(self.process, answer.set_result, answer, result)

        self.kernel.after(self._seconds(), lambda: process.post(lambda: process.spawn(serve())))
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError as error:
            raise OutcomeUnknownError(f"{machine} did not answer within {seconds:g} s") from error

    def _way(self, to: Process, settle: Callable[[Any], None], answer: asyncio.Future[Any], value: object) -> None:
        def arrive() -> None:
            if not answer.done():
                settle(value)

        self.kernel.after(self._seconds(), lambda: to.post(arrive))

    def _seconds(self) -> float:
        return self._rng.uniform(WAY_SECONDS_MIN, WAY_SECONDS_MAX)
