"""The MAC of a Pod's link: it follows from the address, so that neighbours who remember a former Pod reach the next."""

from __future__ import annotations

import ipaddress

PREFIX = bytes((0x02, 0x42))
"""What each begins with; the address follows. Source: libnetwork/netutils (GenerateMACFromIP)."""


def mac(address: str) -> str:
    """Return the MAC of the Pod with an IPv4 address, as an Engine before version 28 makes it by itself."""
    return (PREFIX + ipaddress.IPv4Address(address).packed).hex(":")


def address(mac: str) -> ipaddress.IPv4Address | None:
    """Return the address of the Pod with a MAC, "" for none; None where it is no Pod's."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return ipaddress.IPv4Address(octets.removeprefix(PREFIX)) if octets.startswith(PREFIX) else None


def link_local(mac: str) -> ipaddress.IPv6Address:
    """Return the address that a link with this MAC gives itself. Source: RFC 4291, appendix A."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier)
