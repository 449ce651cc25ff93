"""Which thresholds a node is under, and which conditions of pressure it tells of. Pure.

A condition holds for a while after its threshold was met last: else a node that gets relief by evicting a Pod would at
once be given it back. Source: kubernetes pkg/kubelet/eviction (eviction_manager.go, helpers.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmlet.model import nodes, quantity, thresholds
from swarmlet.model.thresholds import Threshold

MEMORY = "memory"
STORAGE = "ephemeral-storage"
INODES = "inodes"
PIDS = "pids"


@dataclass(frozen=True, slots=True)
class Signal:
    """What a signal is about: a condition of the node, and the name of what is short."""

    condition: str
    resource: str


SIGNALS: Mapping[str, Signal] = {
    thresholds.MEMORY_AVAILABLE: Signal(nodes.MEMORY_PRESSURE, MEMORY),
    thresholds.NODEFS_AVAILABLE: Signal(nodes.DISK_PRESSURE, STORAGE),
    thresholds.IMAGEFS_AVAILABLE: Signal(nodes.DISK_PRESSURE, STORAGE),
    thresholds.NODEFS_INODES_FREE: Signal(nodes.DISK_PRESSURE, INODES),
    thresholds.IMAGEFS_INODES_FREE: Signal(nodes.DISK_PRESSURE, INODES),
    thresholds.PID_AVAILABLE: Signal(nodes.PID_PRESSURE, PIDS),
}
IN_BYTES = frozenset({MEMORY, STORAGE})


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much of something there is, and how much of that is left."""

    capacity: int
    available: int


Readings = Mapping[str, Gauge]
"""By signal (`model.thresholds`); one that cannot be read is left out."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A threshold that is met: less than `wanted` is left of `resource`."""

    signal: str
    wanted: int
    available: int

    @property
    def resource(self) -> str:
        return SIGNALS[self.signal].resource

    @property
    def condition(self) -> str:
        return SIGNALS[self.signal].condition

    def __str__(self) -> str:
        """Say it in kubelet's words."""
        return (
            f"The node was low on resource: {self.resource}. "
            f"Threshold quantity: {amount(self.resource, self.wanted)}, "
            f"available: {amount(self.resource, self.available)}. "
        )


class Pressures:
    """The thresholds of one node, and when each was met last (in seconds of a clock that only goes forward)."""

    def __init__(self, limits: Sequence[Threshold], transition_seconds: float) -> None:
        self._limits = limits
        self._transition_seconds = transition_seconds
        self._met_last: dict[str, float] = {}

    def observe(self, readings: Readings, now: float) -> list[Shortage]:
        """Return the thresholds that are met now, the most urgent first: memory before the disk."""
        found = []
        for limit in self._limits:
            gauge = readings.get(limit.signal)
            if gauge is None or gauge.available >= (wanted := limit.of(gauge.capacity)):
                continue
            found.append(Shortage(limit.signal, wanted, gauge.available))
            self._met_last[SIGNALS[limit.signal].condition] = now
        return found

    def held(self, now: float) -> tuple[str, ...]:
        """Return the conditions of pressure that hold."""
        held = {type_ for type_, at in self._met_last.items() if now - at < self._transition_seconds or at == now}
        return tuple(sorted(held))


def share_disk(readings: Readings) -> bool:
    """Whether images and containers lie on the disk that the daemon's own folder is on, as far as can be told."""
    nodefs, imagefs = (readings.get(each) for each in (thresholds.NODEFS_AVAILABLE, thresholds.IMAGEFS_AVAILABLE))
    return nodefs is None or imagefs is None or nodefs.capacity == imagefs.capacity


def amount(resource: str, count: int) -> str:
    """Return an amount as Kubernetes writes it."""
    return quantity.from_bytes(count) if resource in IN_BYTES else str(count)
