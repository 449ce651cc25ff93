"""Docker Swarm, the peer: three managers on the same Engines, through the API that `docker service` uses.

Source: Docker Engine API v1.41, Swarm, Service and Task.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from tools.bench import client
from tools.bench.work import COMMAND, GRACE_SECONDS, WAIT_SECONDS_MAX, Work
from tools.lab.cluster import Cluster

PORT = 2377
NANOSECONDS = 1_000_000_000
POLL_SECONDS = 0.05


class Swarm:
    """A swarm whose managers are the lab's Engines. Orders go to the first, which leads."""

    def __init__(self, sessions: list[aiohttp.ClientSession], addresses: list[str]) -> None:
        self._sessions = sessions
        self._addresses = addresses
        self._first = sessions[0]

    @classmethod
    async def form(cls, cluster: Cluster) -> Swarm:
        """Make a swarm of all machines' Engines, each a manager."""
        machines = [daemon.machine for daemon in cluster]
        swarm = cls([client.engine(machine.socket) for machine in machines], [machine.address for machine in machines])
        try:
            await swarm._join_all()
        except BaseException:
            await swarm.close()
            raise
        return swarm

    async def _join_all(self) -> None:
        first = f"{self._addresses[0]}:{PORT}"
        await self._post(self._first, "/swarm/init", {"ListenAddr": first, "AdvertiseAddr": first})
        token = (await self._get("/swarm"))["JoinTokens"]["Manager"]
        for session, address in zip(self._sessions[1:], self._addresses[1:], strict=True):
            own = f"{address}:{PORT}"
            body = {"ListenAddr": own, "AdvertiseAddr": own, "RemoteAddrs": [first], "JoinToken": token}
            await self._post(session, "/swarm/join", body)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not await self._all_reachable():
                await asyncio.sleep(POLL_SECONDS)

    async def _all_reachable(self) -> bool:
        nodes = await self._get("/nodes")
        states = [node.get("ManagerStatus", {}).get("Reachability") for node in nodes]
        return states == ["reachable"] * len(self._sessions)

    async def create(self, work: Work) -> None:
        await self._post(self._first, "/services/create", _service(work))
        await self._wait(work)

    async def change(self, work: Work) -> None:
        service = await self._get(f"/services/{work.name}")
        path = f"/services/{service['ID']}/update?version={service['Version']['Index']}"
        await self._post(self._first, path, _service(work))
        await self._wait(work)

    async def remove(self, work: Work) -> None:
        async with self._first.delete(f"/services/{work.name}") as answer:
            answer.raise_for_status()

    async def close(self) -> None:
        """Dissolve the swarm."""
        for session in reversed(self._sessions):
            async with session.post("/swarm/leave?force=true") as answer:
                await answer.read()
            await session.close()

    async def _wait(self, work: Work) -> None:
        """Wait until exactly so many tasks of the image run. Swarm has no events of tasks, so it is asked."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not await self._is_whole(work):
                await asyncio.sleep(POLL_SECONDS)

    async def _is_whole(self, work: Work) -> bool:
        filters = json.dumps({"service": [work.name], "desired-state": ["running"]})
        tasks = await self._get("/tasks", filters=filters)
        running = [task for task in tasks if task["Status"]["State"] == "running"]
        images = [task["Spec"]["ContainerSpec"]["Image"] for task in running]
        return len(tasks) == work.replicas and images == [work.image] * work.replicas

    async def _get(self, path: str, **query: str) -> Any:
        async with self._first.get(path, params=query) as answer:
            answer.raise_for_status()
            return await answer.json()

    @staticmethod
    async def _post(session: aiohttp.ClientSession, path: str, body: object) -> None:
        async with session.post(path, json=body) as answer:
            if not answer.ok:
                raise OSError(f"swarm: POST {path}: {answer.status} {await answer.text()}")


def _service(work: Work) -> dict[str, Any]:
    container = {"Image": work.image, "Command": list(COMMAND), "StopGracePeriod": GRACE_SECONDS * NANOSECONDS}
    delay = int(work.restart_delay_seconds * NANOSECONDS)
    template: dict[str, Any] = {"ContainerSpec": container, "RestartPolicy": {"Condition": "any", "Delay": delay}}
    if work.host_network:
        template["Networks"] = [{"Target": "host"}]
    return {
        "Name": work.name,
        "TaskTemplate": template,
        "Mode": {"Replicated": {"Replicas": work.replicas}},
        "UpdateConfig": {"Parallelism": work.parallelism, "Order": "stop-first", "FailureAction": "continue"},
    }
