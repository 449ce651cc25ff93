from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from swarmlet.api import keepalive, status
from swarmlet.api.doors import NodeDoors
from swarmlet.api.logs import PASSED_ON
from swarmlet.errors import NotFoundError, UnavailableError
from swarmlet.identity import tls
from swarmlet.identity.authority import Authority
from swarmlet.model import kinds
from swarmlet.model.core import DaemonEndpoint, Node, NodeAddress, NodeDaemonEndpoints, NodeStatus
from swarmlet.model.meta import ObjectMeta
from tests.api.conftest import DirectReplica
from tests.identity.conftest import CLUSTER, make_files
from tests.identity.times import NOW

LOG = "/api/v1/namespaces/default/pods/a%20b/log?container=x&follow=true"


@pytest.fixture
async def doors(replica: DirectReplica, tmp_path: Path) -> AsyncIterator[NodeDoors]:
    """The doors of node alpha; node beta answers, on TLS, what it was asked; node gamma is off."""

    ca = Authority.create(CLUSTER, NOW)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/none/log"):
            return web.json_response(status.failure_document(NotFoundError("no such container")), status=404)
        return web.Response(text=f"{request.raw_path} {request.headers[PASSED_ON]}")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    context = tls.server_context(make_files(tmp_path / "beta", ca, "b" * 16, "beta"))
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    for name, port in (("beta", runner.addresses[0][1]), ("gamma", 1)):
        endpoints = NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=port))
        address = NodeAddress(type="InternalIP", address="127.0.0.1")
        node = Node(metadata=ObjectMeta(name=name), status=NodeStatus(addresses=(address,), daemon_endpoints=endpoints))
        replica.put(kinds.NODE, node)
    files = make_files(tmp_path / "alpha", ca, "a" * 16, "alpha")
    yield NodeDoors(view=replica.view, peer_context=lambda: tls.peer_context(files))
    await runner.cleanup()


async def read(doors: NodeDoors, node: str, path: str = LOG) -> bytes:
    return b"".join([chunk async for chunk in doors.stream(node, path)])


async def test_the_other_daemon_is_asked_for_the_very_path_and_told_not_to_pass_it_on(doors: NodeDoors) -> None:
    assert await read(doors, "beta") == f"{LOG} 1".encode()


async def test_the_connection_notices_when_the_other_machine_is_dead(
    doors: NodeDoors, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def made(address: tuple[Any, ...]) -> socket.socket:
        sock = new_socket(address)
        told.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        return sock

    new_socket = keepalive.new_socket
    monkeypatch.setattr(keepalive, "new_socket", made)
    await read(doors, "beta")
    assert told == [keepalive.GONE_SECONDS * 1_000]


async def test_what_the_other_daemon_refuses_is_raised_in_its_words(doors: NodeDoors) -> None:
    with pytest.raises(NotFoundError, match="no such container"):
        await read(doors, "beta", "/api/v1/namespaces/default/pods/none/log")


@pytest.mark.parametrize("node", ["gamma", "nobody"])
async def test_a_node_that_cannot_be_reached_is_unavailable(doors: NodeDoors, node: str) -> None:
    with pytest.raises(UnavailableError, match=node):
        await read(doors, node)
