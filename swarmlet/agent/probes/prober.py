"""Runs the probes of this node's containers: each in its slots, so many begun at a time, each within its timeout.

    prober = Prober(clock, ProbeActions(runtime, http).run, spawn)
    probes = PodProbes(prober, report, tell)        # of one Pod
    probes.follow(machine.probe_targets())          # after whatever changed

What results come to is `probing`'s business; the Pod's machine hears of changes only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

import structlog

from swarmlet.agent.life.probing import Complaints, Gauge, Kind, Target, next_slot
from swarmlet.agent.probes.actions import Result
from swarmlet.clock import Clock

PROBES_AT_ONCE_MAX = 64
EXECS_AT_ONCE_MAX = 8
"""Commands cost an engine far more than a connection costs us."""
TURN_SECONDS_MAX = 5.0
"""How long one counts among them: a few that hang, with long timeouts, must not keep the others from being asked."""

SLACK_SECONDS = 0.01
"""How much too early a timer may ring: the slot that it rang for is not the next one."""

Report = Callable[[Target, bool], None]
Tell = Callable[[Target, str], None]

log = structlog.get_logger()


class Prober:
    """One for a node. `perform` asks a container once."""

    def __init__(
        self,
        clock: Clock,
        perform: Callable[[Target], Awaitable[Result]],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self.spawn = spawn
        self._clock = clock
        self._perform = perform
        self._probes = asyncio.Semaphore(PROBES_AT_ONCE_MAX)
        self._execs = asyncio.Semaphore(EXECS_AT_ONCE_MAX)

    async def probe(self, target: Target, report: Report, tell: Tell) -> None:
        """Probe a target until cancelled; `report` new verdicts, `tell` of failures."""
        clock, period = self._clock, target.probe.period_seconds
        wait, past = target.first_due(clock.now())
        first = clock.monotonic() - past
        gauge, complaints = Gauge(target.probe, target.holds), Complaints(target.probe.failure_threshold)
        await clock.sleep(wait)
        while True:
            result = await self._take_turn(target)
            now = clock.monotonic()
            if result.passed:
                complaints.end()
            elif complaints.add(now):
                outcome = "failed" if result.passed is False else "errored and resulted in Unknown state"
                tell(target, f"{target.kind.value} probe {outcome}: {result.message}")
            verdict = None if result.passed is None else gauge.take(passed=result.passed)
            if verdict is not None:
                report(target, verdict)
            await clock.sleep(next_slot(first, period, now + SLACK_SECONDS) - now)

    async def _take_turn(self, target: Target) -> Result:
        """Ask once it is the target's turn; one that takes long lets others have theirs meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            async with self._execs if target.probe.exec is not None else self._probes:
                asking = tasks.create_task(self._ask(target))
                await asyncio.wait({asking}, timeout=TURN_SECONDS_MAX)
            return await asking

    async def _ask(self, target: Target) -> Result:
        try:
            return await self._perform(target)
        except Exception as error:  # a bug that one container brings out must not take the others with it
            log.exception("probe_failed", container=target.container.name, kind=target.kind.value)
            return Result(passed=None, message=str(error) or type(error).__name__)


class PodProbes:
    """The probes of one Pod that are under way."""

    def __init__(self, prober: Prober, report: Report, tell: Tell) -> None:
        self._prober = prober
        self._report = report
        self._tell = tell
        self._tasks: dict[tuple[str, datetime | None, Kind], asyncio.Task[None]] = {}

    def follow(self, targets: Sequence[Target]) -> None:
        """Probe these from now on, and no others."""
        if not targets and not self._tasks:
            return
        wanted = {target.key: target for target in targets}
        for key in self._tasks.keys() - wanted.keys():
            self._tasks.pop(key).cancel()
        for key, target in wanted.items():
            if key not in self._tasks:
                self._tasks[key] = self._prober.spawn(self._prober.probe(target, self._report, self._tell))
