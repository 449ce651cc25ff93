"""HTTP requests to containers, for probes and hooks: without verification, bounded, one connection each.

Source: kubernetes pkg/probe/http.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from swarmlet.model.container import Container
from swarmlet.model.probes import HTTPGetAction

BODY_BYTES_MAX = 10 * 1024
REDIRECTS_MAX = 10
USER_AGENT = "kube-probe/1.35"
"""What applications know a prober by, to leave it out of their logs."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def port_number(port: int | str, container: Container) -> int:
    """Return the number of a port that may be given by its name; raise ValueError where the container has no such."""
    if isinstance(port, int):
        return port
    found = next((each.container_port for each in container.ports if each.name == port), None)
    if found is None:
        raise ValueError(f'couldn\'t find port "{port}" of container {container.name}')
    return found


def url_of(action: HTTPGetAction, container: Container, pod_ip: str) -> URL:
    """Return what is asked for; raise ValueError where that is no URL."""
    where = address(action.host or pod_ip, port_number(action.port, container))
    return URL(f"{(action.scheme or 'HTTP').lower()}://{where}/{action.path.removeprefix('/')}")


def address(host: str, port: int) -> str:
    """Return an address as one writes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class HttpCalls:
    """The HTTP client of a node's probes and hooks."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def get(self, action: HTTPGetAction, container: Container, pod_ip: str) -> int:
        """Return the status of the answer; redirects are followed while they stay on the host."""
        url = url_of(action, container, pod_ip)
        host = url.host
        for _ in range(REDIRECTS_MAX):
            async with self._request(url, action) as answer:
                await answer.content.read(BODY_BYTES_MAX)
                location = answer.headers.get("Location", "")
                if answer.status not in _REDIRECTS or not location:
                    return answer.status
                url = url.join(URL(location))
                if url.host != host:
                    return answer.status
        raise ValueError(f"stopped after {REDIRECTS_MAX} redirects")

    async def close(self) -> None:
        """Let go of what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @contextlib.asynccontextmanager
    async def _request(self, url: URL, action: HTTPGetAction) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=False, force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        headers = [("User-Agent", USER_AGENT), ("Accept", "*/*")]
        given = {header.name.lower() for header in action.http_headers}
        headers = [each for each in headers if each[0].lower() not in given]
        headers += [(header.name, header.value) for header in action.http_headers if header.value]
        async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
            yield answer
