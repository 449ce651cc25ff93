"""Ports of a Pod, forwarded: when a connection ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from swarmlet.api.streaming import forwards, upgrades
from swarmlet.api.streaming.upgrades import RawDuplex
from swarmlet.clock import SystemClock
from swarmlet.streams import liveness
from swarmlet.streams.multiplexer import Multiplexer, Stream

SECONDS_MAX = 5.0
HEADERS = {"port": "80", "requestid": "1"}
Leave = Callable[[RawDuplex, Stream], Awaitable[None]]


async def hang_up(client: RawDuplex, _data: Stream) -> None:
    client.writer.close()


async def give_up(client: RawDuplex, data: Stream) -> None:
    await data.give_up()
    client.writer.write_eof()


@pytest.mark.parametrize("leave", [hang_up, give_up])
async def test_what_a_silent_pod_leaves_open_ends_with_its_client(leave: Leave) -> None:
    (server, client), (pod, of_pod) = socket.socketpair(), socket.socketpair()
    of_server = RawDuplex(*await asyncio.open_connection(sock=server))
    of_client = RawDuplex(*await asyncio.open_connection(sock=client))
    hears, _says = await asyncio.open_connection(sock=pod)

    async def dial(_port: int) -> forwards.Pipe:
        return await asyncio.open_connection(sock=of_pod)

    async with asyncio.timeout(SECONDS_MAX):
        serving = asyncio.create_task(forwards.serve_streams(of_server, dial, "p1"))
        multiplexer = Multiplexer(of_client, client=True)
        running = asyncio.create_task(multiplexer.run())
        await multiplexer.open({"streamtype": "error", **HEADERS})
        data = await multiplexer.open({"streamtype": "data", **HEADERS})
        await data.write(b"asked")
        await data.end()
        assert await hears.read() == b"asked"
        await leave(of_client, data)
        await serving
    of_server.writer.close()
    await asyncio.gather(running, return_exceptions=True)


async def test_nobody_waits_for_a_pod_that_takes_nothing_once_its_client_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(liveness, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(upgrades, "LEFT_SECONDS_MAX", 0.0)
    server, client = socket.socketpair()
    _reader, writer = await asyncio.open_connection(sock=server)

    async def serve() -> None:
        async with upgrades.watched(writer.transport, SystemClock(), asyncio.current_task()):
            await asyncio.Event().wait()  # as a full pipe to the Pod does

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)
    client.close()
    done, _ = await asyncio.wait((serving,), timeout=SECONDS_MAX)
    assert [task.cancelled() for task in done] == [True]
