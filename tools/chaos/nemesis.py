"""Carries the plan out: strikes, waits, mends, and sees that the cluster comes back each time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tools.chaos.doors import nap
from tools.chaos.faults import Faults
from tools.chaos.plan import Kind, Trial
from tools.lab.cluster import Cluster
from tools.lab.processes import LabError

STAGGER_SECONDS = 0.7
"""Between two faults that overlap."""
RECOVERED_SECONDS_MAX = 90
RESTART_SECONDS = 1.0
"""As systemd's RestartSec in our unit."""
GUARD_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Ordeal:
    """One trial as it happened, in monotonic seconds. `recovered` is when every machine was ready and voted again."""

    trial: Trial
    hit: str
    struck: float
    mended: float
    recovered: float


class Nemesis:
    """Runs trial after trial; `tell` hears a line about each."""

    def __init__(self, cluster: Cluster, faults: Faults, tell: Callable[[str], None]) -> None:
        self.ordeals: list[Ordeal] = []
        self.counts: Counter[str] = Counter()
        self._cluster = cluster
        self._faults = faults
        self._tell = tell
        self._mending = asyncio.Lock()

    async def run(self, trials: Iterator[Trial], until: float) -> None:
        """Carry out trials until the time has come; in the end all is mended."""
        guard = asyncio.create_task(self._guard())
        try:
            while time.monotonic() < until:
                trial = next(trials)
                if self._possible(trial):
                    await self._carry_out(trial)
        finally:
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)
            await asyncio.to_thread(self._faults.mend)

    def _possible(self, trial: Trial) -> bool:
        return self._faults.has_clocks or all(fault.kind is not Kind.CLOCK for fault in trial.faults)

    async def _carry_out(self, trial: Trial) -> None:
        struck = time.monotonic()
        hit = []
        for number, fault in enumerate(trial.faults):
            await asyncio.sleep(STAGGER_SECONDS if number else 0)
            names = await asyncio.to_thread(self._faults.strike, fault)
            hit.append(f"{fault} -> {' '.join(names)}" if names != fault.victims else str(fault))
            self.counts[fault.kind] += 1
        await asyncio.sleep(trial.seconds)
        async with self._mending:
            await asyncio.to_thread(self._faults.mend)
        mended = time.monotonic()
        await self._recover(" + ".join(hit))
        self._faults.excused.clear()  # not before: who met a full disk may take its time to end
        recovered = time.monotonic()
        self.ordeals.append(Ordeal(trial, " + ".join(hit), struck, mended, recovered))
        self._tell(f"{' + '.join(hit)}; {mended - struck:.1f} s, whole again after {recovered - mended:.1f} s")
        await asyncio.sleep(trial.rest_seconds)

    async def _recover(self, what: str) -> None:
        try:
            count = len(self._cluster.daemons)
            await asyncio.to_thread(self._cluster.wait_ready, count, RECOVERED_SECONDS_MAX)
        except LabError as error:
            self._faults.complaints.append(f"the cluster did not come back after {what}: {error}")
            raise

    async def _guard(self) -> None:
        """Start again what ends by itself, as systemd does, and complain where nothing excuses it."""
        never = asyncio.Event()
        while await nap(GUARD_SECONDS, never):
            for daemon in self._cluster:
                async with self._mending:
                    if daemon.running or daemon.name in self._faults.down or not daemon.machine.on:
                        continue
                    if daemon.name not in self._faults.excused:
                        self._faults.complaints.append(f"{daemon.name} ended by itself:\n{daemon.tail(5)}")
                await nap(RESTART_SECONDS, never)
                async with self._mending:
                    if not daemon.running and daemon.name not in self._faults.down and daemon.machine.on:
                        await asyncio.to_thread(daemon.start)
