"""What a hundred probed Pods cost the event loop, in real time, with real connections."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.agent.life.probing import Kind, Target
from swarmlet.agent.probes.actions import ProbeActions
from swarmlet.agent.probes.http_calls import HttpCalls
from swarmlet.agent.probes.prober import PodProbes, Prober
from swarmlet.clock import SystemClock
from swarmlet.model.container import Container
from swarmlet.model.probes import HTTPGetAction, TCPSocketAction
from tests.agent.test_probes import probe

pytestmark = pytest.mark.slow

PODS = 100
SECONDS = 5.0
LAG_SECONDS_MEDIAN_MAX = 0.05
BUSY_MAX = 0.4
"""Of a core; a machine that others use makes the lag longer, and not this."""
SERVER = """
import asyncio
async def answer(reader, writer):
    await reader.read(1000)
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    yield int(await server.stdout.readline())
    server.kill()
    await server.wait()


async def test_two_hundred_probes_a_second_do_not_hold_up_the_loop(port: int) -> None:
    clock, http, failures = SystemClock(), HttpCalls(), []
    asked = 0
    actions = ProbeActions(None, http)  # type: ignore[arg-type]

    async def perform(target: Target) -> object:
        nonlocal asked
        asked += 1
        return await actions.run(target)

    async with asyncio.TaskGroup() as tasks:
        prober = Prober(clock, perform, tasks.create_task)  # type: ignore[arg-type]
        probes = PodProbes(prober, lambda *_: None, lambda _, message: failures.append(message))
        now = datetime.now(UTC)
        get = probe(http_get=HTTPGetAction(port=port, path="/", scheme="HTTP"), period_seconds=1)
        connect = probe(http_get=None, tcp_socket=TCPSocketAction(port=port), period_seconds=1)
        probes.follow([
            Target(
                container_id=str(number), started_at=now - timedelta(seconds=number / PODS), kind=kind, probe=of,
                container=Container(name="main"), pod_ip="127.0.0.1", field_path="", holds=True,
            )
            for number in range(PODS)
            for kind, of in ((Kind.READINESS, get), (Kind.LIVENESS, connect))
        ])  # fmt: skip
        lags, cpu, began = [], time.process_time(), clock.monotonic()
        while clock.monotonic() - began < SECONDS:
            before = clock.monotonic()
            await asyncio.sleep(0.01)
            lags.append(clock.monotonic() - before - 0.01)
        busy = (time.process_time() - cpu) / (clock.monotonic() - began)
        probes.follow([])
    await http.close()
    lags.sort()
    print(
        f"{asked} probes in {SECONDS:g} s: loop lag median {lags[len(lags) // 2] * 1000:.1f} ms, "
        f"99 of 100 {lags[len(lags) * 99 // 100] * 1000:.1f} ms, most {lags[-1] * 1000:.1f} ms; {busy:.0%} of a core"
    )
    assert failures == []
    assert asked >= 2 * PODS * (SECONDS - 1)
    assert busy < BUSY_MAX
    assert lags[len(lags) // 2] < LAG_SECONDS_MEDIAN_MAX
