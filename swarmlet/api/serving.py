"""The daemon's three doors: the TLS port, the local administrator's socket, the plain status listener."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from swarmlet.addresses import split_address
from swarmlet.api.app import ApiServer
from swarmlet.api.operations import reports
from swarmlet.config import Config
from swarmlet.errors import ConfigError
from swarmlet.identity import tls
from swarmlet.identity.state import NodeFiles

SOCKET_MODE = 0o600
BACKLOG = 1024


@contextlib.asynccontextmanager
async def listening(config: Config, files: NodeFiles, server: ApiServer) -> AsyncIterator[None]:
    """Open the daemon's three doors: the TLS port, the administrator's socket, the plain status listener."""
    api, status = server.runner(), web.AppRunner(reports.build_status_app(server.reports), access_log=None)
    try:
        await api.setup()
        await status.setup()
        host, port = split_address(config.listen)
        with _named("listen", config.listen):
            await web.TCPSite(api, host, port, ssl_context=tls.server_context(files), backlog=BACKLOG).start()
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
