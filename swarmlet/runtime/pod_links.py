"""The MAC of a Pod's link: it follows from the address, so that neighbours who remember a former Pod reach the next."""

from __future__ import annotations

import ipaddress


def mac(address: str) -> str:
    """Return the MAC of the Pod with an IPv4 address, as an Engine before version 28 makes it by itself.

    Source: libnetwork/netutils (GenerateMACFromIP).
    """
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x42, *ipaddress.IPv4Address(address).packed))


def link_local(mac: str) -> ipaddress.IPv6Address:
    """Return the address that a link with this MAC gives itself. Source: RFC 4291, appendix A."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier)
