"""The way from this daemon's API to another's: for what only the Pod's own node can show."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import cast

import aiohttp
from yarl import URL

from swarmlet.addresses import PORT, join_address, split_address
from swarmlet.api import keepalive
from swarmlet.api.logs import PASSED_ON
from swarmlet.api.streaming.upgrades import READ_BYTES, RawDuplex
from swarmlet.client import statuses
from swarmlet.errors import UnavailableError
from swarmlet.model import kinds
from swarmlet.model.core import Node
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

CONNECT_SECONDS_MAX = 5.0
ERROR_BYTES_MAX = 64 * 1024


class NodeDoors:
    """Calls other daemons with this node's certificate; a log may be silent for long, so only connecting is timed.

    A machine that dies meanwhile is noticed by its connection (`keepalive`).

    Args:
        view: tells where each Node listens.
        peer_context: makes the TLS context that shows this node's certificate and trusts the cluster's CA alone.
    """

    def __init__(self, *, view: View, peer_context: Callable[[], ssl.SSLContext]) -> None:
        self._view = view
        self._peer_context = peer_context

    async def stream(self, node_name: str, path: str) -> AsyncIterator[bytes]:
        """Yield what the daemon on `node_name` answers to a GET of `path` (percent-encoded, with its query).

        Raises what it answers as an error, or `UnavailableError` where it cannot be reached or breaks off.
        """
        url = URL(f"https://{self._address(node_name)}{path}", encoded=True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX)
        connector = aiohttp.TCPConnector(ssl=self._peer_context(), socket_factory=keepalive.new_socket)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.get(url, headers={PASSED_ON: "1"}) as answer,
            ):
                if answer.status >= 400:
                    body = await answer.content.read(ERROR_BYTES_MAX)
                    raise statuses.error_of_answer(answer.status, body, f"GET {url.path} on node {node_name}")
                async for chunk in answer.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f'node "{node_name}" at {url.authority} does not answer: {error}') from error

    async def connect(self, node_name: str) -> RawDuplex:
        """Return a connection to the API of the daemon on `node_name`; raise `UnavailableError` where there is none."""
        host, port = split_address(self._address(node_name))
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                streams = await asyncio.open_connection(
                    host, port, ssl=self._peer_context(), server_hostname=host, limit=READ_BYTES
                )
        except (OSError, TimeoutError) as error:
            what = str(error) or f"no answer in {CONNECT_SECONDS_MAX:g} s"
            where = join_address(host, port)
            raise UnavailableError(f'node "{node_name}" at {where} does not answer: {what}') from error
        return RawDuplex(*streams)

    def _address(self, node_name: str) -> str:
        stored = self._view.get(Key(kinds.NODE.resource, "", node_name))
        if stored is None:
            raise UnavailableError(f'node "{node_name}" is not in the cluster any more')
        status = cast("Node", stored.object).status
        host = next((each.address for each in status.addresses if each.type == "InternalIP"), "")
        if not host:
            raise UnavailableError(f'node "{node_name}" has not told where it listens yet')
        endpoint = status.daemon_endpoints.kubelet_endpoint if status.daemon_endpoints else None
        return join_address(host, endpoint.port if endpoint else PORT)
