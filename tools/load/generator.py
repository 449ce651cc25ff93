"""Sends requests at a constant rate, whatever becomes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tools.load.counting import Count
from tools.load.targets import Targets

REQUEST_SECONDS = 5.0
UNDER_WAY_MAX = 200
ANSWER_BYTES_MAX = 64 * 1024
REQUEST = b"GET / HTTP/1.0\r\nHost: web\r\n\r\n"


class Generator:
    """Requests in turn to the Pods that are near; a connection each, as the shortest-lived clients have them."""

    def __init__(self, targets: Targets, *, port: int, rate: float) -> None:
        self.count = Count()
        self._targets = targets
        self._port = port
        self._interval_seconds = 1.0 / rate
        self._turn = 0
        self._seen_any = False

    async def run(self, goes_on: Callable[[], bool]) -> Count:
        """Send until told to stop, and wait for the last answers."""
        async with asyncio.TaskGroup() as group:
            under_way: set[asyncio.Task[None]] = set()
            due = time.monotonic()
            while goes_on():
                self._look()
                if self._targets.near and len(under_way) < UNDER_WAY_MAX:
                    name, address = self._next()
                    task = group.create_task(self._request(name, address))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                due += self._interval_seconds
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        return self.count

    def _look(self) -> None:
        self._seen_any |= bool(self._targets.everywhere)
        if self._seen_any and not self._targets.everywhere:
            self.count.idle_seconds += self._interval_seconds

    def _next(self) -> tuple[str, str]:
        self._turn += 1
        names = sorted(self._targets.near)
        name = names[self._turn % len(names)]
        return name, self._targets.near[name]

    async def _request(self, name: str, address: str) -> None:
        start = time.monotonic()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await _get(address, self._port)
        except OSError as error:  # TimeoutError is an OSError
            self.count.fail(name, f"{type(error).__name__} {error} after {time.monotonic() - start:.3f} s".strip())
            return
        if is_whole(answer):
            self.count.succeed(name, (time.monotonic() - start) * 1000)
        else:
            self.count.fail(name, f"answered {answer[:60]!r}")


async def _get(address: str, port: int) -> bytes:
    """Return all that the server sends until it closes the connection."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(REQUEST)
        await writer.drain()
        answer = b""
        while len(answer) < ANSWER_BYTES_MAX and (piece := await reader.read(ANSWER_BYTES_MAX)):
            answer += piece
        return answer
    finally:
        writer.close()


def is_whole(answer: bytes) -> bool:
    """Whether an answer is a 200 with as much body as its Content-Length says."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    lengths = [line.partition(b":")[2].strip() for line in headers if line.lower().startswith(b"content-length:")]
    length = int(lengths[0]) if lengths and lengths[0].isdigit() else 0
    return bool(separator) and b" 200 " in status and len(body) >= length
