"""Connections that notice when the machine at their other end has lost its power, which says nothing (tcp(7))."""

from __future__ import annotations

import socket
from typing import Any

SILENT_SECONDS = 30
"""Without a byte from the other end before it is asked whether it is there."""
ASKED_SECONDS, ASKED_MAX = 10, 3
"""How often it is asked then, and how many times."""
GONE_SECONDS = SILENT_SECONDS + ASKED_SECONDS * ASKED_MAX
"""After which an end is taken to be gone that does not say that it is there, or does not take what it was sent."""
_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASKED_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASKED_MAX),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1_000),
)


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel watch a connection, or all that a listening socket accepts.

    Without this the watch of a machine that is off stays open for hours, or for a quarter of an hour where something
    was to be told to it.
    """
    for level, option, value in _OPTIONS:
        sock.setsockopt(level, option, value)


def new_socket(address: tuple[Any, ...]) -> socket.socket:
    """Return a socket that is watched so, for one entry of `getaddrinfo` (aiohttp's `socket_factory`)."""
    family, kind, protocol, *_ = address
    sock = socket.socket(family, kind, protocol)
    keep_alive(sock)
    return sock
