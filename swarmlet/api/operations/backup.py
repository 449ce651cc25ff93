"""`GET /swarmlet/v1/backup`: the whole replicated state as one stream. For administrators: the CA's key is in it."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web

from swarmlet import __version__
from swarmlet.api.middleware import USER
from swarmlet.clock import Clock
from swarmlet.identity.access import BACKUP_PATH
from swarmlet.identity.state import NodeState
from swarmlet.store import backup
from swarmlet.store.backup import Manifest
from swarmlet.store.replica import Replica

log = structlog.get_logger()


class BackupApi:
    """The handler.

    Args:
        replica: whose state it is.
        clock: dates it.
        node: who this daemon is.
    """

    def __init__(self, *, replica: Replica, clock: Clock, node: NodeState) -> None:
        self._replica = replica
        self._clock = clock
        self._node = node

    def routes(self) -> list[web.RouteDef]:
        """Return what the app is to serve."""
        return [web.get(BACKUP_PATH, self._stream, allow_head=False)]

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Send the state that holds every write acknowledged before; nothing waits for it, and it waits for nobody."""
        await self._replica.linearize()
        capture = self._replica.view.capture()
        manifest = Manifest(
            cluster_id=self._node.cluster_id,
            incarnation=self._node.incarnation,
            taken=self._clock.now(),
            node=self._node.name,
            version=__version__,
            revision=capture.revision,
            objects=len(capture.objects),
        )
        log.info("backup_started", by=request[USER].name, revision=manifest.revision, objects=manifest.objects)
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        pieces = backup.encode(manifest, capture)
        while piece := await asyncio.to_thread(next, pieces, b""):
            await response.write(piece)
        await response.write_eof()
        log.info("backup_sent", by=request[USER].name, revision=manifest.revision)
        return response
