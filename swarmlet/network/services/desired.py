"""What the cluster's Services ask of this node: their addresses and ports, and where each leads at this moment.

Source: kubernetes pkg/proxy/serviceport.go, endpointslicecache.go and topology.go (CategorizeEndpoints).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from swarmlet.model import ip_families, kinds, services
from swarmlet.model.ip_families import IPV4
from swarmlet.model.services import EndpointPort, EndpointSlice, ServicePort, ServiceSpec
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

SERVICES = kinds.SERVICE.resource
SLICES = kinds.ENDPOINT_SLICE.resource
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
"""A Service that bears it is served by a proxy of its user's, and not by swarmlet."""

Listener = Callable[[Collection[Key]], None]


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One place where a port of a Service leads to: `port` at `address`, on the node of that name ("": not told).

    `ready`: may be given new connections; `serving`: would answer; `terminating`: is about to go, and only finishes.
    """

    address: str
    port: int
    node: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """One port of a Service. `endpoints` are all that are known, sorted: those that drain among them.

    `everywhere` and `here` are those that new connections go to, of all nodes and of this one: the ready ones, or
    where none is, those that still serve while they end.
    """

    name: str
    protocol: str
    port: int
    node_port: int = 0
    endpoints: tuple[Endpoint, ...] = ()
    everywhere: tuple[Endpoint, ...] = ()
    here: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One Service with an address. `ingress` are the addresses that its status tells of a load balancer.

    `affinity_seconds` 0: none. `internal_local` and `external_local`: traffic from the cluster's inside, or from
    outside, is for endpoints of this node only. `source_ranges` bound who may come through the load balancer.
    """

    key: Key
    cluster_ip: str
    external_ips: tuple[str, ...] = ()
    ingress: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    affinity_seconds: int = 0
    internal_local: bool = False
    external_local: bool = False
    ports: tuple[Port, ...] = ()

    def internal(self, port: Port) -> tuple[Endpoint, ...]:
        """Return where new connections to the cluster IP go."""
        return port.here if self.internal_local else port.everywhere

    def external(self, port: Port) -> tuple[Endpoint, ...]:
        """Return where new connections from outside the cluster go."""
        return port.here if self.external_local else port.everywhere


class DesiredServices:
    """Kept in step with a View; what it tells of a Service is worked out when it is asked for, and then kept.

    It tells what Services ask by one family of addresses. A change costs what its own Service costs, however many
    others there are.
    """

    def __init__(self, view: View, node_name: str, family: str = IPV4) -> None:
        self._view = view
        self._node = node_name
        self._family = family
        self._slices: dict[Key, set[Key]] = {}
        self._known: dict[Key, Service | None] = {}
        self._listeners: list[Listener] = []
        self._index()
        self._end = view.subscribe(self._note)

    def close(self) -> None:
        """Follow the store no longer."""
        self._end()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the keys of Services that may be other than they were, in the applying task.

        It must not block, raise or await. No keys at all: everything may be, look at it anew. Returns the function
        that ends the subscription.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def all_keys(self) -> list[Key]:
        """Return the keys of all Services, sorted, also of those that have no address."""
        return [stored.key for stored in self._view.list(SERVICES)]

    def get(self, key: Key) -> Service | None:
        """Return a Service; None where it is not there, or has no address of this family: headless, ExternalName."""
        if key not in self._known:
            self._known[key] = self._read(key)
        return self._known[key]

    def services(self) -> Iterator[Service]:
        """Yield every Service that has an address, sorted by key."""
        found = map(self.get, self.all_keys())
        return (each for each in found if each is not None)

    def slices(self, key: Key) -> list[EndpointSlice]:
        """Return a Service's EndpointSlices, sorted by name, of whatever kind the Service is, and of every family."""
        found = (self._view.get(each) for each in sorted(self._slices.get(key, ())))
        return [_slice(stored) for stored in found if stored is not None]

    # Following the store.

    def _index(self) -> None:
        self._slices.clear()
        self._known.clear()
        for stored in self._view.list(SLICES):
            self._slices.setdefault(_service_of(stored), set()).add(stored.key)

    def _note(self, changes: Sequence[Change]) -> None:
        if not changes:
            self._index()
            self._tell(())
        elif touched := {key for change in changes for key in self._touched(change)}:
            for key in touched:
                self._known.pop(key, None)
            self._tell(touched)

    def _touched(self, change: Change) -> Iterable[Key]:
        if change.key.resource == SERVICES:
            return [change.key]
        if change.key.resource != SLICES:
            return []
        if change.old:
            self._forget(_service_of(change.old), change.key)
        if change.new:
            self._slices.setdefault(_service_of(change.new), set()).add(change.key)
        return [_service_of(each) for each in (change.old, change.new) if each]

    def _forget(self, service: Key, slice_: Key) -> None:
        self._slices[service].discard(slice_)
        if not self._slices[service]:
            del self._slices[service]

    def _tell(self, keys: Collection[Key]) -> None:
        for listener in tuple(self._listeners):
            listener(keys)

    def _read(self, key: Key) -> Service | None:
        stored = self._view.get(key)
        if stored is None or PROXY_NAME_LABEL in stored.object.metadata.labels:
            return None
        service = cast("services.Service", stored.object)
        cluster_ip = ip_families.first(self._family, (service.spec.cluster_ip, *service.spec.cluster_ips))
        if not services.has_cluster_ip(service.spec) or not cluster_ip:
            return None
        of_family = [each for each in self.slices(key) if each.address_type == self._family]
        return render(key, service, cluster_ip, of_family, self._node)


