"""What keeps a Pod from passing for another of its own node, as rules of nftables for the node's bridge. Pure.

Each Pod's link is a port of the bridge. From a port come frames with its Pod's own MAC and address alone, in what they
carry and in what ARP says of it; anything else ends before the bridge learns from it. Of a port that is not known yet,
because its container is only just starting, no address is taken that another port has, nor the node's own.

The bridge family cannot be asked which bridge a port belongs to, so what comes from an unknown port is dropped only
where it bears an address of this node's subnet.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from swarmlet.network.ruleset import Part
from swarmlet.runtime import pod_links

TABLE = "swarmlet-ports"
FAMILY = "bridge"
GUARD = "guard"
PORTS = "ports"
GIVEN = "given"
GIVEN_V6 = "given-v6"
BOUND = "bound"
BASE_PRIORITY = -310
"""Before the kernel shows bridged packets to the rules of other families, and before the bridge learns a MAC."""

_PAIRS = "set { type ether_addr . ipv4_addr; }"
_PAIRS_V6 = "set { type ether_addr . ipv6_addr; }"
_MACS = "set { type ether_addr; }"
_VERDICTS = "map { type ifname : verdict; }"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_ADVERTISED = "@th,64"
"""Where a neighbour advertisement says whose MAC it tells. Source: RFC 4861, section 4.4."""
_ANY = "0.0.0.0"  # noqa: S104  not listened at: who asks whether an address is free says this of itself (RFC 5227)


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the bridge that carries packets. `mac` is what the link inside the Pod had when it came up."""

    name: str
    mac: str


def base(subnet: str, subnet_v6: str, bridge_mac: str) -> Part:
    """Return what is there without any Pod. `subnet_v6` is "" where Pods have no addresses of IPv6."""
    guarded: tuple[str, ...] = (
        f"iifname vmap @{PORTS}",
        f"ether saddr @{BOUND} drop",
        f"ip saddr {subnet} ether saddr . ip saddr != @{GIVEN} drop",
        f"arp saddr ip {subnet} ether saddr . arp saddr ip != @{GIVEN} drop",
        f"arp saddr ip {subnet} arp saddr ether . arp saddr ip != @{GIVEN} drop",
    )
    if subnet_v6:
        network = ipaddress.IPv6Network(subnet_v6)
        prefix = int(network.network_address) >> (128 - network.prefixlen)
        guarded += (
            f"ip6 saddr {subnet_v6} ether saddr . ip6 saddr != @{GIVEN_V6} drop",
            f"icmpv6 type nd-neighbor-advert {_ADVERTISED},{network.prefixlen} {prefix:#x} drop",
        )
    return Part(
        sets={PORTS: _VERDICTS, GIVEN: _PAIRS, GIVEN_V6: _PAIRS_V6, BOUND: _MACS},
        hooks={GUARD: f"{{ type filter hook prerouting priority {BASE_PRIORITY}; policy accept; }}"},
        chains={GUARD: guarded},
        elements={(BOUND, bridge_mac): ""},
    )


def pod_part(address: str, address_v6: str, port: Port | None) -> Part:
    """Return the part of a Pod; `port` is None while it is not known."""
    mac = pod_links.mac(address)
    if port is None:
        given = {(GIVEN, f"{mac} . {address}"): ""}
        return Part(elements=given | ({(GIVEN_V6, f"{mac} . {address_v6}"): ""} if address_v6 else {}))
    rules = (
        f"ether saddr != {mac} drop",
        f"ip saddr {address} accept",
        f"arp saddr ether {mac} arp saddr ip {{ {_ANY}, {address} }} accept",
        *(_rules_v6(mac, address_v6) if address_v6 else ()),
        "drop",
    )
    chain = f"port-{port.name}"
    return Part(chains={chain: rules}, elements={(PORTS, f'"{port.name}"'): f"goto {chain}", (BOUND, mac): ""})


def stranger_part(port: Port) -> Part:
    """Return the part of a port that is no Pod's: nothing comes from it."""
    return Part(elements={(PORTS, f'"{port.name}"'): "drop"})


def _rules_v6(mac: str, address: str) -> tuple[str, ...]:
    """Return what a Pod may send by IPv6: it is no router, and advertises its own addresses alone."""
    own = (ipaddress.IPv6Address(address), pod_links.link_local(mac))
    advertised = ", ".join(f"{int(each):#x}" for each in own)
    return (
        "icmpv6 type { nd-router-advert, nd-redirect } drop",
        f"icmpv6 type nd-neighbor-advert {_ADVERTISED},128 != {{ {advertised} }} drop",
        f"ip6 saddr {{ ::, {own[0]}, {own[1]} }} accept",
    )


def is_renderable(name: str) -> bool:
    """Whether a link's name may stand in a script: the kernel allows more than nft can be told."""
    return _NAME.fullmatch(name) is not None


def owners(ports: Iterable[Port], addresses: Collection[str]) -> dict[str, Port]:
    """Return which address has which port; of several that look alike the first has come first.

    `ports` are in the order of their coming; `addresses` are the Pods'.
    """
    expected = {pod_links.mac(address): address for address in addresses}
    found: dict[str, Port] = {}
    for port in ports:
        address = expected.get(port.mac)
        if address is not None:
            found.setdefault(address, port)
    return found
