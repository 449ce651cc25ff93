"""How long a daemon's event loop does not answer others, seen from a process of its own.

    python -m tools.bench.kubernetes.pinger SOCKET PID

Asks for /livez on the administrator's socket again and again. On each line of the standard input prints the longest
wait since the line before: a JSON document as of `Pause`. Ends with the standard input.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tools.bench.kubernetes import processes

REQUEST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
STEP_SECONDS = 0.002
ANSWER_SECONDS_MAX = 30.0
_ANSWER_BYTES_MAX = 64 * 1024


@dataclass(frozen=True)
class Pause:
    """The longest wait for an answer; and the most that the loop itself worked during one.

    The second leaves out what other processes took of a busy machine.
    """

    wait_ms: float
    own_ms: float


class Pinger:
    """A running pinger of one daemon."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def longest(self) -> Pause:
        """Return the longest pause since this was asked last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Pause(**json.loads(self._process.stdout.readline()))


@contextlib.contextmanager
def pinging(door: str, pid: int) -> Iterator[Pinger]:
    """Ping the daemon with this administrator's socket and process id until the end of the block."""
    argv = [sys.executable, "-m", "tools.bench.kubernetes.pinger", door, str(pid)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        pinger = Pinger(process)
        pinger.longest()
        yield pinger


def main() -> None:
    door, pid = sys.argv[1], int(sys.argv[2])
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS_MAX)
        connection.connect(door)
        wait = own = 0.0
        while True:
            if select.select([sys.stdin], [], [], STEP_SECONDS)[0]:
                if not sys.stdin.readline():
                    return
                print(json.dumps(asdict(Pause(1000 * wait, 1000 * own))), flush=True)
                wait = own = 0.0
            begun, worked = time.monotonic(), processes.main_thread_seconds(pid)
            connection.sendall(REQUEST)
            if not connection.recv(_ANSWER_BYTES_MAX).startswith(b"HTTP/1.1 200"):
                raise ConnectionError("the daemon is not well")
            wait = max(wait, time.monotonic() - begun)
            own = max(own, processes.main_thread_seconds(pid) - worked)


if __name__ == "__main__":
    main()
