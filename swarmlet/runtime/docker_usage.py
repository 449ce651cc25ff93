"""What the containers of an Engine use: by their cgroups where these can be read from here, else by asking the Engine.

The Engine is asked once a container where its first process is. Only of one whose cgroup is not to be seen from here
(an Engine on another machine, a daemon in a cgroup namespace of its own) a single sample is asked for each time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from swarmlet.errors import EngineError
from swarmlet.runtime import proc
from swarmlet.runtime.cgroups import Cgroup, Cgroups
from swarmlet.runtime.runtime import Measurement, Usage

QUESTIONS_MAX = 4
"""Put to the Engine at once: starting and stopping containers goes before."""

Ask = Callable[[str], Awaitable[Mapping[str, Any]]]


class ContainerMeters:
    """Remembers where the running containers' cgroups are. `inspect` and `stats` ask the Engine of one container."""

    def __init__(self, *, inspect: Ask, stats: Ask, cgroups: Cgroups | None = None) -> None:
        self._inspect = inspect
        self._stats = stats
        self._cgroups = cgroups or Cgroups()
        self._known: dict[str, Cgroup | None] = {}
        self._questions = asyncio.Semaphore(QUESTIONS_MAX)

    async def measure(self, container_ids: Collection[str]) -> Measurement:
        """Measure the machine and these containers."""
        self._known = {each: self._known[each] for each in container_ids if each in self._known}
        await asyncio.gather(*(self._look_up(each) for each in container_ids if each not in self._known))
        machine, found = await asyncio.to_thread(
            _read, {each: cgroup for each, cgroup in self._known.items() if cgroup}
        )
        asked = [each for each, cgroup in self._known.items() if cgroup is None]
        answers = await asyncio.gather(*(self._ask(each) for each in asked))
        found |= {each: usage for each, usage in zip(asked, answers, strict=True) if usage}
        return Measurement(machine, found)

    async def _look_up(self, container_id: str) -> None:
        with contextlib.suppress(EngineError):  # it has ended, or the Engine is busy: the next time, then
            async with self._questions:
                found = await self._inspect(container_id)
            if pid := found["State"]["Pid"]:
                self._known[container_id] = self._cgroups.find(pid, container_id)

    async def _ask(self, container_id: str) -> Usage | None:
        with contextlib.suppress(EngineError):
            async with self._questions:
                return from_stats(await self._stats(container_id))
        return None


def from_stats(document: Mapping[str, Any]) -> Usage | None:
    """Return the usage that an answer of the Engine tells; None for a container that does not run."""
    cpu = document.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0)
    memory = document.get("memory_stats") or {}
    details = memory.get("stats") or {}
    idle = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Usage(cpu, max(0, memory["usage"] - idle)) if "usage" in memory else None


def _read(cgroups: Mapping[str, Cgroup]) -> tuple[Usage, dict[str, Usage]]:
    found: dict[str, Usage] = {}
    for container_id, cgroup in cgroups.items():
        with contextlib.suppress(OSError, ValueError):  # it has just ended
            found[container_id] = cgroup.usage()
    return proc.machine(), found
