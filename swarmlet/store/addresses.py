"""Cluster IPs and node ports of Services: each given to one, in the very command that writes the Service.

Each is an `AddressClaim` by its own name, which must be new or not in use any more where the Service is written; so
whoever comes second finds it taken, and tries another. Source: kubernetes pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

from swarmlet.model import ip_families, kinds, objects, service_families, services
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.node_subnets import THE_CLUSTER, ClusterNetwork
from swarmlet.model.problems import Place, Problems, refusal
from swarmlet.model.services import AddressClaim, Service, ServicePort
from swarmlet.store.commands import Key, Operation, Put
from swarmlet.store.replica import View

CLAIMS = kinds.ADDRESS_CLAIM.resource
SERVICES = kinds.SERVICE.resource
CLUSTER_NETWORK = Key(kinds.CLUSTER_NETWORK.resource, "", THE_CLUSTER)
SERVICE_NETWORKS = {family: ipaddress.ip_network(cidr) for family, cidr in ip_families.SERVICE_CIDRS.items()}
CHOSEN_BY_HAND = 256
"""The first addresses of a network are given to nobody who does not ask for them, as in Kubernetes."""
NODE_PORTS = range(30_000, 32_768)


def claims_of(service: Service) -> list[str]:
    """Return the names of the claims of all that a stored Service has."""
    addresses = [each for each in service.spec.cluster_ips if each != services.HEADLESS]
    return addresses + [_port_claim(each) for each in service.spec.ports if each.node_port]


def holder(claim: AddressClaim) -> Key:
    """Return the Service that made a claim."""
    namespace, _, name = claim.service.partition("/")
    return Key(SERVICES, namespace, name)


def is_held(view: View, claim: AddressClaim) -> bool:
    """Whether the Service that made a claim still has what is claimed."""
    stored = view.get(holder(claim))
    if stored is None or stored.object.metadata.uid != claim.uid:
        return False
    return claim.metadata.name in claims_of(cast("Service", stored.object))


def is_taken(view: View, name: str) -> bool:
    """Whether a Service has the address or the port ("30080.tcp") by this name."""
    stored = view.get(Key(CLAIMS, "", name))
    return stored is not None and is_held(view, cast("AddressClaim", stored.object))


def families(view: View) -> tuple[str, ...]:
    """Return the families of addresses that the cluster has, that of a Service that says nothing first."""
    stored = view.get(CLUSTER_NETWORK)
    if stored is None:
        return (ip_families.IPV4,)
    return ip_families.families(cast("ClusterNetwork", stored.object).cluster_cidr)


def own_networks(view: View) -> list[ip_families.Network]:
    """Return the networks of Services and, where it is known, of Pods."""
    stored = view.get(CLUSTER_NETWORK)
    cidrs = cast("ClusterNetwork", stored.object).cluster_cidr.split(",") if stored else []
    return [*SERVICE_NETWORKS.values(), *map(ipaddress.ip_network, cidrs)]


def settled(
    view: View, service: Service, rng: random.Random, old: Service | None = None
) -> tuple[Service, list[Operation]]:
    """Return a Service with what it lacks of families, addresses and node ports, and the claims to be written with it.

    `old` is the Service as it was. Raises `InvalidError` where it names an address or a port that another has, that is
    out of the range, or where none is left, and families that the cluster does not have.
    """
    work = _Work(view, service, rng)
    work.check_external(service.spec.external_ips)
    spec = service_families.settled(service.spec, old.spec if old else None, families(view), work.problems)
    if work.problems.causes:
        raise refusal(service, work.problems.causes)
    if services.has_cluster_ip(spec):
        asked = itertools.zip_longest(spec.ip_families, spec.cluster_ips, fillvalue="")
        ips = tuple(work.address(family, address) for family, address in asked)
        spec = msgspec.structs.replace(spec, cluster_ip=ips[0], cluster_ips=ips)
    spec = msgspec.structs.replace(spec, ports=work.ports(wanted=services.wants_node_ports(spec)))
    if work.problems.causes:
        raise refusal(service, work.problems.causes)
    return msgspec.structs.replace(service, spec=spec), work.operations


class _Work:
    """The addresses of one Service."""

    def __init__(self, view: View, service: Service, rng: random.Random) -> None:
        self._view = view
        self._service = service
        self._rng = rng
        self.problems = Problems()
        self.operations: list[Operation] = []

    def check_external(self, asked: Sequence[str]) -> None:
        """Check that no external IP is one of the cluster's own: what goes to others would be led to this Service."""
        for place, address in self.problems.at("spec.externalIPs").each(asked):
            if any(ipaddress.ip_address(address) in network for network in own_networks(self._view)):
                place.invalid(address, "may not be in the cluster's networks of Pods and Services")

    def address(self, family: str, asked: str) -> str:
        """Return the cluster IP of a family, claimed; "" where it cannot be had."""
        place, network = self.problems.at("spec.clusterIPs"), SERVICE_NETWORKS[family]
        if asked:
            return self._take_address(asked, place, network)
        size = network.num_addresses
        start = self._rng.randrange(CHOSEN_BY_HAND, size - 1)
        for number in itertools.chain(range(start, size - 1), range(CHOSEN_BY_HAND, start), range(1, CHOSEN_BY_HAND)):
            found = str(network[number])
            if self._claim(found):
                return found
        place.invalid([], "failed to allocate a serviceIP: range is full")
        return ""

    def _take_address(self, asked: str, place: Place, network: ip_families.Network) -> str:
        told = f"failed to allocate IP {asked}:"
        address = ipaddress.ip_address(asked)
        if address not in network:
            valid = f"The range of valid IPs is {network}"
            place.invalid([asked], f"{told} the provided IP ({asked}) is not in the valid range. {valid}")
        elif not self._claim(str(address)):
            place.invalid([asked], f"{told} provided IP is already allocated")
        return str(address)

    def ports(self, *, wanted: bool) -> tuple[ServicePort, ...]:
        """Return the Service's ports; where they are to be ports of the nodes too, each with one that is claimed."""
        return tuple(self._port(index, port, wanted=wanted) for index, port in enumerate(self._service.spec.ports))

    def _port(self, index: int, port: ServicePort, *, wanted: bool) -> ServicePort:
        place = self.problems.at(f"spec.ports[{index}].nodePort")
        if port.node_port:
            if port.node_port not in NODE_PORTS:
                valid = f"The range of valid ports is {NODE_PORTS.start}-{NODE_PORTS.stop - 1}"
                place.invalid(port.node_port, f"provided port is not in the valid range. {valid}")
            elif not self._claim(_port_claim(port)):
                place.invalid(port.node_port, "provided port is already allocated")
            return port
        if not wanted:
            return port
        for number in self._free_ports():
            numbered = msgspec.structs.replace(port, node_port=number)
            if self._claim(_port_claim(numbered)):
                return numbered
        place.invalid(0, "failed to allocate a nodePort: range is full")
        return port

    def _free_ports(self) -> Iterator[int]:
        asked = {each.node_port for each in self._service.spec.ports}
        start = self._rng.choice(NODE_PORTS)
        every = itertools.chain(range(start, NODE_PORTS.stop), range(NODE_PORTS.start, start))
        return (number for number in every if number not in asked)

    def _claim(self, name: str) -> bool:
        """Take an address or port, unless another Service has it or this one just took it.

        Its own claim of what it gave up before is written again: it may be about to be taken back.
        """
        key = Key(CLAIMS, "", name)
        if any(each.key == key for each in self.operations):
            return False
        stored = self._view.get(key)
        metadata = self._service.metadata
        if stored is not None and is_held(self._view, claim := cast("AddressClaim", stored.object)):
            return (claim.service, claim.uid) == (f"{metadata.namespace}/{metadata.name}", metadata.uid)
        wanted = AddressClaim(
            metadata=ObjectMeta(name=name), service=f"{metadata.namespace}/{metadata.name}", uid=metadata.uid
        )
        self.operations.append(Put(key, objects.to_json(wanted), expected_revision=stored.revision if stored else 0))
        return True


def _port_claim(port: ServicePort) -> str:
    return f"{port.node_port}.{port.protocol.lower()}"
