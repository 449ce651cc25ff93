"""Notes to systemd: ready, stopping, a status line, and the watchdog. Source: sd_notify(3).

Outside systemd every note goes nowhere, silently.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from swarmlet.clock import Clock

STATUS_LENGTH_MAX = 256


class Supervisor:
    """Speaks to the service manager that started this process.

    Args:
        address: systemd's datagram socket (NOTIFY_SOCKET); "" where there is none, "@..." an abstract one.
        watchdog_seconds: how long systemd waits for a sign of life; 0: it does not watch.
    """

    def __init__(self, *, address: str = "", watchdog_seconds: float = 0.0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pid: int | None = None) -> Supervisor:
        """Read what systemd left in the environment; a watchdog meant for another process is not ours."""
        meant_for = environment.get("WATCHDOG_PID", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        watched = microseconds.isdigit() and meant_for in ("", str(pid or os.getpid()))
        return cls(
            address=environment.get("NOTIFY_SOCKET", ""),
            watchdog_seconds=int(microseconds) / 1e6 if watched else 0.0,
        )

    def ready(self, status: str = "") -> None:
        """Say that the daemon serves."""
        self._send("READY=1", status)

    def stopping(self, status: str = "") -> None:
        """Say that the daemon is ending on purpose."""
        self._send("STOPPING=1", status)

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send("", text)

    def alive(self) -> None:
        """Feed the watchdog once."""
        self._send("WATCHDOG=1", "")

    async def run(self, clock: Clock) -> None:
        """Feed the watchdog twice in each of its periods; return at once where nobody watches.

        It runs on the event loop on purpose: a loop that hangs feeds nobody and is restarted.
        """
        while self.watchdog_seconds:
            self.alive()
            await clock.sleep(self.watchdog_seconds / 2)

    def _send(self, note: str, status: str) -> None:
        if not self._address:
            return
        line = " ".join(status.split())[:STATUS_LENGTH_MAX]
        message = "\n".join(part for part in (note, f"STATUS={line}" if line else "") if part)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as door:
            try:
                door.sendto(message.encode(), self._address)
            except OSError:
                return  # systemd is gone or its queue is full; a missed note is its to notice
