"""Addresses of daemons: this machine's socket; and as text "host", "host:port", "[v6]:port"."""

from __future__ import annotations

import re
import socket
from pathlib import Path

PORT = 7600
DEFAULT_SOCKET = Path("/run/swarmlet/swarmlet.sock")

_HOST = re.compile(r"[A-Za-z0-9]([-.A-Za-z0-9]{0,251}[A-Za-z0-9])?")


def split_address(text: str, *, default_port: int = PORT) -> tuple[str, int]:
    """Split "host", "host:port", "[v6]:port" or "v6"; raise `ValueError` where it is none of these."""
    allowed = 'host, host:port or [IPv6 address]:port, such as "10.0.0.5:7600"'
    if text.startswith("[") or text.count(":") < 2:
        host, bracket, rest = text.removeprefix("[").partition("]") if text.startswith("[") else _split_plain(text)
        port = rest.removeprefix(":")
    else:
        host, bracket, port = text, "]", ""
    literal = ":" in host
    if (literal and not (bracket and _is_v6(host))) or (not literal and not _HOST.fullmatch(host)):
        raise ValueError(allowed)
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{allowed}; the port is 0 to 65535")
    return host, int(port) if port else default_port


def _split_plain(text: str) -> tuple[str, str, str]:
    host, _, port = text.partition(":")
    return host, "", port


def _is_v6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host)
    except OSError:
        return False
    return True


def join_address(host: str, port: int) -> str:
    """Return "host:port", with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
