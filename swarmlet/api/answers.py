"""Responses: JSON bytes as they are, warnings in the headers, large answers compressed where that pays."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
from collections.abc import Iterable, Mapping

from aiohttp import web

from swarmlet.api.bodies import JSON

GZIP_BYTES_MIN = 128 * 1024
GZIP_LEVEL = 1
WARNINGS_MAX = 32
WARNING_LENGTH_MAX = 512

WARNINGS = web.RequestKey("warnings", list[str])
"""What to tell the user beside the answer; the middleware makes headers of it."""


def json(body: bytes, *, code: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response that carries `body`, which is JSON already."""
    return web.Response(body=body, status=code, content_type=JSON, headers=headers)


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
    body = response.body if isinstance(response, web.Response) else None
    if not isinstance(body, bytes) or len(body) < GZIP_BYTES_MIN or response.headers.get("Content-Encoding"):
        return
    if "gzip" not in request.headers.get("Accept-Encoding", "") or _is_near(request):
        return
    assert isinstance(response, web.Response)
    response.body = await asyncio.to_thread(gzip.compress, body, GZIP_LEVEL)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"


def _is_near(request: web.Request) -> bool:
    """Whether the client is on this machine, where copying is cheaper than compressing."""
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return True  # a unix socket
