"""Measures what this node and its Pods use, again and again, and hands each sample on.

Two measurements make a sample: processor time is a rate. Of a container that began since the last one the rate is
over its life, once that has lasted long enough to tell something.
Source: kubernetes-sigs/metrics-server pkg/storage (pod.go), for when a Pod's sample is whole.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import EngineError
from swarmlet.model.samples import ContainerSample, NodeSample, PodSample
from swarmlet.runtime import runtime

FRESH_SECONDS_MIN = 10.0
"""What began a shorter time ago has no rate yet."""
MEASURE_SECONDS_MAX = 30.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Rate:
    nanocores: int
    window_seconds: float


class UsageSampler:
    """Samples every `period_seconds`; the first time somewhere in the first period, so that nodes take turns.

    `containers` tells what runs here now, sandboxes too. `deliver` gets each sample, and must not block.
    """

    def __init__(
        self,
        *,
        node_name: str,
        engine: runtime.Runtime,
        clock: Clock,
        rng: random.Random,
        period_seconds: float,
        containers: Callable[[], Sequence[runtime.Container]],
        deliver: Callable[[NodeSample], None],
    ) -> None:
        self._node_name = node_name
        self._engine = engine
        self._clock = clock
        self._rng = rng
        self._period_seconds = period_seconds
        self._containers = containers
        self._deliver = deliver
        self._before: runtime.Measurement | None = None
        self._measured_at = 0.0
        self._failure = ""

    async def run(self) -> None:
        """Sample until cancelled."""
        await self._clock.sleep(self._rng.random() * self._period_seconds)
        while True:
            try:
                async with asyncio.timeout(MEASURE_SECONDS_MAX):
                    await self._sample()
                self._note("")
            except (EngineError, OSError, TimeoutError) as error:
                self._note(str(error) or "timed out")
            except Exception as error:  # noqa: BLE001  whatever a kernel tells that we cannot read, Pods must run on
                self._note(repr(error))
            await self._clock.sleep(self._period_seconds)

    def _note(self, failure: str) -> None:
        """Log when measuring begins to fail, fails otherwise, or succeeds again."""
        if failure and failure != self._failure:
            log.warning("usage_not_measured", error=failure)
        elif self._failure and not failure:
            log.info("usage_measured_again")
        self._failure = failure

    async def _sample(self) -> None:
        containers = [each for each in self._containers() if each.name != runtime.SANDBOX]
        measured = await self._engine.usage([each.id for each in containers])
        before, elapsed = self._before, self._clock.monotonic() - self._measured_at
        self._before, self._measured_at = measured, self._clock.monotonic()
        if before is None or elapsed <= 0:
            return
        now = self._clock.now()
        rates = {
            each.id: rate
            for each in containers
            if (rate := self._rate(each, measured, before, elapsed, now)) is not None
        }
        busy = measured.machine.cpu_nanoseconds - before.machine.cpu_nanoseconds
        self._deliver(
            NodeSample(
                node_name=self._node_name,
                at=now,
                period_seconds=self._period_seconds,
                window_seconds=elapsed,
                cpu_nanocores=max(0, round(busy / elapsed)),
                memory_bytes=measured.machine.memory_bytes,
                pods=_pods(containers, measured, rates, now),
            )
        )

    def _rate(
        self,
        container: runtime.Container,
        measured: runtime.Measurement,
        before: runtime.Measurement,
        elapsed: float,
        now: datetime,
    ) -> _Rate | None:
        """Return how fast a container uses processor time; None where that is not known yet."""
        usage, earlier = measured.containers.get(container.id), before.containers.get(container.id)
        if usage is None:
            return None
        if earlier is not None:
            used = usage.cpu_nanoseconds - earlier.cpu_nanoseconds
            return _Rate(round(used / elapsed), elapsed) if used >= 0 else None
        age = (now - container.started_at).total_seconds() if container.started_at else 0.0
        if not min(FRESH_SECONDS_MIN, self._period_seconds) <= age <= elapsed:
            return None
        return _Rate(round(usage.cpu_nanoseconds / age), age)


def _pods(
    containers: Sequence[runtime.Container],
    measured: runtime.Measurement,
    rates: dict[str, _Rate],
    now: datetime,
) -> tuple[PodSample, ...]:
    """Return the samples of the Pods that are known whole."""
    by_pod: dict[runtime.PodIdentity, list[runtime.Container]] = {}
    for container in containers:
        by_pod.setdefault(container.pod, []).append(container)
    return tuple(
        PodSample(
            namespace=pod.namespace,
            name=pod.name,
            uid=pod.uid,
            at=now,
            window_seconds=min(rates[each.id].window_seconds for each in theirs),
            containers=tuple(
                ContainerSample(each.name, rates[each.id].nanocores, measured.containers[each.id].memory_bytes)
                for each in theirs
            ),
        )
        for pod, theirs in by_pod.items()
        if all(each.id in rates for each in theirs)
    )
