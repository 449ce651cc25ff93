"""The lab's Engines themselves: the floor under every orchestrator, and the eye that sees what has truly ended."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tools.bench import client
from tools.bench.work import COMMAND, GRACE_SECONDS, IMAGE, WAIT_SECONDS_MAX
from tools.lab.cluster import Cluster

CONCURRENCIES = (1, 2)
"""Of requests on each Engine at a time: the best of them is the floor."""

LOOK_SECONDS = 0.2
"""Each look takes the Engines' time, too."""

Placed = tuple[int, str]
"""A container: the number of its Engine, and its id."""


class Engines:
    """Sessions on all Engines of a lab."""

    def __init__(self, cluster: Cluster) -> None:
        self._sessions = [client.engine(daemon.machine.socket) for daemon in cluster]

    async def close(self) -> None:
        await asyncio.gather(*(session.close() for session in self._sessions))

    # The floor: the bare Docker API.

    async def start(self, count: int, *, host_network: bool, concurrency: int) -> tuple[float, list[Placed]]:
        """Return the seconds to create and start so many containers, spread over the Engines; and them."""

        async def one(index: int) -> Placed:
            return index, await self._start(self._sessions[index], host_network=host_network)

        return await self._each([index % len(self._sessions) for index in range(count)], one, concurrency)

    async def end(self, containers: list[Placed], *, concurrency: int) -> float:
        """Return the seconds to stop and remove containers."""
        by_index = {index: [id_ for i, id_ in containers if i == index] for index, _ in containers}
        queues = {index: iter(ids) for index, ids in by_index.items()}

        async def one(index: int) -> None:
            await self._end(self._sessions[index], next(queues[index]))

        seconds, _ = await self._each([index for index, _ in containers], one, concurrency)
        return seconds

    async def replace(self, containers: list[Placed], *, host_network: bool, concurrency: int) -> float:
        """Return the seconds to replace containers, the old one stopping first, `concurrency` in all at a time."""
        free = asyncio.Semaphore(concurrency)

        async def one(placed: Placed) -> Placed:
            index, container = placed
            async with free:
                await self._end(self._sessions[index], container)
                return index, await self._start(self._sessions[index], host_network=host_network)

        start = time.monotonic()
        containers[:] = await asyncio.gather(*map(one, containers))
        return time.monotonic() - start

    async def _each(
        self, indexes: list[int], one: Callable[[int], Awaitable[Any]], concurrency: int
    ) -> tuple[float, list[Any]]:
        limits = [asyncio.Semaphore(concurrency) for _ in self._sessions]

        async def limited(index: int) -> Any:
            async with limits[index]:
                return await one(index)

        start = time.monotonic()
        results = await asyncio.gather(*map(limited, indexes))
        return time.monotonic() - start, results

    async def _start(self, session: aiohttp.ClientSession, *, host_network: bool) -> str:
        # The same runtime as ours: crun is registered in the lab.
        host = {"Runtime": "crun"} | ({"NetworkMode": "host"} if host_network else {})
        body = {"Image": IMAGE, "Cmd": list(COMMAND), "HostConfig": host}
        async with session.post("/containers/create", json=body) as answer:
            container = str((await answer.json())["Id"])
        async with session.post(f"/containers/{container}/start") as answer:
            answer.raise_for_status()
        return container

    async def _end(self, session: aiohttp.ClientSession, container: str) -> None:
        async with session.post(f"/containers/{container}/stop?t={GRACE_SECONDS}") as answer:
            await answer.read()
        async with session.delete(f"/containers/{container}?force=true") as answer:
            await answer.read()

    # The eye.

    async def running(self) -> list[Placed]:
        """Return the containers that run."""
        return await self._list(all_=False)

    async def until_empty(self) -> None:
        """Wait until no Engine has a container left, dead ones included."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while await self._list(all_=True):
                await asyncio.sleep(LOOK_SECONDS)

    async def _list(self, *, all_: bool) -> list[Placed]:
        found = []
        for index, session in enumerate(self._sessions):
            async with session.get("/containers/json", params={"all": str(all_).lower()}) as answer:
                found += [(index, each["Id"]) for each in await answer.json()]
        return found

    async def kill(self, container: Placed) -> None:
        """Kill a container as a crash does."""
        index, id_ = container
        async with self._sessions[index].post(f"/containers/{id_}/kill") as answer:
            answer.raise_for_status()

    @asynccontextmanager
    async def starts(self) -> AsyncIterator[asyncio.Queue[str]]:
        """Yield a queue that gets the id of each container that starts from now on, on any Engine."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        filters = json.dumps({"type": ["container"], "event": ["start"]})
        connected = [asyncio.Event() for _ in self._sessions]

        async def listen(session: aiohttp.ClientSession, heard: asyncio.Event) -> None:
            async with session.get("/events", params={"filters": filters}, timeout=aiohttp.ClientTimeout()) as answer:
                heard.set()
                async for line in answer.content:
                    queue.put_nowait(json.loads(line)["Actor"]["ID"])

        async with asyncio.TaskGroup() as tasks:
            listeners = [tasks.create_task(listen(*pair)) for pair in zip(self._sessions, connected, strict=True)]
            await asyncio.gather(*(event.wait() for event in connected))
            yield queue
            for listener in listeners:
                listener.cancel()
