"""The addresses of Pods, cut into subnets of one node each; kinds that only daemons see."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from swarmlet.model import ip_families
from swarmlet.model.base import Time, always
from swarmlet.model.ip_families import IPV4, IPV6, SUBNET_PREFIX, SUBNET_PREFIX_V6
from swarmlet.model.meta import Object

CLUSTER_CIDR = "10.42.0.0/16"
SERVICE_CIDR = ip_families.SERVICE_CIDRS[IPV4]
CLUSTER_PREFIXES = range(12, SUBNET_PREFIX - 1)
"""How wide a cluster CIDR may be: for 4 nodes at least, and 4096 at most."""
CLUSTER_PREFIX_V6_MIN = 8
REST = timedelta(hours=1)
"""How long the subnet of a node that is gone stays with nobody: others may still remember its addresses."""
MTU_MIN = 576
"""What every host must take. Source: RFC 791."""
MTU_MAX = 65_535
WIREGUARD_PORT = 51_871
"""Where WireGuard listens in its mode: its usual port and 51, as other networks of Pods have it."""
THE_CLUSTER = "cluster"
"""The name of the one `ClusterNetwork`."""


class ClusterNetwork(Object, frozen=True, kw_only=True):
    """The one object "cluster" that says which addresses Pods have. The first leader that has one to give writes it.

    `cluster_cidr` is a network of IPv4, and after a comma one of IPv6 where the cluster has both.
    """

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("ClusterNetwork")
    cluster_cidr: str = CLUSTER_CIDR


class SubnetClaim(Object, frozen=True, kw_only=True):
    """That a node has a subnet, whose first address is the claim's name.

    It is written in one command with the Node, so that no two ever have the same. `node_id` is the node's in consensus:
    a machine that comes again under the same name is another. `released` is when that node was gone, None while it has
    the subnet. `wireguard_key` is the public key by which the node seals what it sends from the subnet, and written by
    its own daemon.
    """

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("SubnetClaim")
    node: str = ""
    node_id: str = ""
    released: Time | None = None
    wireguard_key: str = ""


def subnets(cluster_cidr: str) -> Iterator[str]:
    """Yield the IPv4 subnets of a cluster CIDR ("10.42.0.0/24" and so on), lowest first."""
    network = ipaddress.IPv4Network(ip_families.cidr(IPV4, cluster_cidr))
    return map(str, network.subnets(new_prefix=SUBNET_PREFIX))


def claim_name(subnet: str) -> str:
    """Return the name of the claim of a subnet."""
    return subnet.partition("/")[0]


def subnet_of(claim: SubnetClaim) -> str:
    """Return the subnet that is claimed."""
    return f"{claim.metadata.name}/{SUBNET_PREFIX}"


def rested_at(claim: SubnetClaim) -> datetime | None:
    """Return when a subnet that was given back may be given to another, None for one that was not."""
    return claim.released + REST if claim.released is not None else None


def read_cluster_cidr(value: Any) -> str:
    """Return a cluster CIDR as a configuration file holds it; raise `ValueError` with what is allowed."""
    parts = value.split(",") if isinstance(value, str) else [""]
    network = _read_network(parts[0])
    if len(parts) == 1:
        return str(network)
    widest = SUBNET_PREFIX_V6 - (SUBNET_PREFIX - network.prefixlen)
    try:
        (second,) = map(ipaddress.IPv6Network, parts[1:])
    except ValueError:
        second = ipaddress.IPv6Network("::/128")
    overlaps = second.overlaps(ipaddress.IPv6Network(ip_families.SERVICE_CIDRS[IPV6]))
    if not (CLUSTER_PREFIX_V6_MIN <= second.prefixlen <= widest and second.is_private) or overlaps:
        raise ValueError(
            f'after the comma, a private IPv6 network such as "fd00:10:42::/56", /{CLUSTER_PREFIX_V6_MIN} to '
            f"/{widest}, that shares nothing with {ip_families.SERVICE_CIDRS[IPV6]}, the Services' own"
        )
    return f"{network},{second}"


def _read_network(text: str) -> ipaddress.IPv4Network:
    allowed = (
        f'a private IPv4 network such as "{CLUSTER_CIDR}", /{CLUSTER_PREFIXES.start} to /{CLUSTER_PREFIXES.stop - 1}, '
        f"that shares nothing with {SERVICE_CIDR}, the Services' own, and after a comma one of IPv6"
    )
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise ValueError(allowed) from None
    overlaps = network.overlaps(ipaddress.IPv4Network(SERVICE_CIDR))
    if network.prefixlen not in CLUSTER_PREFIXES or not network.is_private or overlaps:
        raise ValueError(allowed)
    return network


def read_mtu(value: Any) -> int:
    """Return an MTU as a configuration file holds it, 0 to find it out; raise `ValueError` with what is allowed."""
    if isinstance(value, bool) or not isinstance(value, int) or (value and not MTU_MIN <= value <= MTU_MAX):
        raise ValueError(f"0 (found), or a whole number of bytes from {MTU_MIN} to {MTU_MAX}")
    return value
