"""Daemons with nothing but identity and `/swarmlet/v1`, on real TLS at 127.0.0.1, agreeing through one store."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from swarmlet.api import middleware
from swarmlet.api.operations.cluster import ClusterApi
from swarmlet.api.operations.membership import Membership
from swarmlet.cli import founding
from swarmlet.identity import access, authority, tls, tokens
from swarmlet.identity.authority import Authority, NodeIdentity
from swarmlet.identity.incarnation import FIRST, Incarnation
from swarmlet.identity.state import NodeFiles
from swarmlet.identity.tokens import JoinToken
from swarmlet.identity.users import Authenticator
from swarmlet.store.commands import Command
from swarmlet.store.replica import MemberStatus
from swarmlet.store.state import Store
from tests.api.lone_replica import LoneReplica
from tests.identity.conftest import CLUSTER, make_files
from tests.identity.times import NOW, FixedClock


@dataclass
class World:
    """One cluster: what all of its daemons agree on."""

    folder: Path
    ca: Authority
    clock: FixedClock = field(default_factory=FixedClock)
    store: Store = field(default_factory=Store)
    members: dict[str, MemberStatus] = field(default_factory=dict)
    token: JoinToken | None = None
    incarnation: Incarnation = FIRST

    def found(self) -> None:
        """Apply what `init` puts into a new log; the first node is alpha."""
        secret = tokens.new_secret()
        invitation = tokens.stored(
            token_id="abcdefgh", secret=secret, usage=tokens.JOIN, now=NOW, ttl=tokens.JOIN_TTL_DEFAULT
        )
        alpha = NodeIdentity(CLUSTER, "a" * 16, "alpha")
        operations = founding.initial_operations(self.ca, alpha, "key", invitation, NOW, random.Random(1))
        self.store.apply(Command(b"", operations))
        fingerprint = authority.authority_sha256(self.ca.certificate_pem)
        self.token = JoinToken(tokens.authority_hash(fingerprint), "abcdefgh", secret)


@dataclass
class Daemon:
    """One serving daemon."""

    address: str
    files: NodeFiles
    replica: LoneReplica
    left: list[bool]
    socket: Path

    @property
    def url(self) -> str:
        return f"https://{self.address}"


@asynccontextmanager
async def serving(world: World, node_id: str = "a" * 16, name: str = "alpha") -> AsyncIterator[Daemon]:
    """Run a member's daemon, on a free port and on a unix socket."""
    files = make_files(world.folder / name, world.ca, node_id, name)
    replica = LoneReplica(node_id, world.store, world.members)
    left: list[bool] = []
    membership = Membership(
        replica=replica,
        clock=world.clock,
        rng=random.Random(7),
        node=files.load().identity,
        peer_context=lambda: tls.peer_context(files),
        incarnation=world.incarnation,
    )
    cluster = ClusterApi(
        membership=membership,
        replica=replica,
        clock=world.clock,
        authority_pem=files.authority_pem(),
        advertise="127.0.0.1:7600",
        left=lambda: left.append(True),
    )
    runner = web.AppRunner(_app(world, membership, cluster, replica))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.server_context(files))
    await site.start()
    socket = world.folder / f"{name}.sock"
    await web.UnixSite(runner, str(socket)).start()
    address = f"127.0.0.1:{runner.addresses[0][1]}"
    world.members[node_id] = MemberStatus(node_id, address, "voter")
    try:
        yield Daemon(address, files, replica, left, socket)
    finally:
        await runner.cleanup()


def _app(world: World, membership: Membership, cluster: ClusterApi, replica: LoneReplica) -> web.Application:
    authenticator = Authenticator(
        cluster_id=CLUSTER, clock=world.clock, find_token=membership.token, is_member=membership.is_member
    )
    guard = middleware.Guard(
        authenticator=authenticator, authorize=access.authorize, replica=replica, unguarded=frozenset()
    )

    @web.middleware
    async def guarded(request: web.Request, handler: middleware.Handler) -> web.StreamResponse:
        return await guard(request, handler)

    @web.middleware
    async def told(request: web.Request, handler: middleware.Handler) -> web.StreamResponse:
        return await middleware.errors(request, handler)

    app = web.Application(middlewares=[told, guarded])
    app.add_routes(cluster.routes())
    return app
