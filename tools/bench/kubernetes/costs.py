"""What a read costs those who answer it, and how long it takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tools.bench.kubernetes import processes

Read = Callable[[], Awaitable[tuple[int, int]]]
"""Reads all of something; returns the bytes that came, and the requests that it took."""


@dataclass(frozen=True)
class Cost:
    """Processor time and time on the wall in milliseconds."""

    cpu_ms: float
    wall_ms: float
    wire_bytes: int
    requests: int

    def __str__(self) -> str:
        return f"{self.cpu_ms:.0f} ms of a core, {self.wall_ms:.0f} ms"

    @property
    def size(self) -> str:
        return f"{self.wire_bytes / 1e6:.1f} MB" + (f", {self.requests} requests" if self.requests > 1 else "")


async def measure(read: Read, pids: Sequence[int], *, rounds: int) -> Cost:
    """Read so many times; the least processor time counts, as other work can only add to it, and the median wait."""
    cpu, wall, wire, requests = [], [], 0, 0
    for _ in range(rounds):
        begun, worked = time.monotonic(), _seconds(pids)
        wire, requests = await read()
        wall.append(1000 * (time.monotonic() - begun))
        cpu.append(1000 * (_seconds(pids) - worked))
    return Cost(min(cpu), statistics.median(wall), wire, requests)


def _seconds(pids: Sequence[int]) -> float:
    return sum(map(processes.process_seconds, pids))
