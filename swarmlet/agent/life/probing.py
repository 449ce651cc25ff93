"""What probes decide: who is probed, when, and what results in a row come to. Pure; `prober` asks the containers.

A probe has slots, a period apart, counted from when its container started: they depend on no daemon and on no other
probe, so nothing drifts, a daemon that starts anew goes on in the same rhythm, and containers that started at different
times are probed at different times.

Source: kubernetes pkg/kubelet/prober/worker.go (doProbe).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from swarmlet.agent.life.container_life import HAS_CONTAINER, Life, Record
from swarmlet.model.container import Container
from swarmlet.model.probes import Probe

TELL_AGAIN_SECONDS = 300.0
"""As often as Kubernetes' clients let one object speak for long; each Event told is a write to the cluster's log."""


class Kind(enum.Enum):
    """The value is the word of Kubernetes' events."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One probe of one run of a container. `holds` is what is thought of it now, None where nothing is known yet."""

    container_id: str
    started_at: datetime | None
    kind: Kind
    probe: Probe
    container: Container
    pod_ip: str
    field_path: str
    holds: bool | None

    @property
    def key(self) -> tuple[str, datetime | None, Kind]:
        """What tells the target from others; a restart makes another one."""
        return self.container_id, self.started_at, self.kind

    def first_due(self, now: datetime) -> tuple[float, float]:
        """Return in how many seconds it is to be probed first, and how long ago its first slot was (or is to come).

        A container of which nothing good is known yet is not kept waiting for its slot.
        """
        age = max(0.0, (now - self.started_at).total_seconds()) if self.started_at else 0.0
        past = age - self.probe.initial_delay_seconds
        if past <= 0:
            return -past, past
        if not self.holds:
            return 0.0, past
        return next_slot(-past, self.probe.period_seconds, 0.0), past


@dataclass(slots=True)
class Gauge:
    """Counts results in a row and says when they change what is thought of the container."""

    probe: Probe
    holds: bool | None
    last: bool | None = None
    count: int = 0

    def take(self, *, passed: bool) -> bool | None:
        """Take in a result; return the new verdict, None where it stays what it was."""
        self.count = self.count + 1 if passed is self.last else 1
        self.last = passed
        enough = self.probe.success_threshold if passed else self.probe.failure_threshold
        if self.count < enough or passed is self.holds:
            return None
        self.holds = passed
        return passed


@dataclass(slots=True)
class Complaints:
    """Failures in a row, of which the first are told one by one, and what goes on and on only now and then."""

    enough: int
    count: int = 0
    told_at: float = 0.0

    def add(self, now: float) -> bool:
        """Note a failure; return whether it is to be told."""
        self.count += 1
        if self.count > self.enough and now - self.told_at < TELL_AGAIN_SECONDS:
            return False
        self.told_at = now
        return True

    def end(self) -> None:
        """It succeeded."""
        self.count = 0


def next_slot(first: float, period_seconds: float, now: float) -> float:
    """Return the first of the slots `first`, `first + period`, ... that is later than `now`; all in seconds."""
    return first + period_seconds * max(0, math.floor((now - first) / period_seconds) + 1)


def targets(record: Record, pod_ip: str, *, is_ending: bool) -> Iterator[Target]:
    """Yield what is to be probed of a container now. A Pod that ends is asked only whether it may still serve."""
    if record.life not in HAS_CONTAINER or not record.is_up or record.current is None:
        return
    spec, may_kill = record.spec, record.life is Life.RUNNING and not is_ending
    wanted: list[tuple[Kind, Probe | None, bool | None]] = []
    if not record.started:
        wanted = [(Kind.STARTUP, spec.startup_probe, None)] if may_kill else []
    else:
        wanted = [(Kind.LIVENESS, spec.liveness_probe, True)] if may_kill else []
        wanted.append((Kind.READINESS, spec.readiness_probe, record.readiness_passed))
    for kind, probe, holds in wanted:
        if probe is not None:
            yield Target(
                container_id=record.current.id,
                started_at=record.current.started_at,
                kind=kind,
                probe=probe,
                container=spec,
                pod_ip=pod_ip,
                field_path=record.field_path,
                holds=holds,
            )
