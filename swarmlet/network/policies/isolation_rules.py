"""What keeps Pods from passing for others, and strangers out of the overlay, as rules of nftables. Pure.

From the node's bridge, only addresses that Pods of this node were given may send; nothing by IPv6 where Pods have no
addresses of it, and nobody as a router. From anywhere else an address of the Pod network counts only where this node
would send to it: else who stands on the machines' network could send as any Pod. The overlay takes packets of members
alone, and Pods reach neither the port of the daemons' own state, here or elsewhere, nor that of an Engine that asks
nobody who he is. The control port is open to them: the API is there, and asks everybody for a certificate or a token.
"""

from __future__ import annotations

from swarmlet.model import ip_families
from swarmlet.network.ruleset import Part

TABLE = "swarmlet-isolation"
FAMILY = "inet"
PODS = "pods"
PODS_V6 = "pods-v6"
MEMBERS = "members"
ENGINE_PORT = 2375
"""Docker's, without TLS: whoever reaches it owns the machine. Source: IANA's registry, "docker"."""

_ADDRESSES = "set { type ipv4_addr; }"
_ADDRESSES_V6 = "set { type ipv6_addr; }"
_VNI = "@th,96,24"
"""Where a packet of the overlay says of which it is. Source: RFC 7348, section 5, behind 8 bytes of UDP."""
_OF_THE_LINK = "{ ::, fe80::/10 }"
"""What a link says of itself: who is at its other end is looked at where the frames arrive."""


def base(bridge: str, cluster_cidr: str, *, overlay: tuple[int, int], status_port: int) -> Part:
    """Return what is there without any Pod or member: the hooks, and the sets.

    `overlay` is its port and its VNI: what others have at that port of this machine under another is theirs. What Pods
    send to another machine bears their own machine's address there, so it is stopped here.
    """
    overlay_port, overlay_id = overlay
    pod_network, pod_network_v6 = (ip_families.cidr(family, cluster_cidr) for family in ip_families.FAMILIES)
    closed = f"{{ {status_port}, {ENGINE_PORT} }}"
    others_v6 = f"ip6 saddr != {_OF_THE_LINK} ip6 saddr != @{PODS_V6}" if pod_network_v6 else "meta nfproto ipv6"
    strays = [f"ip saddr {pod_network} fib saddr . iif oif missing drop"]
    strays += [f"ip6 saddr {pod_network_v6} fib saddr . iif oif missing drop"] if pod_network_v6 else []
    routers = (f'iifname "{bridge}" icmpv6 type {{ nd-router-advert, nd-redirect }} drop',) if pod_network_v6 else ()
    to_node_v6 = (f"ip6 saddr {pod_network_v6} tcp dport {closed} drop",) if pod_network_v6 else ()
    return Part(
        sets={PODS: _ADDRESSES, PODS_V6: _ADDRESSES_V6, MEMBERS: _ADDRESSES},
        hooks={
            "arriving": "{ type filter hook prerouting priority -310; policy accept; }",
            "to-node": "{ type filter hook input priority -7; policy accept; }",
            "to-others": "{ type filter hook forward priority -7; policy accept; }",
        },
        chains={
            "arriving": (
                f'iifname "{bridge}" {others_v6} drop',
                *routers,
                f'iifname "{bridge}" ip saddr != @{PODS} drop',
                f'iifname "{bridge}" accept',
                *strays,
            ),
            "to-node": (
                f"udp dport {overlay_port} {_VNI} {overlay_id} ip saddr != @{MEMBERS} drop",
                f'iifname "{bridge}" udp dport {overlay_port} drop',
                f'iifname "{bridge}" tcp dport {closed} drop',
                f"ip saddr {pod_network} tcp dport {closed} drop",
                *to_node_v6,
            ),
            "to-others": (f"ip saddr {pod_network} ip daddr @{MEMBERS} goto to-members",),
            "to-members": (f"udp dport {overlay_port} drop", f"tcp dport {closed} drop"),
        },
    )


def pod_part(address: str, address_v6: str = "") -> Part:
    """Return the part of the addresses that a Pod of this node was given."""
    return Part(elements={(PODS, address): ""} | ({(PODS_V6, address_v6): ""} if address_v6 else {}))


def member_part(address: str) -> Part:
    """Return the part of a machine of the overlay."""
    return Part(elements={(MEMBERS, address): ""})
