"""What makes the Pods of all nodes one network: links, routes, neighbours, as this node needs them. Pure.

    members = fabric.members(view)
    fabric.render("vxlan", own, members - {own}, underlay_mtu=1500)

In mode "vxlan" each node has one device, and knows of each other node by which MAC and address it is reached there:
nothing is learned, and nothing is asked of all. In mode "host-gw" the other nodes' addresses are the gateways. In mode
"wireguard" a device knows by whose key each subnet's packets are sealed.
Source: RFC 7348; flannel's backends of the same names.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from swarmlet.model import ip_families, kinds, node_subnets
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node
from swarmlet.model.node_subnets import WIREGUARD_PORT, SubnetClaim
from swarmlet.network.wireguard.plan import OVERHEAD_BYTES as WIREGUARD_BYTES
from swarmlet.network.wireguard.plan import WIREGUARD, Peer, Wireguard
from swarmlet.runtime.runtime import POD_NETWORK, BridgeNetwork
from swarmlet.store.commands import Key
from swarmlet.store.replica import View

BRIDGE = "swl0"
VXLAN = "swl.vxlan"
VXLAN_ID = 4789
VXLAN_PORT = 4789
VXLAN_BYTES = 50
"""What the overlay adds to a packet: Ethernet 14, IPv4 20, UDP 8, VXLAN 8."""
HOST_GATEWAY = "host-gw"
MTU_V6_MIN = 1280
"""What every link must take. Source: RFC 8200, section 5."""
_OVERHEAD_BYTES = {"vxlan": VXLAN_BYTES, HOST_GATEWAY: 0, WIREGUARD: WIREGUARD_BYTES}


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A node that has a subnet. `address` is where the others reach it; `subnet_v6` is "" where there is no IPv6.

    `wireguard_key` is its public one, "" where it has told none.
    """

    node_id: str
    address: str
    subnet: str
    subnet_v6: str = ""
    wireguard_key: str = ""


