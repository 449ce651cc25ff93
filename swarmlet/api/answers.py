"""Responses: JSON bytes as they are or in pieces, warnings in the headers, large answers compressed where that pays."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
from collections.abc import Iterable, Mapping

from aiohttp import web

from swarmlet.api.bodies import JSON
from swarmlet.api.reading.joined import GZIP_LEVEL, Joined, Pieces, body
from swarmlet.clock import Clock

GZIP_BYTES_MIN = 128 * 1024
WARNINGS_MAX = 32
WARNING_LENGTH_MAX = 512

WARNINGS = web.RequestKey("warnings", list[str])
"""What to tell the user beside the answer; the middleware makes headers of it."""


def json(document: bytes, *, code: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response that carries `document`, which is JSON already."""
    return web.Response(body=document, status=code, content_type=JSON, headers=headers)


def joined(document: Joined, clock: Clock) -> web.Response:
    """Return a response that carries a document of many parts: in pieces, where it is large."""
    return web.Response(body=body(document, clock), content_type=JSON)


def warning_header(text: str) -> str:
    """Return the value of one `Warning` header (RFC 7234 §5.5): plain ASCII, quotes escaped, bounded."""
    plain = "".join(each if each.isascii() and each.isprintable() else "?" for each in " ".join(text.split()))
    if len(plain) > WARNING_LENGTH_MAX:
        plain = plain[: WARNING_LENGTH_MAX - 3] + "..."
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'


def add_warnings(response: web.StreamResponse, warnings: Iterable[str]) -> None:
    """Put each warning, once, into the headers."""
    for text in list(dict.fromkeys(warnings))[:WARNINGS_MAX]:
        response.headers.add("Warning", warning_header(text))


async def compress(request: web.Request, response: web.StreamResponse) -> None:
    """Compress a large answer that leaves this machine, for a client that takes it; in a thread, as it takes long."""
    found = response.body if isinstance(response, web.Response) else None
    is_large = isinstance(found, Pieces) or (isinstance(found, bytes) and len(found) >= GZIP_BYTES_MIN)
    if not is_large or response.headers.get("Content-Encoding") or not takes_gzip(request) or _is_near(request):
        return
    if isinstance(found, Pieces):
        found.is_packed = True
    elif isinstance(found, bytes) and isinstance(response, web.Response):
        response.body = await asyncio.to_thread(gzip.compress, found, GZIP_LEVEL)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"


def takes_gzip(request: web.Request) -> bool:
    """Whether the client says that it can unpack."""
    return "gzip" in request.headers.get("Accept-Encoding", "")


def _is_near(request: web.Request) -> bool:
    """Whether the client is on this machine, where copying is cheaper than compressing."""
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return True  # a unix socket
