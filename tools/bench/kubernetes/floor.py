"""The least that a list can cost: an HTTP server that joins bytes and does nothing else, without TLS.

    python -m tools.bench.kubernetes.floor FILE PARTS

Serves the file's contents, cut into so many parts and joined anew for each request. Prints its port, and ends with the
standard input.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from tools.bench import ports


async def serve(document: bytes, parts: int) -> None:
    """Serve until the standard input ends."""
    step = -(-len(document) // parts)
    kept = [document[start : start + step] for start in range(0, len(document), step)]

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=b"".join(kept), content_type="application/json")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    [port] = ports.free(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
