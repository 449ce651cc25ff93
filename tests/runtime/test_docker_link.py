"""The way to an Engine that breaks off: what goes wrong is always one of our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from swarmlet.errors import EngineError
from swarmlet.runtime.docker_link import EngineLink

VERSION = b'{"ApiVersion": "1.41"}'


@pytest.fixture
async def breaking_engine() -> AsyncIterator[str]:
    """An Engine that tells its version, begins to answer anything else, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/version" in request:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(VERSION)}\r\n\r\n"
            writer.write(head.encode() + VERSION)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nhalf a")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("unix:///var/run/docker.sock", True), ("tcp://10.0.0.1:2375", False), ("https://engine:2376", False)],
)
def test_only_an_engine_at_a_socket_of_this_machine_sees_its_files(host: str, is_local: bool) -> None:
    assert EngineLink(host).is_local == is_local


async def test_a_stream_that_breaks_off_is_told_as_the_engines_fault(breaking_engine: str) -> None:
    link = EngineLink(breaking_engine)
    with pytest.raises(EngineError, match=r"the Docker Engine at .* does not answer"):
        async with link.stream("containers/x/logs", {}) as response:
            await response.read()
    await link.close()


async def test_a_stream_to_nobody_is_told_as_the_engines_fault(breaking_engine: str) -> None:
    link = EngineLink(breaking_engine)
    await link.docker.version()
    link.docker.docker_host = "http://127.0.0.1:1"
    with pytest.raises(EngineError, match=r"the Docker Engine at .* does not answer"):
        async with link.stream("containers/x/logs", {}):
            pass
    await link.close()
