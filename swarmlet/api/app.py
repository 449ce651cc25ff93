"""The API server put together: handlers, the middleware around them, one aiohttp application."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, Gauge

from swarmlet.api import bodies
from swarmlet.api.access.account_tokens import AccountTokenApi, tokens_of
from swarmlet.api.access.authorization import Authorizer
from swarmlet.api.access.escalation import Asking
from swarmlet.api.access.origins import Signer
from swarmlet.api.access.reviews import Reviews
from swarmlet.api.discovery.lists import Discovery
from swarmlet.api.discovery.openapi import OpenApi
from swarmlet.api.logs import LogApi, NodeDoor, PodStreams
from swarmlet.api.middleware import Authenticator, Guard, Handler, Limits, Observer, errors
from swarmlet.api.operations.reports import ClusterInfo, Reports
from swarmlet.api.operations.why import WhyApi
from swarmlet.api.reading.leases import LeaseSource
from swarmlet.api.reading.metrics_api import MetricsApi, UsageSource
from swarmlet.api.reading.reads import Reader
from swarmlet.api.reading.streams import Streamer
from swarmlet.api.reading.watches import Hub
from swarmlet.api.resources import Resources
from swarmlet.api.streaming.relay import NodeConnector
from swarmlet.api.streaming.serving import PodSessions, StreamApi
from swarmlet.api.writing.applies import Applies
from swarmlet.api.writing.eviction import Evictions
from swarmlet.api.writing.subresources import Subresources
from swarmlet.api.writing.writes import Writer
from swarmlet.clock import Clock
from swarmlet.store.replica import Replica

KEEPALIVE_SECONDS = 90.0
SHUTDOWN_SECONDS = 5.0
HANDLERS_MAX = 256
"""More than there are routes."""


class PodInsides(PodStreams, PodSessions, Protocol):
    """What the agent shows of the Pods on this node, and lets others do with them."""


class Doors(NodeDoor, NodeConnector, Protocol):
    """The ways to the API of other daemons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the API serves that is not in the store: this node's Pods inside, the way to others, heartbeats, usage."""

    pods: PodInsides
    door: Doors
    leases: LeaseSource
    usage: UsageSource


class ApiServer:
    """One daemon's API. `app` is the application, `reports` also feeds the status listener.

    Args:
        replica: where objects are read and written.
        authenticator: says who asks.
        info: who this daemon is.
        sources: what comes from elsewhere than the store.
        clock, rng: stamp objects, spread timeouts.
        registry: takes the API's metrics.
        routes: further paths, authenticated and authorised like all (`ClusterApi.routes()`).
        unguarded_routes: further paths that see to that themselves (the upgrade to a peer link).
        authorizer: says whether they may; None: one of its own.
    """

    def __init__(  # noqa: PLR0913  a composition takes what it composes, each by keyword
        self,
        *,
        replica: Replica,
        authenticator: Authenticator,
        info: ClusterInfo,
        sources: Sources,
        clock: Clock,
        rng: random.Random,
        registry: CollectorRegistry,
        routes: Iterable[web.RouteDef] = (),
        unguarded_routes: Iterable[web.RouteDef] = (),
        authorizer: Authorizer | None = None,
    ) -> None:
        unguarded_routes = tuple(unguarded_routes)
        authorizer = authorizer or Authorizer(replica.view)
        guard = Guard(
            authenticator=authenticator,
            authorize=authorizer.authorize,
            replica=replica,
            unguarded=frozenset(route.path for route in unguarded_routes),
        )
        observer = Observer(clock=clock, rng=rng, registry=registry)
        self.reports = Reports(replica=replica, info=info, clock=clock, registry=registry)
        self._hub = Hub(replica.view, clock)
        reader = Reader(replica=replica, clock=clock, lease_source=sources.leases)
        self._streams = StreamApi(
            node_name=info.node_name, reader=reader, sessions=sources.pods, connector=sources.door, clock=clock
        )
        self._logs = LogApi(
            node_name=info.node_name, reader=reader, streams=sources.pods, door=sources.door, clock=clock
        )
        gauge = Gauge("swarmlet_api_watches", "Watches that are open.", registry=registry)
        gauge.set_function(self._hub.count)
        tokens = tokens_of(replica.view, clock)
        self._tokens = AccountTokenApi(replica=replica, tokens=tokens)
        self._reviews = Reviews(authorizer=authorizer, authenticator=authenticator, tokens=tokens)
        signer, asking = Signer(node_name=info.node_name, clock=clock), Asking(authorizer)
        self.app = web.Application(
            middlewares=[_around(observer, Limits(registry), guard, asking, signer)],
            client_max_size=bodies.BODY_BYTES_MAX,
        )
        why = WhyApi(
            replica=replica, clock=clock, lease_source=sources.leases, authorize=authorizer.authorize, info=info
        )
        own = (self.reports, Discovery(replica, clock), OpenApi(replica, clock), why, self._tokens)
        self.app.add_routes([*routes, *unguarded_routes, *(route for part in own for route in part.routes())])
        resources = self._resources(replica=replica, sources=sources, clock=clock, rng=rng)
        for path in ("/api/{version}/{rest:.+}", "/apis/{group}/{version}/{rest:.+}"):
            self.app.router.add_route("*", path, resources.handle)
        self.app.on_shutdown.append(self._end_streams)

    def runner(self) -> web.AppRunner:
        """Return what serves the application; add sites (TCP with TLS, unix socket) to it."""
        return web.AppRunner(
            self.app,
            handler_cancellation=True,
            auto_decompress=False,  # a body that is packed is refused (`bodies.read`), and grows in no parser before
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )

    def _resources(self, *, replica: Replica, sources: Sources, clock: Clock, rng: random.Random) -> Resources:
        reader = Reader(replica=replica, clock=clock, lease_source=sources.leases)
        writer = Writer(replica=replica, reader=reader, clock=clock, rng=rng)
        return Resources(
            reader=reader,
            writer=writer,
            applies=Applies(writer=writer, clock=clock),
            streamer=Streamer(replica=replica, reader=reader, hub=self._hub, clock=clock, rng=rng),
            parts=Subresources(reader=reader, writer=writer, clock=clock),
            evictions=Evictions(replica=replica, reader=reader, clock=clock),
            logs=self._logs,
            streams=self._streams,
            metrics=MetricsApi(replica=replica, reader=reader, source=sources.usage, clock=clock),
            tokens=self._tokens,
            reviews=self._reviews,
        )

    async def _end_streams(self, _app: web.Application) -> None:
        self._hub.close()
        self._streams.close()
        self._logs.close()


def _around(observer: Observer, limits: Limits, guard: Guard, asking: Asking, signer: Signer) -> Middleware:
    """Return the one middleware that runs all of ours, outermost first."""

    @functools.lru_cache(maxsize=HANDLERS_MAX)  # one for each request would be kept for as long as a watch lasts
    def chain(handler: Handler) -> Handler:
        signed = functools.partial(signer, handler=handler)
        asked = functools.partial(asking, handler=signed)
        guarded = functools.partial(guard, handler=asked)
        limited = functools.partial(limits, handler=guarded)
        return functools.partial(errors, handler=limited)

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await observer(request, chain(handler))

    return around
