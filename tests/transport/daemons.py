"""Real certificates of a real CA, and daemons' ports on loopback."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from swarmlet.identity import authority, tls
from swarmlet.identity.authority import Authority, NodeIdentity
from swarmlet.identity.incarnation import FIRST
from swarmlet.transport import upgrade
from swarmlet.transport.tls_peers import TlsPeers

CLUSTER = "c0ffee0000000000"


def node_id(number: int) -> str:
    return f"{number:016x}"


class Daemon:
    """One machine's peers behind a real TLS listener."""

    def __init__(self, folder: Path, number: int, ca: Authority, *, cluster_id: str = CLUSTER) -> None:
        self.node_id = node_id(number)
        self.cluster_id = cluster_id
        self.incarnation = FIRST
        self.address = ""
        self.events: list[tuple[str, bool]] = []
        self.changed = asyncio.Event()
        self._server_context, self.client_context = contexts(folder / str(number), ca, self.node_id, cluster_id)
        self.peers = self.new_peers()
        self._port = 0
        self._running: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None

    def new_peers(self) -> TlsPeers:
        peers = TlsPeers(
            node_id=self.node_id,
            cluster_id=self.cluster_id,
            client_context=self.client_context,
            identify=tls.peer_identity,
            rng=random.Random(1),
            incarnation=self.incarnation,
        )
        peers.on_link(self._note)
        return peers

    @property
    def running(self) -> asyncio.Task[None]:
        assert self._running
        return self._running

    def _note(self, node: str, up: bool) -> None:
        self.events.append((node, up))
        self.changed.set()

    async def start(self) -> None:
        self._running = asyncio.create_task(self.peers.run())
        app = web.Application()
        app.router.add_get(upgrade.PATH, self.peers.handle_upgrade)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._server_context)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.address = f"127.0.0.1:{self._port}"

    async def stop(self) -> None:
        if self._running and self._runner:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            await self._runner.cleanup()
            self._running = self._runner = None

    async def until(self, node: str, up: bool) -> None:
        """Wait for the latest link event of `node` to be `up`."""
        async with asyncio.timeout(10):
            while next((event_up for name, event_up in reversed(self.events) if name == node), None) is not up:
                self.changed.clear()
                await self.changed.wait()


def contexts(folder: Path, ca: Authority, node: str, cluster_id: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Write a node's key and certificate; return the listener's context and the dialler's."""
    folder.mkdir(parents=True, exist_ok=True)
    key = authority.new_key()
    identity = NodeIdentity(cluster_id=cluster_id, node_id=node, name=f"node-{node[-1]}")
    certificate = ca.sign_node(authority.new_request(key), identity, "127.0.0.1", datetime.now(UTC))
    (folder / "key").write_text(key)
    (folder / "crt").write_text(certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.verify_mode = ssl.CERT_OPTIONAL
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(folder / "crt", folder / "key")
        context.load_verify_locations(cadata=ca.certificate_pem)
    return server, client


@asynccontextmanager
async def running(*daemons: Daemon) -> AsyncIterator[None]:
    """Start daemons, tell each where the others are, wait until all are linked; stop them at the end."""
    try:
        for daemon in daemons:
            await daemon.start()
        addresses = {daemon.node_id: daemon.address for daemon in daemons}
        for daemon in daemons:
            daemon.peers.set_addresses(addresses)
        for daemon in daemons:
            for other in daemons:
                if other is not daemon:
                    await daemon.until(other.node_id, up=True)
        yield
    finally:
        for daemon in daemons:
            await daemon.stop()