def render(
    key: Key, service: services.Service, cluster_ip: str, slices: Sequence[EndpointSlice], node_name: str
) -> Service:
    """Return what a Service with this cluster IP asks of a node, by the addresses of the same family."""
    spec, family = service.spec, ip_families.of(cluster_ip)
    is_balanced = spec.type == services.LOAD_BALANCER
    ingress = (each.ip for each in service.status.load_balancer.ingress)
    return Service(
        key=key,
        cluster_ip=cluster_ip,
        external_ips=_addresses(family, spec.external_ips),
        ingress=_addresses(family, ingress) if is_balanced else (),
        source_ranges=spec.load_balancer_source_ranges if is_balanced else (),
        affinity_seconds=_affinity_seconds(spec),
        internal_local=spec.internal_traffic_policy == services.LOCAL,
        external_local=services.is_external(spec) and spec.external_traffic_policy == services.LOCAL,
        ports=tuple(_port(each, slices, node_name) for each in spec.ports),
    )


def _addresses(family: str, told: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of a family, each in its one spelling; what is none is left out: a status says anything."""
    found = (ipaddress.ip_address(each) for each in ip_families.only(family, told) if ip_families.is_address(each))
    return tuple(dict.fromkeys(map(str, found)))


def _affinity_seconds(spec: ServiceSpec) -> int:
    if spec.session_affinity != services.CLIENT_IP:
        return 0
    config = spec.session_affinity_config
    asked = config.client_ip.timeout_seconds if config and config.client_ip else None
    return asked or services.CLIENT_IP_SECONDS


def _port(port: ServicePort, slices: Sequence[EndpointSlice], node_name: str) -> Port:
    protocol = port.protocol or "TCP"
    known = _endpoints(port.name, protocol, slices)
    return Port(
        name=port.name,
        protocol=protocol,
        port=port.port,
        node_port=port.node_port,
        endpoints=known,
        everywhere=usable(known),
        here=usable([each for each in known if each.node == node_name]),
    )


def usable(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return those that new connections go to: the ready ones; where none is, those that serve until they end."""
    ready = tuple(each for each in endpoints if each.ready)
    return ready or tuple(each for each in endpoints if each.serving and each.terminating)


def _endpoints(name: str, protocol: str, slices: Sequence[EndpointSlice]) -> tuple[Endpoint, ...]:
    """Return the endpoints of a port, each place once; while a Pod moves between slices, by its better word."""
    found: dict[tuple[str, int], Endpoint] = {}
    for slice_ in slices:
        number = _number(name, protocol, slice_.ports)
        for each in slice_.endpoints if number else ():
            told = _endpoint(each, number)
            before = found.get((told.address, number))
            found[told.address, number] = told if before is None or told.ready else before
    return tuple(sorted(found.values()))


def _number(name: str, protocol: str, ports: Iterable[EndpointPort]) -> int:
    return next((each.port or 0 for each in ports if each.name == name and each.protocol == protocol), 0)


def _endpoint(endpoint: services.Endpoint, port: int) -> Endpoint:
    """Return an endpoint with what its conditions leave open: ready and serving are taken for true."""
    conditions = endpoint.conditions
    ready = conditions.ready is not False
    return Endpoint(
        address=endpoint.addresses[0],
        port=port,
        node=endpoint.node_name or "",
        ready=ready,
        serving=ready if conditions.serving is None else conditions.serving,
        terminating=conditions.terminating is True,
    )


def _service_of(stored: Stored) -> Key:
    """Return the Service that a slice says it is of; a name of "" is nobody's."""
    name = stored.object.metadata.labels.get(services.SERVICE_NAME_LABEL, "")
    return Key(SERVICES, stored.key.namespace, name)


def _slice(stored: Stored) -> EndpointSlice:
    return cast("EndpointSlice", stored.object)
