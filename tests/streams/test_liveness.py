"""Whether somebody is at the other end: of real sockets, one of whose ends goes, or only takes a break."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from swarmlet.clock import SystemClock
from swarmlet.streams import liveness

SECONDS_MAX = 10.0
SILENCE_SECONDS = 0.3


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(liveness, "SILENCE_SECONDS_MAX", SILENCE_SECONDS)


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    if request.param == "unix":
        ours, theirs = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs = server.accept()[0]
    with ours, theirs:
        yield ours, theirs


async def is_lost_within(sock: socket.socket, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await liveness.until_lost(sock, SystemClock())
            return True
    return False


async def test_an_end_that_is_gone_is_noticed_though_nobody_reads(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(b"x" * 1_000)
    theirs.close()
    assert await is_lost_within(ours, SECONDS_MAX)


async def test_a_reader_that_takes_a_break_is_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    """Also where the socket comes from a door that bounds what is waited for."""
    ours, _theirs = pair
    if ours.family == socket.AF_INET:
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE_SECONDS * 1_000))
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(65_536))
    assert not await is_lost_within(ours, 5 * SILENCE_SECONDS)


async def test_a_socket_of_ours_that_is_closed_is_not_watched_any_more() -> None:
    ours, theirs = socket.socketpair()
    watching = asyncio.create_task(is_lost_within(ours, SECONDS_MAX))
    await asyncio.sleep(0)
    ours.close()
    assert await watching
    theirs.close()
