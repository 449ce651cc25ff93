"""Rules of EndpointSlice. Source: kubernetes pkg/apis/discovery/validation."""

from __future__ import annotations

from swarmlet.model import ip_families, services, syntax
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import addresses, meta

ENDPOINTS_MAX = 1_000
PORTS_MAX = 20_000
ADDRESSES_MAX = 100


def endpoint_slice(value: services.EndpointSlice, problems: Problems) -> None:
    """Check a slice."""
    problems.at("addressType").one_of(value.address_type, ip_families.FAMILIES)
    place = problems.at("endpoints")
    if len(value.endpoints) > ENDPOINTS_MAX:
        place.too_many(len(value.endpoints), ENDPOINTS_MAX)
        return
    for inner, endpoint in place.each(value.endpoints):
        _endpoint(endpoint, value.address_type, inner)
    _ports(value.ports, problems.at("ports"))


def endpoint_slice_update(new: services.EndpointSlice, old: services.EndpointSlice, problems: Problems) -> None:
    """Check what of a slice may not change: the family of its addresses."""
    if new.address_type != old.address_type:
        problems.at("addressType").invalid(new.address_type, meta.IMMUTABLE)


def _endpoint(endpoint: services.Endpoint, family: str, place: Place) -> None:
    held = place.field("addresses")
    if not endpoint.addresses:
        held.required("must contain at least 1 address")
    if len(endpoint.addresses) > ADDRESSES_MAX:
        held.too_many(len(endpoint.addresses), ADDRESSES_MAX)
        return
    for inner, text in held.each(endpoint.addresses):
        _address(text, family, inner)
    if endpoint.hostname is not None:
        place.field("hostname").invalid_each(endpoint.hostname, syntax.dns_label(endpoint.hostname))
    if endpoint.node_name is not None:
        place.field("nodeName").invalid_each(endpoint.node_name, syntax.dns_subdomain(endpoint.node_name))


def _address(text: str, family: str, place: Place) -> None:
    wanted = ip_families.IPV6 if family == ip_families.IPV6 else ip_families.IPV4
    if ip_families.is_address(text) and ip_families.of(text) == wanted:
        addresses.not_special(text, place)
    else:
        place.invalid(text, f"must be an {wanted} address")


def _ports(ports: tuple[services.EndpointPort, ...], place: Place) -> None:
    if len(ports) > PORTS_MAX:
        place.too_many(len(ports), PORTS_MAX)
        return
    seen: set[str] = set()
    for inner, port in place.each(ports):
        if port.name:
            inner.field("name").invalid_each(port.name, syntax.dns_label(port.name))
        if port.name in seen:
            inner.field("name").duplicate(port.name)
        seen.add(port.name)
        if port.port is not None:
            inner.field("port").invalid_each(port.port, syntax.port_number(port.port))
