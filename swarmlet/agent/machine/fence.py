"""The fence around this node's strict singletons: they run while the node has a lease, and are killed when it is over.

The leader grants the lease with the answer to a heartbeat; it counts from before that heartbeat was sent, so it is over
here before it is over there (docs/decisions/0006-fencing.md). The watchdog is told each lease and kills at its end too,
in case this daemon is dead or paused then. After a gap nothing is started before the cluster has been asked what is
still this node's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import EngineError, PeerError
from swarmlet.runtime import runtime
from swarmlet.runtime.runtime import Container, Lease, State

STEP_SECONDS = 0.2
REST_SECONDS = 1.0
TELL_STEPS = 25
START_SHARE = 0.5
"""A container is started only while so much of the lease is left: the start may take its time."""

log = structlog.get_logger()


class FencedError(EngineError):
    """A strict singleton may not be started here now."""


@dataclass(frozen=True, slots=True)
class Report:
    """What people are told: which Pods it stopped, and since when it is cut off; None and none otherwise."""

    since: datetime | None = None
    stopped: tuple[str, ...] = ()


class Fence:
    """One for a node. `needed` says whether strict singletons are bound to it; `stopped` is told what was killed."""

    def __init__(
        self,
        *,
        engine: runtime.Runtime,
        clock: Clock,
        after_seconds: float,
        linearize: Callable[[], Awaitable[None]],
        needed: Callable[[], bool],
        stopped: Callable[[Container, datetime], None],
    ) -> None:
        self._runtime = engine
        self._watchdog = engine.watchdog()
        self._clock = clock
        self._after_seconds = after_seconds
        self._linearize = linearize
        self._needed = needed
        self._tell_stopped = stopped
        self._lease = Lease(0.0, 0.0)
        self._hold = 0
        self._confirmed_hold = -1
        self._report = Report()

    # The lease

    def adopt(self) -> None:
        """Take what a daemon before this one was granted, cut to what this one will tell the cluster of itself."""
        now = self._clock.monotonic()
        lease = self._watchdog.last() or Lease(now, now)
        until = min(lease.until, lease.since + self._after_seconds)
        if until < lease.until:
            self._watchdog.renew(Lease(lease.since, until))
        self._lease = Lease(lease.since, until)

    @property
    def wants_lease(self) -> bool:
        """Whether a lease is to be asked for: there is something to run, and somebody who ends it in any case."""
        return self._needed() and self._watchdog.is_watching()

    @property
    def is_held(self) -> bool:
        """Whether strict singletons may run."""
        return self._left() > 0

    @property
    def is_confirmed(self) -> bool:
        """Whether the lease is held, and the cluster was asked what is this node's since it is held without a gap."""
        return self.is_held and self._confirmed_hold == self._hold

    @property
    def may_start(self) -> bool:
        """Whether a strict singleton may be started now."""
        return self.is_confirmed and self._left() >= self._after_seconds * START_SHARE

    def renew(self, since: float) -> None:
        """Take a lease; `since` is when it was asked for, by the monotonic clock."""
        lease = Lease(since, since + self._after_seconds)
        now = self._clock.monotonic()
        if lease.until <= now or lease.until <= self._lease.until:
            return
        try:
            self._watchdog.renew(lease)
        except EngineError as error:
            log.warning("lease_not_taken", error=str(error))
            return
        if not self.is_held:
            self._hold += 1
        self._lease = lease

    def report(self) -> Report:
        """Return how things stand."""
        return self._report

    async def admit(self, given_up: Callable[[], bool], tell: Callable[[str], None]) -> None:
        """Wait until a strict singleton may be started; raise `FencedError` where it is not wanted any more.

        `tell` is told why, where it takes long.
        """
        steps = 0
        while not self.may_start and not given_up():
            await self._clock.sleep(STEP_SECONDS)
            steps += 1
            if steps == TELL_STEPS:
                tell(self._why_not())
        if given_up():
            raise FencedError("the Pod ended while it waited for this node's lease")

    async def confirm_end(self, given_up: Callable[[], bool]) -> None:
        """Wait until this node may say that a strict singleton has ended: as one that the cluster counts on."""
        while not self.is_confirmed and not given_up():
            await self._clock.sleep(STEP_SECONDS)

    # Watching

    async def run(self) -> None:
        """Watch until cancelled; `adopt` comes first."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._see_to_watchdog())
            tasks.create_task(self._confirm())

    async def _watch(self) -> None:
        found = True  # who knows what runs: a daemon before this one may have died long ago
        while True:
            if self.is_held:
                await self._clock.sleep(min(self._left(), REST_SECONDS))
                continue
            if found or self._needed():
                found = await self._kill_all()
            await self._clock.sleep(STEP_SECONDS if found else REST_SECONDS)

    async def _see_to_watchdog(self) -> None:
        """Start the watchdog, and anew when it ends; apart from the rest, for a start may take its time."""
        while True:
            if self._needed():
                try:
                    await self._watchdog.start()
                except EngineError as error:
                    log.warning("watchdog_missing", error=str(error))
            await self._clock.sleep(REST_SECONDS)

    async def _confirm(self) -> None:
        while True:
            hold = self._hold
            if self.is_held and self._confirmed_hold != hold:
                try:
                    await self._linearize()
                except PeerError as error:
                    log.info("lease_not_confirmed", error=str(error))
                else:
                    self._confirmed_hold = hold
                    self._report = Report()
            await self._clock.sleep(STEP_SECONDS if self._needed() else REST_SECONDS)

    async def _kill_all(self) -> bool:
        """Kill the strict singletons that run; return whether there may be more."""
        since = self._clock.now() - timedelta(seconds=self._clock.monotonic() - self._lease.since)
        try:
            running = [each for each in await self._runtime.list() if each.strict and each.state is State.RUNNING]
        except EngineError as error:
            log.warning("fence_not_seen_to", error=str(error))  # the watchdog knows their processes
            return True
        if running and not self.is_held:
            await asyncio.gather(*(self._kill(each, since) for each in running))
        return bool(running)

    async def _kill(self, container: Container, since: datetime) -> None:
        try:
            await self._runtime.stop(container.id, grace_seconds=0)
        except EngineError as error:
            log.warning("fenced_container_not_stopped", container=container.id, error=str(error))
            return
        name = f"{container.pod.namespace}/{container.pod.name}"
        log.warning("pod_fenced", pod=name, container=container.name, cut_off_since=f"{since:%H:%M:%S}")
        self._report = Report(since, tuple(sorted({*self._report.stopped, name})))
        self._tell_stopped(container, since)

    def _why_not(self) -> str:
        if not self._watchdog.is_watching():
            return "nobody would end it if the daemon died: its deputy does not run, see the daemon's log"
        return "the leader has granted none: this node is cut off, or given up" if not self.is_held else "it runs out"

    def _left(self) -> float:
        return self._lease.until - self._clock.monotonic()
