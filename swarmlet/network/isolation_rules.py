"""What keeps Pods from passing for others, and strangers out of the overlay, as rules of nftables. Pure.

From the node's bridge, only addresses that Pods of this node were given may send, and nothing by IPv6: Pods have no
addresses there, and NetworkPolicies look at no such packets. The overlay's port takes packets of members alone, and
Pods do not reach the port of the daemons' own state, here or elsewhere. The control port is open to them: the API is
there, and asks everybody for a certificate or a token.
"""

from __future__ import annotations

from swarmlet.network.ruleset import Part

TABLE = "swarmlet-isolation"
FAMILY = "inet"
PODS = "pods"
MEMBERS = "members"

_ADDRESSES = "set { type ipv4_addr; }"


def base(bridge: str, pod_network: str, *, vxlan_port: int, status_port: int) -> Part:
    """Return what is there without any Pod or member: the hooks, and the sets.

    What Pods send to another machine bears their own machine's address there, so it is stopped here.
    """
    return Part(
        sets={PODS: _ADDRESSES, MEMBERS: _ADDRESSES},
        hooks={
            "from-pods": "{ type filter hook prerouting priority -310; policy accept; }",
            "to-node": "{ type filter hook input priority -7; policy accept; }",
            "to-others": "{ type filter hook forward priority -7; policy accept; }",
        },
        chains={
            "from-pods": (
                f'iifname "{bridge}" meta nfproto ipv6 drop',
                f'iifname "{bridge}" ip saddr != @{PODS} drop',
            ),
            "to-node": (
                f"udp dport {vxlan_port} ip saddr != @{MEMBERS} drop",
                f"ip saddr {pod_network} tcp dport {status_port} drop",
            ),
            "to-others": (f"ip saddr {pod_network} ip daddr @{MEMBERS} goto to-members",),
            "to-members": (f"udp dport {vxlan_port} drop", f"tcp dport {status_port} drop"),
        },
    )


def pod_part(address: str) -> Part:
    """Return the part of an address that a Pod of this node was given."""
    return Part(elements={(PODS, address): ""})


def member_part(address: str) -> Part:
    """Return the part of a machine of the overlay."""
    return Part(elements={(MEMBERS, address): ""})
