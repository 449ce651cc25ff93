from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmlet.telemetry.supervision import STATUS_LENGTH_MAX, Supervisor


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def supervisor(systemd: socket.socket, **environment: str) -> Supervisor:
    return Supervisor.from_environment({"NOTIFY_SOCKET": systemd.getsockname(), **environment}, pid=7)


def test_readiness_is_told_with_a_status(systemd: socket.socket) -> None:
    supervisor(systemd).ready("3 nodes")
    assert systemd.recv(4096) == b"READY=1\nSTATUS=3 nodes"


def test_stopping_is_told(systemd: socket.socket) -> None:
    supervisor(systemd).stopping()
    assert systemd.recv(4096) == b"STOPPING=1"


def test_a_status_is_one_line_of_bounded_length(systemd: socket.socket) -> None:
    supervisor(systemd).status("a\nREADY=1 " + "b" * 10_000)
    message = systemd.recv(65_536)
    assert b"\n" not in message
    assert len(message) == len("STATUS=") + STATUS_LENGTH_MAX


def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0swarmlet-test-notify")
        Supervisor(address="@swarmlet-test-notify").alive()
        assert listener.recv(4096) == b"WATCHDOG=1"


def test_without_systemd_notes_go_nowhere(tmp_path: Path) -> None:
    Supervisor().ready()
    Supervisor(address=str(tmp_path / "gone")).ready()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_ours_only_if_it_names_us(environment: dict[str, str], seconds: float) -> None:
    assert Supervisor.from_environment(environment, pid=7).watchdog_seconds == seconds


class CountingClock:
    """Ends the loop after some sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == 3:
            raise asyncio.CancelledError


async def test_the_watchdog_is_fed_twice_in_its_period(systemd: socket.socket) -> None:
    clock = CountingClock()
    with pytest.raises(asyncio.CancelledError):
        await supervisor(systemd, WATCHDOG_USEC="30000000").run(clock)
    assert clock.slept == [15.0, 15.0, 15.0]
    assert [systemd.recv(4096) for _ in clock.slept] == [b"WATCHDOG=1"] * 3


async def test_where_nobody_watches_nothing_runs() -> None:
    await Supervisor().run(CountingClock())
