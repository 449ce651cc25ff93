"""Rules of EndpointSlice. Source: kubernetes pkg/apis/discovery/validation."""

from __future__ import annotations

import ipaddress

from swarmlet.model import services, syntax
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import meta

ADDRESS_TYPES = (services.IPV4,)
ENDPOINTS_MAX = 1_000
PORTS_MAX = 20_000
ADDRESSES_MAX = 100


def endpoint_slice(value: services.EndpointSlice, problems: Problems) -> None:
    """Check a slice."""
    problems.at("addressType").one_of(value.address_type, ADDRESS_TYPES)
    place = problems.at("endpoints")
    if len(value.endpoints) > ENDPOINTS_MAX:
        place.too_many(len(value.endpoints), ENDPOINTS_MAX)
        return
    for inner, endpoint in place.each(value.endpoints):
        _endpoint(endpoint, inner)
    _ports(value.ports, problems.at("ports"))


def endpoint_slice_update(new: services.EndpointSlice, old: services.EndpointSlice, problems: Problems) -> None:
    """Check what of a slice may not change: the family of its addresses."""
    if new.address_type != old.address_type:
        problems.at("addressType").invalid(new.address_type, meta.IMMUTABLE)


def _endpoint(endpoint: services.Endpoint, place: Place) -> None:
    addresses = place.field("addresses")
    if not endpoint.addresses:
        addresses.required("must contain at least 1 address")
    if len(endpoint.addresses) > ADDRESSES_MAX:
        addresses.too_many(len(endpoint.addresses), ADDRESSES_MAX)
        return
    for inner, text in addresses.each(endpoint.addresses):
        _address(text, inner)
    if endpoint.hostname is not None:
        place.field("hostname").invalid_each(endpoint.hostname, syntax.dns_label(endpoint.hostname))
    if endpoint.node_name is not None:
        place.field("nodeName").invalid_each(endpoint.node_name, syntax.dns_subdomain(endpoint.node_name))


def _address(text: str, place: Place) -> None:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        place.invalid(text, "must be an IPv4 address")
        return
    if address.is_unspecified:
        place.invalid(text, f"may not be unspecified ({text})")
    elif address.is_loopback:
        place.invalid(text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    elif address.is_link_local:
        place.invalid(text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    elif address.is_multicast:
        place.invalid(text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


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
