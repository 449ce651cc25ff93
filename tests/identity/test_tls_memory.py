"""Connections that share the buffer they receive into: nothing of one gets into another."""

from __future__ import annotations

import asyncio
import gc
import os
from asyncio import sslproto

import pytest

from swarmlet.identity import tls, tls_memory
from swarmlet.identity.state import NodeFiles

CONNECTIONS = 8
BODY_BYTES = 300_000
"""More than the buffer holds, and no multiple of it."""
SHARED_NAMES_MAX = 30


@pytest.fixture(autouse=True)
def sharing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sslproto, "SSLProtocol", sslproto.SSLProtocol)  # so that it is put back
    tls_memory.share_buffers()


async def test_what_many_send_at_once_comes_whole_and_apart(alpha: NodeFiles) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(BODY_BYTES))
        await writer.drain()
        writer.close()

    async def call(body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls.peer_context(alpha))
        writer.write(body)
        answer = await reader.read(-1)
        writer.close()
        return answer

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context(alpha), limit=BODY_BYTES)
    port = server.sockets[0].getsockname()[1]
    bodies = [os.urandom(BODY_BYTES) for _ in range(CONNECTIONS)]
    async with server:
        assert await asyncio.gather(*map(call, bodies)) == bodies


async def test_no_connection_has_a_buffer_of_its_own(alpha: NodeFiles) -> None:
    loop, context = asyncio.get_running_loop(), tls.server_context(alpha)
    made = [
        sslproto.SSLProtocol(loop, asyncio.Protocol(), context, loop.create_future(), server_side=True)
        for _ in range(2)
    ]
    first, second = (each.get_buffer(-1) for each in made)
    assert first is second
    assert len(first) == tls_memory.BUFFER_BYTES


async def test_a_connection_has_so_few_attributes_that_all_share_their_names(alpha: NodeFiles) -> None:
    """From the 31st on, CPython gives an object a dictionary with names of its own: 1.5 KB for each connection."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0, ssl=tls.server_context(alpha))
    port = server.sockets[0].getsockname()[1]
    async with server:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls.peer_context(alpha))
        open_ = [each for each in gc.get_objects() if isinstance(each, tls_memory.FrugalProtocol)]
        assert open_
        assert max(len(vars(each)) for each in open_) <= SHARED_NAMES_MAX
        writer.close()
