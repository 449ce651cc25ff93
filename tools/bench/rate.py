"""Closed-loop load: so many clients, each with one request under way, and what they saw."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FSYNCS = 200

Work = Callable[[int], Awaitable[object]]
"""One request of the client with this number; it raises where it was not served."""


@dataclass(frozen=True)
class Rate:
    """Requests served a second, and the latency in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s, p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"


async def measure(work: Work, *, clients: int, seconds: float) -> Rate:
    """Let `clients` work for `seconds`."""
    latencies: list[float] = []
    begin = time.monotonic()
    end = begin + seconds

    async def one(number: int) -> None:
        while (start := time.monotonic()) < end:
            await work(number)
            latencies.append(time.monotonic() - start)

    await asyncio.gather(*(one(number) for number in range(clients)))
    taken = time.monotonic() - begin
    p99 = sorted(latencies)[int(len(latencies) * 0.99)]
    return Rate(len(latencies) / taken, 1000 * statistics.median(latencies), 1000 * p99)


def best(rates: list[Rate]) -> Rate:
    """Return the round with the highest rate: what disturbs a round from outside only ever lowers it."""
    return max(rates, key=lambda rate: rate.per_second)


def fsync_ms(size_bytes: int = 4096) -> float:
    """Return the median milliseconds of writing so much and fsyncing it: the floor of a durable write."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(FSYNCS):
            start = time.monotonic()
            file.write(b"x" * size_bytes)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.monotonic() - start)
    return 1000 * statistics.median(taken)
