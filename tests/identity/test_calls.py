"""What one machine asks of another before, and besides, their links."""

from __future__ import annotations

import asyncio

import pytest

from swarmlet.errors import OutcomeUnknownError
from swarmlet.identity import calls, tls
from swarmlet.identity.state import NodeFiles


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_call_that_breaks_off_is_not_sent_again(alpha: NodeFiles, beta: NodeFiles, method: str) -> None:
    asked = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=tls.server_context(alpha))
    async with server:
        member = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(OutcomeUnknownError):
            await calls.call(member, method, "/swarmlet/v1/nodes/h1", tls.peer_context(beta))
    assert len(asked) == 1
