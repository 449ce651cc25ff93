"""Commands beside a container's own, on an Engine that is told what to say."""

from __future__ import annotations

import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from swarmlet.clock import SystemClock
from swarmlet.runtime import docker

RUNS: dict[str, Any] = {"Running": True, "ExitCode": None}


class Execution:
    """Its output ends before the Engine has heard of its end."""

    def __init__(self) -> None:
        self.answers = [RUNS, RUNS, {"Running": False, "ExitCode": 7}]
        self.output = [types.SimpleNamespace(data=b"said"), None]

    @asynccontextmanager
    async def start(self) -> AsyncIterator[Execution]:
        yield self

    async def read_out(self) -> Any:
        return self.output.pop(0)

    async def inspect(self) -> dict[str, Any]:
        return self.answers.pop(0)


async def test_a_command_has_ended_when_the_engine_knows_how() -> None:
    async def execute(_: list[str]) -> Execution:
        return Execution()

    runtime = docker.DockerRuntime(cluster_id="c", node_id="n", clock=SystemClock(), host="unix:///nowhere")
    container = types.SimpleNamespace(exec=execute)
    containers = types.SimpleNamespace(container=lambda _: container)
    runtime._link._client = types.SimpleNamespace(containers=containers)  # type: ignore[assignment]
    done = await runtime.exec("x", ["true"], timeout_seconds=5)
    assert (done.exit_code, done.output) == (7, b"said")
