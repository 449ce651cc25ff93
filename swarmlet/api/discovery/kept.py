"""Documents that are sent often and change seldom: each is hashed once, compressed once, and known by its hash.

A client that has it asks with `If-None-Match` and gets a 304 (RFC 9110 §13.1.2).
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib

from aiohttp import web

from swarmlet.api import answers
from swarmlet.api.bodies import JSON

PACKED_BYTES_MIN = 1_400
"""Less goes into one packet anyway."""
HASH_LENGTH = 32
FOR_EVER = "public, immutable"
REVALIDATED = "public"
"""To be kept, and asked for again with its hash: it says nothing of who may do what."""


class Kept:
    """A document, ready to send. `digest`: what it is known by."""

    def __init__(self, body: bytes, content_type: str = JSON) -> None:
        self.body = body
        self.digest = hashlib.sha256(body).hexdigest()[:HASH_LENGTH]
        self._content_type = content_type
        self._packed: bytes | None = None

    async def answer(self, request: web.Request, cache_control: str = REVALIDATED) -> web.Response:
        """Return the document in the encoding that the client takes, or only that its copy is good still."""
        headers = {"ETag": f'"{self.digest}"', "Vary": "Accept-Encoding, Accept", "Cache-Control": cache_control}
        if self._is_known(request.headers.get("If-None-Match", "")):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = self._content_type
        if len(self.body) < PACKED_BYTES_MIN or not answers.takes_gzip(request):
            return web.Response(body=self.body, headers=headers)
        if self._packed is None:
            self._packed = await asyncio.to_thread(gzip.compress, self.body, mtime=0)
        return web.Response(body=self._packed, headers=headers | {"Content-Encoding": "gzip"})

    def _is_known(self, header: str) -> bool:
        """Whether an `If-None-Match` names this document, among others perhaps, weakly or not."""
        tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
        return any(tag in ("*", f'"{self.digest}"') for tag in tags)
