"""Runs a container's hooks, postStart and preStop: a command beside it, a GET to it, or a wait."""

from __future__ import annotations

import asyncio

import aiohttp

from swarmlet.agent.probes.actions import exec_words
from swarmlet.agent.probes.http_calls import HttpCalls
from swarmlet.clock import Clock
from swarmlet.errors import SwarmletError
from swarmlet.model.container import Container
from swarmlet.model.probes import LifecycleHandler
from swarmlet.runtime import runtime

OUTPUT_CHARACTERS_MAX = 200
POST_START_SECONDS_MAX = 600.0
"""Kubernetes waits for ever; nothing waits for ever here."""


class Hooks:
    """The hooks of this node's containers."""

    def __init__(self, runtime_: runtime.Runtime, clock: Clock, http: HttpCalls) -> None:
        self._runtime = runtime_
        self._clock = clock
        self._http = http

    async def run(
        self, hook: LifecycleHandler, container: Container, container_id: str, pod_ip: str, *, timeout_seconds: float
    ) -> str:
        """Run a hook for at most so long; return "" or why it failed."""
        try:
            async with asyncio.timeout(timeout_seconds):
                if hook.exec is not None:
                    words = exec_words(hook.exec.command, container)
                    done = await self._runtime.exec(container_id, words, timeout_seconds=timeout_seconds)
                    output = done.output.decode(errors="replace")[:OUTPUT_CHARACTERS_MAX]
                    return f"command exited with {done.exit_code}: {output}" if done.exit_code else ""
                if hook.http_get is not None:
                    await self._http.get(hook.http_get, container, pod_ip)  # any answer will do, as in Kubernetes
                if hook.sleep is not None:
                    await self._clock.sleep(min(hook.sleep.seconds, timeout_seconds))
        except TimeoutError:
            return f"not done within {timeout_seconds:g} s"
        except (SwarmletError, OSError, aiohttp.ClientError, ValueError) as error:
            return str(error) or type(error).__name__
        return ""
