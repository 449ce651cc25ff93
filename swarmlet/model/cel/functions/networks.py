"""Functions of URLs, IP addresses and networks. Source: k8s.io/apiserver/pkg/cel/library (urls.go, ip.go, cidr.go)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from swarmlet.model.cel.errors import EvaluationError, no_overload
from swarmlet.model.cel.values import Url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface
SHOWN_MAX = 64


def _is_readable(read: Callable[[Any], object]) -> Callable[[Any], bool]:
    def is_readable(text: Any) -> bool:
        if not isinstance(text, str):
            raise no_overload()
        try:
            read(text)
        except EvaluationError:
            return False
        return True

    return is_readable


def _url(text: Any) -> Url:
    if not isinstance(text, str):
        raise no_overload()
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise EvaluationError(f'URL parse error during conversion from string: parse "{text[:SHOWN_MAX]}"') from error
    if not (parts.scheme or text.startswith("/")) or any(letter <= " " for letter in text):
        raise EvaluationError(f'URL parse error during conversion from string: parse "{text[:SHOWN_MAX]}": invalid URI')
    return Url(text, parts)


def _host(url: Url) -> str:
    return url.parts.netloc.rpartition("@")[2]


def _hostname(url: Url) -> str:
    host = _host(url)
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _port(url: Url) -> str:
    return "" if url.parts.port is None else str(url.parts.port)


def _of_url(read: Callable[[Url], Any]) -> Callable[[Any], Any]:
    def part(value: Any) -> Any:
        if not isinstance(value, Url):
            raise no_overload()
        return read(value)

    return part


def _ip(value: Any) -> Address:
    if isinstance(value, Network):
        return value.ip
    if not isinstance(value, str):
        raise no_overload()
    try:
        address = ipaddress.ip_address(value)
    except ValueError as error:
        raise EvaluationError(f'IP Address "{value[:SHOWN_MAX]}" parse error during conversion from string') from error
    if "%" in value or getattr(address, "ipv4_mapped", None) is not None:
        raise EvaluationError(f'IPv4-mapped IPv6 address or zone in "{value[:SHOWN_MAX]}" is not allowed')
    return address


def _cidr(value: Any) -> Network:
    if not isinstance(value, str):
        raise no_overload()
    address, _, prefix = value.partition("/")
    if not (prefix.isascii() and prefix.isdigit()) or len(prefix) > 3:
        raise EvaluationError(f'network address parse error during conversion from string: "{value[:SHOWN_MAX]}"')
    try:
        return ipaddress.ip_interface(f"{_ip(address)}/{prefix}")
    except ValueError as error:
        raise EvaluationError("network address parse error during conversion from string") from error


def _of_ip(read: Callable[[Address], Any]) -> Callable[[Any], Any]:
    def part(value: Any) -> Any:
        if not isinstance(value, Address) or isinstance(value, Network):
            raise no_overload()
        return read(value)

    return part


def _network(value: Any) -> Network:
    if isinstance(value, Network):
        return value
    raise no_overload()


def _contains_ip(network: Any, address: Any) -> bool:
    given = _ip(address) if isinstance(address, str) else address
    if not isinstance(given, Address):
        raise no_overload()
    return given.version == _network(network).version and given in _network(network).network


def _contains_cidr(network: Any, other: Any) -> bool:
    outer, inner = _network(network).network, (_cidr(other) if isinstance(other, str) else _network(other)).network
    inside = outer.prefixlen <= inner.prefixlen and inner.network_address in outer
    return outer.version == inner.version and inside


def _is_global(address: Address) -> bool:
    special = (address.is_unspecified, address.is_loopback, address.is_multicast, address.is_link_local)
    return not any(special) and str(address) != "255.255.255.255"


def _is_link_local_multicast(address: Address) -> bool:
    if address.version == 4:
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02


GLOBALS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("url", 1): _url,
    ("isURL", 1): _is_readable(_url),
    ("ip", 1): _ip,
    ("isIP", 1): _is_readable(_ip),
    ("ip.isCanonical", 1): lambda text: str(_ip(text)) == text,
    ("cidr", 1): _cidr,
    ("isCIDR", 1): _is_readable(_cidr),
}
METHODS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("getScheme", 1): _of_url(lambda url: url.parts.scheme),
    ("getHost", 1): _of_url(_host),
    ("getHostname", 1): _of_url(_hostname),
    ("getPort", 1): _of_url(_port),
    ("getEscapedPath", 1): _of_url(lambda url: quote(url.parts.path, safe="/%:@!$&'()*+,;=~-._")),
    ("getQuery", 1): _of_url(lambda url: parse_qs(url.parts.query, keep_blank_values=True)),
    ("family", 1): _of_ip(lambda address: address.version),
    ("isUnspecified", 1): _of_ip(lambda address: address.is_unspecified),
    ("isLoopback", 1): _of_ip(lambda address: address.is_loopback),
    ("isLinkLocalMulticast", 1): _of_ip(_is_link_local_multicast),
    ("isLinkLocalUnicast", 1): _of_ip(lambda address: address.is_link_local),
    ("isGlobalUnicast", 1): _of_ip(_is_global),
    ("ip", 1): lambda network: _network(network).ip,
    ("masked", 1): lambda network: ipaddress.ip_interface(_network(network).network),
    ("prefixLength", 1): lambda network: _network(network).network.prefixlen,
    ("containsIP", 2): _contains_ip,
    ("containsCIDR", 2): _contains_cidr,
}
