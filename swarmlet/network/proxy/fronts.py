"""At which addresses and ports of this machine the proxy answers for a Service. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmlet.model import ip_families
from swarmlet.network.proxy.targets import Route, Target
from swarmlet.network.services.desired import Port, Service

EVERY_ADDRESS = {ip_families.IPV4: "0.0.0.0", ip_families.IPV6: "::"}  # noqa: S104  a node port is for whoever comes


@dataclass(frozen=True, slots=True, order=True)
class Front:
    """An address and port, of TCP or UDP."""

    protocol: str
    address: str
    port: int


Which = Callable[[Target], Route]
"""Which of a target's routes a front takes."""


def internal(target: Target) -> Route:
    """Return where who comes to the cluster IP goes."""
    return target.internal


def external(target: Target) -> Route:
    """Return where who comes from outside goes."""
    return target.external


def guarded(target: Target) -> Route:
    """Return where who comes by the load balancer's address goes, if its source ranges let him."""
    return target.guarded


def of(service: Service, port: Port, cluster_address: Callable[[str], str]) -> dict[Front, Which]:
    """Return the fronts of one port; `cluster_address` says where a cluster IP is found on this machine.

    Addresses of a load balancer and external IPs are asked for wherever they are: those of other machines cannot be
    had here.
    """
    found: dict[Front, Which] = {Front(port.protocol, each, port.port): guarded for each in service.ingress}
    found |= {Front(port.protocol, each, port.port): external for each in service.external_ips}
    if port.node_port:
        every = EVERY_ADDRESS[ip_families.of(service.cluster_ip)]
        found[Front(port.protocol, every, port.node_port)] = external
    found[Front(port.protocol, cluster_address(service.cluster_ip), port.port)] = internal
    return found
