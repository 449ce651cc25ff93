"""The two families of addresses, and what of IPv6 goes with what of IPv4 where a cluster has both.

A cluster CIDR is one network, or two: "10.42.0.0/16,fd00:10:42::/56". All of IPv6 follows from IPv4: the n-th subnet
of the one goes with the n-th of the other, and the last 32 bits of a Pod's IPv6 address are its IPv4 address. So who
is alone to have the one is alone to have the other, and nothing more is to be remembered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

IPV4 = "IPv4"
IPV6 = "IPv6"
FAMILIES = (IPV4, IPV6)
SUBNET_PREFIX = 24
"""Of each node's subnet: room for 253 Pods, the bridge, and the node's own address in the overlay."""
SUBNET_PREFIX_V6 = 64
"""Of each node's subnet of IPv6, as in Kubernetes (--node-cidr-mask-size-ipv6)."""
SERVICE_CIDRS = {IPV4: "10.43.0.0/16", IPV6: "fd00:10:43::/112"}
"""Where Services have their addresses; that of IPv6 counts where the cluster has both."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def of(address: str) -> str:
    """Return the family of an address or a network."""
    return IPV6 if ":" in address else IPV4


def is_address(text: str) -> bool:
    """Whether it is an address and nothing more: after a zone's "%" there may stand whatever its writer likes."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def is_network(text: str) -> bool:
    """Whether it is an address, or a network, and nothing more."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "%" not in text


def only(family: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return those addresses or networks that are of a family."""
    return tuple(each for each in addresses if of(each) == family)


def collapsed(family: str, networks: Iterable[str]) -> list[str]:
    """Return those networks that are of a family, as few as say the same, and lowest first."""
    own = only(family, networks)
    if family == IPV6:
        return list(map(str, ipaddress.collapse_addresses(ipaddress.IPv6Network(each, strict=False) for each in own)))
    return list(map(str, ipaddress.collapse_addresses(ipaddress.IPv4Network(each, strict=False) for each in own)))


def first(family: str, addresses: Iterable[str]) -> str:
    """Return the first address or network of a family, "" where there is none."""
    return next((each for each in addresses if of(each) == family), "")


def cidr(family: str, cluster_cidr: str) -> str:
    """Return that part of a cluster CIDR, "" where the cluster has no such addresses."""
    return first(family, cluster_cidr.split(","))


def families(cluster_cidr: str) -> tuple[str, ...]:
    """Return which families a cluster has."""
    return tuple(map(of, cluster_cidr.split(",")))


def subnets(subnet: str, cluster_cidr: str) -> tuple[str, ...]:
    """Return a node's subnets, where it has this one of IPv4: one of each family that the cluster has."""
    whole_v6 = cidr(IPV6, cluster_cidr)
    if not whole_v6:
        return (subnet,)
    first_v4 = ipaddress.IPv4Network(cidr(IPV4, cluster_cidr)).network_address
    number = (int(ipaddress.IPv4Network(subnet).network_address) - int(first_v4)) >> (32 - SUBNET_PREFIX)
    first_v6 = ipaddress.IPv6Network(whole_v6).network_address
    return subnet, f"{first_v6 + (number << (128 - SUBNET_PREFIX_V6))}/{SUBNET_PREFIX_V6}"


def with_v6(address: str, subnet_v6: str) -> str:
    """Return the address of IPv6 that goes with one of IPv4, in a node's subnet; "" where it has none."""
    if not (address and subnet_v6):
        return ""
    return str(ipaddress.IPv6Network(subnet_v6).network_address + int(ipaddress.IPv4Address(address)))
