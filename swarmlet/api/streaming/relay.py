"""A stream carried to the daemon on the Pod's node and back: the same request, and then bytes that nobody looks at."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from aiohttp import web

from swarmlet.api.logs import PASSED_ON
from swarmlet.api.streaming import upgrades
from swarmlet.api.streaming.upgrades import RawDuplex
from swarmlet.client import statuses
from swarmlet.clock import Clock
from swarmlet.errors import SwarmletError, UnavailableError

ERROR_BYTES_MAX = 64 * 1024
ANSWER_SECONDS_MAX = 30.0
PASSED_HEADERS = (
    "Connection",
    "Upgrade",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "X-Stream-Protocol-Version",
)
"""What the other daemon must know; who asks it is this node, which has seen to it that its caller may."""
_END_OF_HEAD = b"\r\n\r\n"


class NodeConnector(Protocol):
    """The way to the daemon on another node."""

    async def connect(self, node_name: str) -> RawDuplex:
        """Return a connection to its API; raise `UnavailableError` where there is none."""


async def carry(request: web.Request, node_name: str, connector: NodeConnector, clock: Clock) -> None:
    """Put a request to the daemon on `node_name`, and carry bytes both ways until either end is gone.

    Raises what the other daemon answers as an error, before the request is answered.
    """
    there = await connector.connect(node_name)
    try:
        head = await _ask(there, _request_head(request), node_name)
        if head.split(b" ", 2)[1:2] != [b"101"]:
            raise await _refusal(there, head, node_name)
        async with upgrades.watched(there.writer.transport, clock), upgrades.raw(request, head, clock) as here:
            await _either_way(here, there)
    finally:
        there.writer.transport.abort()


def _request_head(request: web.Request) -> bytes:
    lines = [f"{request.method} {request.rel_url.raw_path_qs} HTTP/1.1", "Host: swarmlet", f"{PASSED_ON}: 1"]
    lines += [f"{name}: {value}" for name in PASSED_HEADERS for value in request.headers.getall(name, ())]
    return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


async def _ask(there: RawDuplex, request_head: bytes, node_name: str) -> bytes:
    """Put the request and return the head of the answer."""
    try:
        await there.write(request_head)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await there.reader.readuntil(_END_OF_HEAD)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise UnavailableError(f'node "{node_name}" does not answer: {error or type(error).__name__}') from error


async def _refusal(there: RawDuplex, head: bytes, node_name: str) -> SwarmletError:
    """Return the error that the other daemon answered with."""
    body = b""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            body = await there.reader.readexactly(min(_length(head), ERROR_BYTES_MAX))
    code = head.split(b" ", 2)[1:2]
    return statuses.error_of_answer(int(code[0]) if code and code[0].isdigit() else 502, body, f"node {node_name}")


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return 0


async def _either_way(here: RawDuplex, there: RawDuplex) -> None:
    """Carry bytes until either end closes; what the other had sent before is still delivered."""
    tasks = {asyncio.create_task(_one_way(here, there)), asyncio.create_task(_one_way(there, here))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _one_way(source: RawDuplex, sink: RawDuplex) -> None:
    while data := await source.read():
        await sink.write(data)
