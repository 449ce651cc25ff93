"""What a port of a Service leads to at this moment, and the connections that are open to each of its endpoints."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Protocol

from swarmlet.network.proxy.balancing import Balancer, Place, place
from swarmlet.network.services.desired import Endpoint, Port, Service


class Session(Protocol):
    """A connection, or what stands for one, to an endpoint."""

    def cut(self) -> None:
        """End it, for its endpoint is gone; what the endpoint said before may still get to the client."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where new connections of one front go, and who may make them (no ranges: anyone)."""

    endpoints: tuple[Endpoint, ...] = ()
    affinity_seconds: int = 0
    source_ranges: tuple[str, ...] = ()

    def admits(self, client: str) -> bool:
        """Whether a client of this address may come in."""
        if not self.source_ranges:
            return True
        address = ip_address(client)
        return any(address in ip_network(each.strip(), strict=False) for each in self.source_ranges)


class Target:
    """One port of one Service: the fronts that lead to it share who is busy, who is dead and who is whose."""

    def __init__(self, rng: random.Random) -> None:
        self.internal = Route()
        self.external = Route()
        self.guarded = Route()
        self._balancer = Balancer(rng)
        self._sessions: dict[Place, set[Session]] = {}

    def update(self, service: Service, port: Port) -> None:
        """Lead new connections where the Service says now, and cut those whose endpoint is gone.

        An endpoint that only ends, or is not ready, keeps the connections that it has.
        """
        seconds = service.affinity_seconds
        external = service.external(port)
        self.internal = Route(service.internal(port), seconds)
        self.external = Route(external, seconds)
        self.guarded = Route(external, seconds, service.source_ranges)
        self._keep({place(each) for each in port.endpoints})

    def close(self) -> None:
        """Lead nowhere: the Service is gone."""
        self.internal = self.external = self.guarded = Route()
        self._keep(())

    def choose(self, route: Route, client: str, now: float, tried: Collection[Place] = ()) -> Endpoint | None:
        """Return the endpoint for a new connection of a client; None where there is none, or all were tried."""
        return self._balancer.choose(route.endpoints, client, now, affinity_seconds=route.affinity_seconds, tried=tried)

    def opened(self, where: Place, session: Session) -> None:
        """Take note of a connection to an endpoint."""
        self._sessions.setdefault(where, set()).add(session)
        self._balancer.opened(where)

    def closed(self, where: Place, session: Session) -> None:
        """Forget a connection that ended."""
        sessions = self._sessions[where]
        sessions.remove(session)
        if not sessions:
            del self._sessions[where]
        self._balancer.closed(where)

    def failed(self, where: Place, now: float) -> None:
        """Take note that an endpoint could not be reached."""
        self._balancer.failed(where, now)

    def _keep(self, places: Collection[Place]) -> None:
        for where in [each for each in self._sessions if each not in places]:
            for session in tuple(self._sessions.get(where, ())):
                session.cut()
