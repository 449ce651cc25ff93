"""Runs a container's preStop hook: a command beside it, a GET to it, or a wait."""

from __future__ import annotations

import asyncio

import aiohttp

from swarmlet.clock import Clock
from swarmlet.errors import SwarmletError
from swarmlet.model.container import Container
from swarmlet.model.probes import HTTPGetAction, LifecycleHandler
from swarmlet.runtime import runtime

OUTPUT_CHARACTERS_MAX = 200


class PreStop:
    """One hook of one container."""

    def __init__(self, runtime_: runtime.Runtime, clock: Clock, container_id: str, pod_ip: str) -> None:
        self._runtime = runtime_
        self._clock = clock
        self._container_id = container_id
        self._pod_ip = pod_ip

    async def run(self, hook: LifecycleHandler, container: Container, *, timeout_seconds: float) -> str:
        """Run the hook for at most so long; return "" or why it failed. The container is stopped either way."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._run(hook, container, timeout_seconds)
        except TimeoutError:
            return f"not done within the grace period of {timeout_seconds:g} s"
        except (SwarmletError, OSError, aiohttp.ClientError, ValueError) as error:
            return str(error)

    async def _run(self, hook: LifecycleHandler, container: Container, seconds: float) -> str:
        if hook.exec is not None:
            done = await self._runtime.exec(self._container_id, hook.exec.command, timeout_seconds=seconds)
            output = done.output.decode(errors="replace")[:OUTPUT_CHARACTERS_MAX]
            return f"command exited with {done.exit_code}: {output}" if done.exit_code else ""
        if hook.http_get is not None:
            return await self._get(hook.http_get, container)
        if hook.sleep is not None:
            await self._clock.sleep(min(hook.sleep.seconds, seconds))
        return ""

    async def _get(self, action: HTTPGetAction, container: Container) -> str:
        scheme, host = (action.scheme or "HTTP").lower(), action.host or self._pod_ip
        url = f"{scheme}://{host}:{_port(action.port, container)}/{action.path.lstrip('/')}"
        headers = [(header.name, header.value) for header in action.http_headers]
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as answer:
            return f"{url} answered {answer.status}" if answer.status >= 400 else ""


def _port(port: int | str, container: Container) -> int:
    if isinstance(port, int):
        return port
    named = next((each.container_port for each in container.ports if each.name == port), None)
    if named is None:
        raise ValueError(f"container {container.name} has no port named {port!r}")
    return named
