"""What each family of addresses is called in rules of nftables."""

from __future__ import annotations

from dataclasses import dataclass

from swarmlet.model.ip_families import IPV4, IPV6


@dataclass(frozen=True, slots=True)
class Words:
    """`ip` is what packets, and a table for them, are called; `address` the type of what sets hold."""

    ip: str
    address: str
    icmp: str
    loopback: str


WORDS = {
    IPV4: Words("ip", "ipv4_addr", "icmp", "127.0.0.0/8"),
    IPV6: Words("ip6", "ipv6_addr", "icmpv6", "::1"),
}
