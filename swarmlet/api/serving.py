"""The daemon's three doors: the TLS port, the local administrator's socket, the plain status listener."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from swarmlet.addresses import split_address
from swarmlet.api.app import ApiServer
from swarmlet.api.keepalive import keep_alive
from swarmlet.api.operations import reports
from swarmlet.config import Config
from swarmlet.errors import ConfigError
from swarmlet.identity import tls_memory

SOCKET_MODE = 0o600
BACKLOG = 1024


@contextlib.asynccontextmanager
async def listening(config: Config, context: ssl.SSLContext, server: ApiServer) -> AsyncIterator[None]:
    """Open the daemon's three doors: the TLS port, the administrator's socket, the plain status listener."""
    tls_memory.share_buffers()
    api, status = server.runner(), web.AppRunner(reports.build_status_app(server.reports), access_log=None)
    try:
        await api.setup()
        await status.setup()
        host, port = split_address(config.listen)
        with _named("listen", config.listen):
            for door in _doors(host, port):
                await web.SockSite(api, door, ssl_context=context, backlog=BACKLOG).start()
        with _named("socket", str(config.socket)):
            await web.SockSite(api, _admin_socket(config)).start()
        host, port = split_address(config.status_listen)
        with _named("status_listen", config.status_listen):
            await web.TCPSite(status, host, port).start()
        yield
    finally:
        await api.cleanup()
        await status.cleanup()
        config.socket.unlink(missing_ok=True)


def _doors(host: str, port: int) -> list[socket.socket]:
    """Return sockets for all addresses that a host has, whose connections notice that the other end is gone."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    doors: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            door = socket.socket(family, socket.SOCK_STREAM)
            doors.append(door)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            keep_alive(door)
            door.bind(address)
    except OSError:
        for door in doors:
            door.close()
        raise
    return doors


def _admin_socket(config: Config) -> socket.socket:
    """Return the local administrator's socket: nobody else may open it, not even before it is closed to them."""
    config.socket.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    config.socket.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~SOCKET_MODE)
    try:
        door.bind(str(config.socket))
    finally:
        os.umask(before)
    return door


@contextlib.contextmanager
def _named(key: str, address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{key}: cannot listen on {address} ({os.strerror(error.errno) if error.errno else error}); "
            f"stop what has it, or set another with `{key}` in the configuration"
        ) from error