@dataclass(frozen=True, slots=True)
class Vxlan:
    """This node's device in the overlay; `local` is the node's own address, `addresses` are the device's."""

    mac: str
    local: str
    addresses: tuple[str, ...]
    mtu: int


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A way to another node's subnet: over the overlay's device, or else over the network between the machines.

    `source` is the address that this machine itself goes under: one of the cluster's, which the others let through.
    """

    subnet: str
    gateway: str
    source: str
    over_vxlan: bool


@dataclass(frozen=True, slots=True, order=True)
class Neighbour:
    """Another node in the overlay: the address and MAC of its device, and where the packets to it are sent."""

    address: str
    mac: str
    node_address: str


@dataclass(frozen=True, slots=True)
class Fabric:
    """All of it. The bridge's MAC stays the same whoever makes it anew: the Pods remember it.

    `gateway_v6` is the node's own address on the link to the others, where they find it as the way to its IPv6 subnet.
    """

    bridge: BridgeNetwork
    bridge_mac: str
    vxlan: Vxlan | None
    routes: frozenset[Route]
    neighbours: frozenset[Neighbour]
    gateway_v6: str = ""
    wireguard: Wireguard | None = None


def members(view: View) -> dict[str, Member]:
    """Return the nodes that have a subnet of their own and an IPv4 address, by name."""
    found = {}
    for stored in view.list(kinds.NODE.resource):
        node = cast("Node", stored.object)
        reached_at = address(node)
        node_id = node.metadata.labels.get(NODE_ID_LABEL, "")
        claim = _claim(view, node_id, node.spec.pod_cidr)
        if claim is not None and is_v4(reached_at):
            subnet_v6 = ip_families.first(ip_families.IPV6, node.spec.pod_cidrs)
            found[node.metadata.name] = Member(node_id, reached_at, node.spec.pod_cidr, subnet_v6, claim.wireguard_key)
    return found


def address(node: Node) -> str:
    """Return where the other machines reach a node, "" where that is not known."""
    return next((each.address for each in node.status.addresses if each.type == "InternalIP"), "")


def render(
    mode: str,
    own: Member,
    others: Iterable[Member],
    *,
    underlay_mtu: int,
    mtu: int = 0,
    wireguard_port: int = WIREGUARD_PORT,
) -> Fabric:
    """Return what node `own` needs. `underlay_mtu` is that of its way to the others, `mtu` what Pods get, 0: all."""
    gateway = str(ipaddress.IPv4Network(own.subnet)[1])
    pods_mtu = mtu or underlay_mtu - _OVERHEAD_BYTES[mode]
    bridge = BridgeNetwork(
        name=POD_NETWORK,
        bridge=BRIDGE,
        subnet=own.subnet,
        gateway=gateway,
        mtu=pods_mtu,
        subnet_v6=own.subnet_v6,
        gateway_v6=ip_families.with_v6(gateway, own.subnet_v6),
    )
    bridge_mac = mac(f"bridge {own.node_id}")
    others = [each for each in others if each.wireguard_key or mode != WIREGUARD]
    dual = [each for each in others if own.subnet_v6 and each.subnet_v6]
    routes_v6 = [
        Route(each.subnet_v6, overlay_v6(each), overlay_v6(own), over_vxlan=mode != HOST_GATEWAY) for each in dual
    ]
    if mode == HOST_GATEWAY:
        routes = [Route(each.subnet, each.address, gateway, over_vxlan=False) for each in others]
        gateway_v6 = overlay_v6(own) if dual else ""
        return Fabric(bridge, bridge_mac, None, frozenset([*routes, *routes_v6]), frozenset(), gateway_v6)
    routes = [Route(each.subnet, overlay_address(each), overlay_address(own), over_vxlan=True) for each in others]
    addresses = tuple(filter(None, (overlay_address(own), overlay_v6(own))))
    if mode == WIREGUARD:
        device = Wireguard(
            wireguard_port, addresses, pods_mtu, frozenset(_peer(each, wireguard_port) for each in others)
        )
        return Fabric(bridge, bridge_mac, None, frozenset([*routes, *routes_v6]), frozenset(), wireguard=device)
    neighbours = [Neighbour(overlay_address(each), mac(each.node_id), each.address) for each in others]
    neighbours += [Neighbour(overlay_v6(each), mac(each.node_id), each.address) for each in dual]
    return Fabric(
        bridge,
        bridge_mac,
        Vxlan(mac(own.node_id), own.address, addresses, pods_mtu),
        frozenset([*routes, *routes_v6]),
        frozenset(neighbours),
    )


def _peer(member: Member, port: int) -> Peer:
    networks = tuple(sorted(filter(None, (member.subnet, member.subnet_v6))))
    return Peer(member.wireguard_key, member.address, port, networks)


def overlay_address(member: Member) -> str:
    """Return the address of a node's device in the overlay: the first of its subnet, which no Pod has."""
    return str(ipaddress.IPv4Network(member.subnet)[0])


def overlay_v6(member: Member) -> str:
    """Return the address of IPv6 that goes with it, "" where there is none."""
    return ip_families.with_v6(overlay_address(member), member.subnet_v6)


def mac(of: str) -> str:
    """Return a locally administered MAC that everybody derives alike."""
    digest = hashlib.sha256(of.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def _claim(view: View, node_id: str, subnet: str) -> SubnetClaim | None:
    """Return the claim of the subnet that a Node shows; None where it is that of a machine that had its name before."""
    held = view.get(Key(kinds.SUBNET_CLAIM.resource, "", node_subnets.claim_name(subnet))) if subnet else None
    claim = cast("SubnetClaim", held.object) if held is not None else None
    return claim if claim is not None and claim.node_id == node_id else None


def is_v4(address: str) -> bool:
    """Whether this is an address of IPv4, and no name either."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True
