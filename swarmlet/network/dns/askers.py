"""Whom this node's DNS answers: its machine, the containers there, the cluster's Pods and machines. Nobody else.

An answer to whoever asks would make the machine a tool for floods at others (RFC 5358), and tell strangers its names.
"""

from __future__ import annotations

import ipaddress
from typing import Any, cast

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from swarmlet.errors import PeerError
from swarmlet.model import kinds, node_subnets
from swarmlet.model.core import Node
from swarmlet.model.node_subnets import ClusterNetwork
from swarmlet.network.policies import bridge_ports
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

KNOWN_MAX = 4_096
"""Askers that are remembered, so that few are looked up."""
CLUSTER_NETWORK = Key(kinds.CLUSTER_NETWORK.resource, "", node_subnets.THE_CLUSTER)
LOOPBACK_INDEX = 1
ADDRESS_TYPES = ("InternalIP", "ExternalIP")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AskersError(PeerError):
    """The kernel does not tell which addresses this machine has."""


class Askers:
    """One for a node. It answers from what it knew when it was last refreshed."""

    def __init__(self) -> None:
        self._networks: tuple[Network, ...] = ()
        self._known: dict[str, bool] = {}

    def take(self, local: frozenset[Network], view: View) -> None:
        """Know whom to answer from now on. `local` is what `local_networks` has found."""
        networks = (*local, *_of_cluster(view))
        if networks != self._networks:
            self._networks = networks
            self._known.clear()

    def admits(self, source: str) -> bool:
        """Whether who asks from this address is answered."""
        found = self._known.get(source)
        if found is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            address = ipaddress.ip_address(source)
            found = self._known[source] = any(address in network for network in self._networks)
        return found


def nodes_addresses(view: View) -> frozenset[str]:
    """Return where the cluster's machines are."""
    return frozenset(
        each.address
        for stored in view.list(kinds.NODE.resource)
        for each in cast("Node", stored.object).status.addresses
        if each.type in ADDRESS_TYPES
    )


def local_networks(nodes: frozenset[str]) -> frozenset[Network]:
    """Return this machine's own addresses, its loopback and the networks of its bridges, which are its containers'.

    A bridge with an address of the cluster's machines (`nodes`) is a way to the world, and others are on it. Takes some
    milliseconds; raises `AskersError`.
    """
    try:
        inside = {LOOPBACK_INDEX, *bridge_ports.bridges()}
        with IPRoute() as kernel:
            held = [
                (each["index"], ipaddress.ip_interface(f"{_address(each)}/{each['prefixlen']}"))
                for each in kernel.get_addr(family=2)
            ]
    except (NetlinkError, OSError) as error:
        raise AskersError(f"this machine's addresses: {error}") from error
    inside -= {index for index, own in held if str(own.ip) in nodes}
    return frozenset(own.network if index in inside else ipaddress.ip_network(own.ip) for index, own in held)


def _of_cluster(view: View) -> tuple[Network, ...]:
    stored = view.get(CLUSTER_NETWORK)
    cidrs = cast("ClusterNetwork", stored.object).cluster_cidr.split(",") if stored is not None else []
    machines = sorted(each for each in nodes_addresses(view) if _is_address(each))
    return tuple(map(ipaddress.ip_network, (*cidrs, *machines)))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _address(told: Any) -> str:
    return str(told.get("local") or told.get("address"))
