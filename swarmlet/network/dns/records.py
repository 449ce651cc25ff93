"""The names of the cluster: what is answered for each, from the store as it is at this moment.

Source: Kubernetes DNS-Based Service Discovery, version 1.1.0 (kubernetes/dns, docs/specification.md).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

from swarmlet.model import cluster_dns, ip_families, kinds, pods, services
from swarmlet.model.pod import Pod
from swarmlet.model.pod_network import CLUSTER_DOMAIN
from swarmlet.model.services import AddressClaim, Endpoint, EndpointSlice, Service, ServicePort
from swarmlet.network.services.desired import DesiredServices
from swarmlet.store import addresses
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

TTL_SECONDS = 5
SCHEMA_VERSION = "1.1.0"
DOMAIN = dns.name.from_text(CLUSTER_DOMAIN)
PODS = kinds.POD.resource
NAMESPACES = kinds.NAMESPACE.resource
SERVICES = kinds.SERVICE.resource
SLICES = kinds.ENDPOINT_SLICE.resource
V4_DASHES = 3
"""In an address of IPv4 as a label; one of IPv6 has more, or two together."""
PROTOCOLS = ("_tcp", "_udp")
REVERSE_DOMAINS = (dns.reversename.ipv4_reverse_domain, dns.reversename.ipv6_reverse_domain)
TYPES = {ip_families.IPV4: dns.rdatatype.A, ip_families.IPV6: dns.rdatatype.AAAA}

Rows = tuple[dns.rrset.RRset, ...]
_Place = TypeVar("_Place")
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Found:
    """What the cluster knows of a question. Neither answers nor an error: the name is there, the type is not.

    `follow` is the name that an ExternalName leads to; its records belong after the CNAME in `answers`.
    """

    answers: Rows = ()
    additional: Rows = ()
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    follow: dns.name.Name | None = None


NO_DATA = Found()
NO_NAME = Found(rcode=dns.rcode.NXDOMAIN)


class ClusterRecords:
    """Kept in step with a View. `generation` is another number once an answer may be another.

    A question is answered from the few objects that it names, and a change costs what it holds, however much else
    there is.
    """

    def __init__(self, view: View, wanted: DesiredServices) -> None:
        self.generation = 0
        self._view = view
        self._wanted = wanted
        self._pods: dict[tuple[str, str], set[Key]] = {}
        self._backed: dict[str, set[tuple[Key, Key]]] = {}
        self._index()
        self._end = view.subscribe(self._note)

    def close(self) -> None:
        """Follow the store no longer."""
        self._end()

    def find(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found | None:
        """Return what the cluster answers; None where the name is none of the cluster's."""
        name = name.canonicalize()
        if name.is_subdomain(DOMAIN):
            return self._in_domain(name, kind)
        if any(map(name.is_subdomain, REVERSE_DOMAINS)):
            return self._reverse(name, kind)
        return None

    # Names.

    def _in_domain(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        path = [label.decode("ascii", "replace") for label in reversed(name.relativize(DOMAIN).labels)]
        match path:
            case ["svc" | "pod", namespace]:
                return NO_DATA if self._view.get(Key(NAMESPACES, "", namespace)) else NO_NAME
            case ["pod", namespace, dashed]:
                return self._pod(name, namespace, dashed, kind)
            case ["svc", namespace, service, *rest]:
                return self._service(name, Key(SERVICES, namespace, service), rest, kind)
        return self._top(name, path, kind)

    def _top(self, name: dns.name.Name, path: list[str], kind: dns.rdatatype.RdataType) -> Found:
        """Answer for the domain itself, and for what is there whatever the cluster holds."""
        match path:
            case []:
                return _typed([soa(), _ns()], kind)
            case ["dns-version"]:
                return _typed([_rows(name, dns.rdatatype.TXT, [f'"{SCHEMA_VERSION}"'])], kind)
            case ["dns", "ns"]:
                return self._server(name, kind)
            case ["svc"] | ["pod"] | ["dns"]:
                return NO_DATA
        return NO_NAME

    def _server(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
        """Answer for the name that the domain's NS record gives its server."""
        service = self._stored(Key(SERVICES, cluster_dns.NAMESPACE, cluster_dns.NAME))
        return _addressed(name, _ips(service), kind) if service else NO_NAME

    def _pod(self, name: dns.name.Name, namespace: str, dashed: str, kind: dns.rdatatype.RdataType) -> Found:
        address = dashed.replace("-", "." if dashed.count("-") == V4_DASHES and "--" not in dashed else ":")
        return _addressed(name, [address], kind) if (namespace, address) in self._pods else NO_NAME

    def _service(self, name: dns.name.Name, key: Key, rest: list[str], kind: dns.rdatatype.RdataType) -> Found:
        service = self._stored(key)
        if service is None:
            return NO_NAME
        if service.spec.type == services.EXTERNAL_NAME:
            return NO_NAME if rest else _external(name, service)
        hosts = self._addresses(key) if _is_headless(service) else _ips(service)
        return self._within(name, service, rest, kind) if rest else _addressed(name, hosts, kind)

    def _within(self, name: dns.name.Name, service: Service, rest: list[str], kind: dns.rdatatype.RdataType) -> Found:
        """Answer for a name below a Service's: one of its ports, or a Pod of a headless one."""
        match rest:
            case [protocol] if protocol in PROTOCOLS and _named_ports(service, protocol):
                return NO_DATA
            case [protocol, port] if protocol in PROTOCOLS and port.startswith("_"):
                known = [each for each in _named_ports(service, protocol) if f"_{each.name}" == port]
                return self._port(name, service, known[0], kind) if known else NO_NAME
            case [host] if _is_headless(service) and (hosts := self._addresses(_key(service), host)):
                return _addressed(name, hosts, kind)
        return NO_NAME

    def _addresses(self, key: Key, host: str = "") -> list[str]:
        """Return the addresses of a Service's Pods; of those with one host name, where it is given."""
        return [each.addresses[0] for _, each in self._ready(key) if host in ("", _host(each))]

    def _port(self, name: dns.name.Name, service: Service, port: ServicePort, kind: dns.rdatatype.RdataType) -> Found:
        """Answer SRV: where a named port is, at the Service's own address or at each of its Pods."""
        if kind != dns.rdatatype.SRV:
            return NO_DATA
        owner = _service_name(service)
        if not _is_headless(service):
            srv = _rows(name, dns.rdatatype.SRV, [f"0 100 {port.port} {owner}"])
            return Found((srv,), tuple(_address_rows(owner, _ips(service))))
        places: dict[tuple[int, dns.name.Name], list[str]] = {}
        for slice_, each in self._ready(_key(service)):
            if number := _number(slice_, port):
                place = number, dns.name.from_text(_host(each), owner)
                places.setdefault(place, []).append(each.addresses[0])
        if not places:
            return NO_DATA
        share = max(1, 100 // len(places))
        srv = _rows(name, dns.rdatatype.SRV, [f"0 {share} {number} {target}" for number, target in places])
        by_target = {target: held for (_, target), held in places.items()}
        return Found((srv,), tuple(row for target, held in by_target.items() for row in _address_rows(target, held)))

    def _reverse(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found | None:
        try:
            address = dns.reversename.to_address(name)
            number = ipaddress.ip_address(address)
        except (dns.exception.SyntaxError, ValueError):
            return None
        names = [str(each) for each in self._names_at(str(number))]
        if names:
            return _typed([_rows(name, dns.rdatatype.PTR, names)], kind)
        return NO_NAME if any(number in each for each in addresses.SERVICE_NETWORKS.values()) else None

    def _names_at(self, address: str) -> Iterator[dns.name.Name]:
        """Yield the names of a cluster IP, or of a headless Service's Pod."""
        claimed = self._view.get(Key(addresses.CLAIMS, "", address))
        if claimed and addresses.is_held(self._view, claim := cast("AddressClaim", claimed.object)):
            namespace, _, name = claim.service.partition("/")
            yield dns.name.from_text(f"{name}.{namespace}.svc", DOMAIN)
        for key in sorted({service for service, _ in self._backed.get(address, ())}):
            service = self._stored(key)
            if service and _is_headless(service):
                hosts = {_host(each) for _, each in self._ready(key) if each.addresses[0] == address}
                yield from (dns.name.from_text(host, _service_name(service)) for host in sorted(hosts))

    def _stored(self, key: Key) -> Service | None:
        stored = self._view.get(key)
        return cast("Service", stored.object) if stored else None

    def _ready(self, key: Key) -> Iterator[tuple[EndpointSlice, Endpoint]]:
        """Yield the endpoints that new connections may go to; what is not told is ready."""
        for slice_ in self._wanted.slices(key):
            yield from ((slice_, each) for each in slice_.endpoints if each.conditions.ready is not False)

    # Following the store.

    def _index(self) -> None:
        self.generation += 1
        self._pods.clear()
        self._backed.clear()
        for resource in (PODS, SLICES):
            for stored in self._view.list(resource):
                self._enter(stored)

    def _note(self, changes: Sequence[Change]) -> None:
        if not changes:
            self._index()
        for change in changes:
            if change.key.resource in (SERVICES, SLICES, NAMESPACES) or (
                change.key.resource == PODS and _pod_places(change.old) != _pod_places(change.new)
            ):
                self.generation += 1
                self._leave(change.old)
                self._enter(change.new)

    def _enter(self, stored: Stored | None) -> None:
        for address, service in _backed(stored):
            self._backed.setdefault(address, set()).add((service, cast("Stored", stored).key))
        for place in _pod_places(stored):
            self._pods.setdefault(place, set()).add(cast("Stored", stored).key)

    def _leave(self, stored: Stored | None) -> None:
        for address, service in _backed(stored):
            _discard(self._backed, address, (service, cast("Stored", stored).key))
        for place in _pod_places(stored):
            _discard(self._pods, place, cast("Stored", stored).key)


def soa() -> dns.rrset.RRset:
    """Return the domain's SOA record, which says for how long a "no" may be kept."""
    server, keeper = dns.name.from_text("ns.dns", DOMAIN), dns.name.from_text("hostmaster", DOMAIN)
    return _rows(DOMAIN, dns.rdatatype.SOA, [f"{server} {keeper} 1 7200 1800 86400 {TTL_SECONDS}"])


def _ns() -> dns.rrset.RRset:
    return _rows(DOMAIN, dns.rdatatype.NS, [str(dns.name.from_text("ns.dns", DOMAIN))])


def _rows(owner: dns.name.Name, kind: dns.rdatatype.RdataType, values: Iterable[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(owner, TTL_SECONDS, dns.rdataclass.IN, kind, list(values))


def _typed(known: list[dns.rrset.RRset], kind: dns.rdatatype.RdataType) -> Found:
    return Found(tuple(each for each in known if each.rdtype == kind))


def _addressed(name: dns.name.Name, hosts: list[str], kind: dns.rdatatype.RdataType) -> Found:
    """Return the addresses of a name that is there, of the family that is asked for."""
    return _typed(_address_rows(name, hosts), kind)


def _address_rows(name: dns.name.Name, hosts: Iterable[str]) -> list[dns.rrset.RRset]:
    """Return the records of addresses, those of a family together."""
    distinct = tuple(dict.fromkeys(hosts))
    found = ((kind, ip_families.only(family, distinct)) for family, kind in TYPES.items())
    return [_rows(name, kind, held) for kind, held in found if held]


def _external(name: dns.name.Name, service: Service) -> Found:
    """Return the CNAME, whatever the type asked for: there is nothing else at the name."""
    try:
        target = dns.name.from_text(service.spec.external_name)
    except dns.exception.DNSException:  # a label of more than 63 characters, which Kubernetes lets pass
        return Found(rcode=dns.rcode.SERVFAIL)
    return Found((_rows(name, dns.rdatatype.CNAME, [str(target)]),), follow=target)


def _ips(service: Service) -> list[str]:
    return list(service.spec.cluster_ips or (service.spec.cluster_ip,))


def _is_headless(service: Service) -> bool:
    return service.spec.cluster_ip == services.HEADLESS


def _host(endpoint: Endpoint) -> str:
    """Return the first label of an endpoint's name: its Pod's host name, or else its address."""
    return (endpoint.hostname or endpoint.addresses[0].replace(".", "-").replace(":", "-")).lower()


def _named_ports(service: Service, protocol: str) -> list[ServicePort]:
    return [each for each in service.spec.ports if each.name and f"_{each.protocol.lower()}" == protocol]


def _number(slice_: EndpointSlice, port: ServicePort) -> int:
    wanted = (port.name, port.protocol)
    return next((each.port or 0 for each in slice_.ports if (each.name, each.protocol) == wanted), 0)


def _service_name(service: Service) -> dns.name.Name:
    return dns.name.from_text(f"{service.metadata.name}.{service.metadata.namespace}.svc", DOMAIN)


def _key(service: Service) -> Key:
    return Key(SERVICES, service.metadata.namespace, service.metadata.name)


def _pod_places(stored: Stored | None) -> set[tuple[str, str]]:
    """Return the namespace and each address of a Pod that has any and has not ended."""
    if stored is None or stored.key.resource != PODS or not stored.node_name:
        return set()
    pod = cast("Pod", stored.object)
    if pods.is_finished(pod):
        return set()
    held = (pods.address(pod, family) for family in ip_families.FAMILIES)
    return {(stored.key.namespace, address) for address in held if address}


def _backed(stored: Stored | None) -> Iterator[tuple[str, Key]]:
    """Yield the addresses that a slice holds, each with the slice's Service."""
    if stored is None or stored.key.resource != SLICES:
        return
    slice_ = cast("EndpointSlice", stored.object)
    service = Key(SERVICES, stored.key.namespace, slice_.metadata.labels.get(services.SERVICE_NAME_LABEL, ""))
    yield from ((address, service) for each in slice_.endpoints for address in each.addresses[:1])


def _discard(index: dict[_Place, set[_Entry]], place: _Place, value: _Entry) -> None:
    held = index.get(place, set())
    held.discard(value)
    if not held:
        index.pop(place, None)
