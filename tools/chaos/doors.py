"""The clients' way in: each daemon's local socket, which no fault of the network closes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from tools.lab.cluster import Cluster

NAMESPACE = "chaos"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
WRITTEN = f"{CONFIG_MAPS}?fieldSelector=metadata.name%21%3Dkube-root-ca.crt"
"""Those of the clients: one is the cluster's own, in every namespace."""
ANSWER_SECONDS_MAX = 12.0
CONNECT_SECONDS_MAX = 2.0
LINE_BYTES_MAX = 4 * 1024 * 1024
OUT_OF_REACH = 0
NOT_ANSWERED = -1


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and a document; OUT_OF_REACH: it was surely never asked; NOT_ANSWERED: nobody knows."""

    code: int
    document: Mapping[str, Any]

    @property
    def reason(self) -> str:
        return str(self.document.get("reason") or self.document.get("message") or self.code)


class Doors:
    """One session a daemon. A connection serves one request, and nothing is ever sent twice by itself."""

    def __init__(self, cluster: Cluster) -> None:
        self.names = list(cluster.daemons)
        self._sockets = {daemon.name: str(daemon.socket) for daemon in cluster}
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
        for name, path in self._sockets.items():
            connector = aiohttp.UnixConnector(path, force_close=True, limit=0)
            session = aiohttp.ClientSession(
                "http://localhost", connector=connector, timeout=timeout, read_bufsize=LINE_BYTES_MAX
            )
            session._retry_connection = False  # else a PUT that was answered by a broken connection is sent again
            self._sessions[name] = session
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in self._sessions.values():
            await session.close()

    async def ask(self, daemon: str, method: str, path: str, document: object = None) -> Answer:
        """Ask one daemon once."""
        try:
            async with self._sessions[daemon].request(method, path, json=document) as answer:
                return Answer(answer.status, json.loads(await answer.read()))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Answer(OUT_OF_REACH, {"reason": "out of reach"})
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            return Answer(NOT_ANSWERED, {"reason": type(error).__name__})

    async def made(self, daemon: str, path: str, document: object) -> None:
        """Create an object; raise `OSError` where that is refused."""
        answer = await self.ask(daemon, "POST", path, document)
        if answer.code != 201:
            raise OSError(f"{daemon}: POST {path}: {answer.code} {answer.reason}")

    async def body(self, daemon: str, path: str) -> bytes:
        """Return the body of an answer as it is; raise `OSError` where there is none."""
        try:
            async with self._sessions[daemon].get(path) as answer:
                body = await answer.read()
                if answer.status != 200:
                    raise OSError(f"{daemon}: GET {path}: {answer.status} {body[:300].decode(errors='replace')}")
                return body
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OSError(f"{daemon}: GET {path}: {error!r}") from error

    @asynccontextmanager
    async def lines(self, daemon: str, path: str, seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream of lines."""
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS_MAX, sock_read=seconds)
        async with self._sessions[daemon].get(path, timeout=timeout) as answer:
            yield _lines(answer.content)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    async for line in content:
        yield line


async def nap(seconds: float, stopping: asyncio.Event) -> bool:
    """Wait; return False at once where it is time to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return True
    return False
