"""The addresses of Pods, cut into subnets of one node each; kinds that only daemons see."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta

from swarmlet.model.base import Time, always
from swarmlet.model.meta import Object

CLUSTER_CIDR = "10.42.0.0/16"
SERVICE_CIDR = "10.43.0.0/16"
SUBNET_PREFIX = 24
"""Of each node's subnet: room for 253 Pods, the bridge, and the node's own address in the overlay."""
CLUSTER_PREFIXES = range(12, SUBNET_PREFIX - 1)
"""How wide a cluster CIDR may be: for 4 nodes at least, and 4096 at most."""
REST = timedelta(hours=1)
"""How long the subnet of a node that is gone stays with nobody: others may still remember its addresses."""
THE_CLUSTER = "cluster"
"""The name of the one `ClusterNetwork`."""


class ClusterNetwork(Object, frozen=True, kw_only=True):
    """The one object "cluster" that says which addresses Pods have. The first leader that has one to give writes it."""

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("ClusterNetwork")
    cluster_cidr: str = CLUSTER_CIDR


class SubnetClaim(Object, frozen=True, kw_only=True):
    """That a node has a subnet, whose first address is the claim's name.

    It is written in one command with the Node, so that no two ever have the same. `node_id` is the node's in consensus:
    a machine that comes again under the same name is another. `released` is when that node was gone, None while it has
    the subnet.
    """

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("SubnetClaim")
    node: str = ""
    node_id: str = ""
    released: Time | None = None


def subnets(cluster_cidr: str) -> Iterator[str]:
    """Yield the subnets of a cluster CIDR ("10.42.0.0/24" and so on), lowest first."""
    return map(str, ipaddress.IPv4Network(cluster_cidr).subnets(new_prefix=SUBNET_PREFIX))


def claim_name(subnet: str) -> str:
    """Return the name of the claim of a subnet."""
    return subnet.partition("/")[0]


def subnet_of(claim: SubnetClaim) -> str:
    """Return the subnet that is claimed."""
    return f"{claim.metadata.name}/{SUBNET_PREFIX}"


def rested_at(claim: SubnetClaim) -> datetime | None:
    """Return when a subnet that was given back may be given to another, None for one that was not."""
    return claim.released + REST if claim.released is not None else None
