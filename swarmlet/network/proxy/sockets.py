"""The proxy's sockets, of the family of the address that each is for.

Source: ip(7) and ipv6(7); linux/in.h (struct in_pktinfo), linux/ipv6.h (struct in6_pktinfo).
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from swarmlet.model import ip_families

IP_PKTINFO = 8  # Python's socket module has it from 3.12 on
_IPV6_FREEBIND = 78
"""What a route makes this machine's own may be listened at by IPv4; by IPv6 only so."""
_SERVICES = ipaddress.IPv6Network(ip_families.SERVICE_CIDRS[ip_families.IPV6])


@dataclass(frozen=True, slots=True)
class Packets:
    """How a family tells to which address of the machine a datagram came, and from which one an answer is to leave."""

    level: int
    ask: int
    info: int
    shape: struct.Struct
    place: int

    @property
    def space(self) -> int:
        return socket.CMSG_SPACE(self.shape.size)

    def tell(self, opened: socket.socket) -> None:
        """Have a socket tell it."""
        opened.setsockopt(self.level, self.ask, 1)

    def came_to(self, told: Sequence[tuple[int, int, bytes]]) -> bytes:
        """Return the address that a datagram came to."""
        return self.shape.unpack(told[0][2])[self.place] if told else b""

    def leaving(self, local: bytes) -> tuple[int, int, bytes]:
        """Return what lets a datagram leave from an address; b"" leaves it to the kernel."""
        return self.level, self.info, _packed(self.shape, self.place, local)


_V4 = Packets(socket.IPPROTO_IP, IP_PKTINFO, IP_PKTINFO, struct.Struct("=i4s4s"), 1)
_V6 = Packets(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, socket.IPV6_PKTINFO, struct.Struct("=16si"), 0)


def opened(address: str, kind: int) -> socket.socket:
    """Return a socket for an address; one of IPv6 is for nothing else."""
    is_v6 = ip_families.of(address) == ip_families.IPV6
    made = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    if is_v6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if is_v6 and ipaddress.IPv6Address(address) in _SERVICES:
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    return made


def packets(address: str) -> Packets:
    """Return how the family of an address tells of datagrams."""
    return _V6 if ip_families.of(address) == ip_families.IPV6 else _V4


def _packed(shape: struct.Struct, place: int, local: bytes) -> bytes:
    return shape.pack(local, 0) if place == 0 else shape.pack(0, local, b"")
