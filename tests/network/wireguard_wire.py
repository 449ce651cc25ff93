"""WireGuard's netlink as its kernel lays it out, taken apart and put together by hand: linux/wireguard.h."""

from __future__ import annotations

import base64
import ipaddress
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pyroute2.netlink.generic.wireguard import AsyncWireGuard, wgmsg

HEADERS_BYTES = 20
"""Of netlink (16) and of generic netlink (4), in which the first byte is the command."""
GET_DEVICE, SET_DEVICE = 0, 1
NAME, PRIVATE_KEY, PORT, PEERS = 2, 3, 6, 8
PEER_KEY, PEER_FLAGS, ENDPOINT, NETWORKS = 1, 3, 4, 9
FAMILY, ADDRESS, PREFIX = 1, 2, 3
REMOVE_ME, REPLACE_NETWORKS = 1, 2
NESTED = 0x8000


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind = struct.unpack_from("=HH", data)
        assert length >= 4
        yield kind & ~NESTED, data[4:length]
        data = data[(length + 3) & ~3 :]


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


class Device:
    """In the kernel's place: it takes and gives bytes, and keeps what a device of the kernel's would."""

    def __init__(self) -> None:
        self.private_key = bytes(32)
        self.port = 0
        self.peers: dict[bytes, dict[int, Any]] = {}
        self.set_calls = 0

    def take(self, message: bytes) -> None:
        assert message[16] == SET_DEVICE
        self.set_calls += 1
        told = dict(attributes(message[HEADERS_BYTES:]))
        assert told[NAME] == b"swl.wg\0"
        self.private_key = told.get(PRIVATE_KEY, self.private_key)
        if PORT in told:
            (self.port,) = struct.unpack("=H", told[PORT])
        for _, peer in attributes(told.get(PEERS, b"")):
            self._take_peer(dict(attributes(peer)))

    def _take_peer(self, told: dict[int, bytes]) -> None:
        (flags,) = struct.unpack("=I", told.get(PEER_FLAGS, bytes(4)))
        if flags & REMOVE_ME:
            self.peers.pop(told[PEER_KEY], None)
            return
        peer = self.peers.setdefault(told[PEER_KEY], {ENDPOINT: bytes(16), NETWORKS: set()})
        if ENDPOINT in told:
            assert len(told[ENDPOINT]) == 16, "struct sockaddr_in"
            peer[ENDPOINT] = told[ENDPOINT]
        if flags & REPLACE_NETWORKS:
            peer[NETWORKS] = set()
        for _, network in attributes(told.get(NETWORKS, b"")):
            each = dict(attributes(network))
            found = (struct.unpack("=H", each[FAMILY])[0], each[ADDRESS], each[PREFIX][0])
            for other in self.peers.values():  # a network is one peer's
                other[NETWORKS].discard(found)
            peer[NETWORKS].add(found)

    def tell(self) -> Iterator[bytes]:
        """Yield what the kernel answers: a message for each peer, as where there are too many for one."""
        own = attribute(PRIVATE_KEY, self.private_key) if any(self.private_key) else b""
        yield self._message(own + attribute(PORT, struct.pack("=H", self.port)))
        for key, peer in self.peers.items():
            networks = b"".join(attribute(NESTED, _network(*each)) for each in sorted(peer[NETWORKS]))
            place = attribute(ENDPOINT, peer[ENDPOINT]) if any(peer[ENDPOINT]) else b""
            told = attribute(PEER_KEY, key) + place + attribute(NETWORKS | NESTED, networks)
            yield self._message(attribute(PEERS | NESTED, attribute(NESTED, told)))

    @staticmethod
    def _message(payload: bytes) -> bytes:
        return struct.pack("=IHHIIBBH", HEADERS_BYTES + len(payload), 30, 2, 0, 0, GET_DEVICE, 1, 0) + payload

    def text(self) -> dict[str, tuple[str, list[str]]]:
        """Return the peers as a person reads them."""
        return {
            base64.b64encode(key).decode(): (
                f"{ipaddress.ip_address(peer[ENDPOINT][4:8])}:{int.from_bytes(peer[ENDPOINT][2:4], 'big')}",
                sorted(f"{ipaddress.ip_address(address)}/{prefix}" for _, address, prefix in peer[NETWORKS]),
            )
            for key, peer in self.peers.items()
        }


class Socket(AsyncWireGuard):
    """pyroute2's, with its bytes led to a `Device`."""

    prid = 30
    pid = 0

    def __init__(self, device: Device) -> None:  # no socket: there is no kernel behind it
        self._device = device

    def close(self) -> None:
        pass

    def sendto(self, data: bytes, address: object) -> None:
        self._device.take(bytes(data))

    async def get(self) -> AsyncIterator[dict[str, Any]]:
        yield {"header": {"error": None}}

    async def info(self, interface: str) -> AsyncIterator[wgmsg]:
        assert interface == "swl.wg"
        return self._told()

    async def _told(self) -> AsyncIterator[wgmsg]:
        for data in self._device.tell():
            message = wgmsg(data)
            message.decode()
            yield message


def _network(family: int, address: bytes, prefix: int) -> bytes:
    told = attribute(FAMILY, struct.pack("=H", family)) + attribute(ADDRESS, address)
    return told + attribute(PREFIX, bytes([prefix]))
