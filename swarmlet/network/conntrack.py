"""The kernel's memory of connections: those that lead to where nobody is any more are taken out of it.

What comes next on such a connection is looked up like a first packet: it is refused, or goes to an endpoint that does
not know it, and resets it. Source: linux/netfilter/nfnetlink_conntrack.h; kubernetes pkg/proxy/conntrack/cleanup.go.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from swarmlet.network.netlink import ACKNOWLEDGE, DUMP, Attributes, Netfilter, attribute, attributes

PROTOCOLS = {socket.IPPROTO_TCP: "TCP", socket.IPPROTO_UDP: "UDP"}

_SUBSYSTEM = 1 << 8
_GET, _DELETE = _SUBSYSTEM | 1, _SUBSYSTEM | 2
_ORIGINAL, _REPLY, _STATUS, _ID, _ZONE = 1, 2, 3, 12, 18
_TUPLE_ADDRESSES, _TUPLE_PROTOCOL = 1, 2
_SOURCE: dict[int, int] = {socket.AF_INET: 1, socket.AF_INET6: 3}
_DESTINATION: dict[int, int] = {socket.AF_INET: 2, socket.AF_INET6: 4}
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_DESTINATION_CHANGED = 1 << 5
_PORT = struct.Struct("!H")
_FLAGS = struct.Struct("!I")


class Flow(NamedTuple):
    """A connection whose first packet was sent on: it went to `address` and `port`, and came to the endpoint's."""

    protocol: str
    address: str
    port: int
    endpoint: str
    endpoint_port: int


def forget(is_stale: Callable[[Flow], bool], family: int = socket.AF_INET) -> int:
    """Take the connections that are stale out of the kernel's memory; return how many. `OSError`: it does not let us.

    It reads all that there are of a family of addresses, some milliseconds for a thousand: for a thread.
    """
    netlink = Netfilter()
    try:
        stale = [found for flow, found in _flows(netlink, family) if is_stale(flow)]
        for found in stale:
            _delete(netlink, found, family)
        return len(stale)
    finally:
        netlink.close()


def _flows(netlink: Netfilter, family: int) -> Iterator[tuple[Flow, Attributes]]:
    for found in netlink.ask(_GET, flags=DUMP, family=family):
        if _FLAGS.unpack(found.get(_STATUS, bytes(4)))[0] & _DESTINATION_CHANGED:
            original, reply = attributes(found[_ORIGINAL]), attributes(found[_REPLY])
            carried = attributes(original[_TUPLE_PROTOCOL])
            protocol = PROTOCOLS.get(carried[_NUMBER][0], "")
            answering = attributes(reply[_TUPLE_PROTOCOL])
            if protocol:
                yield (
                    Flow(
                        protocol,
                        socket.inet_ntop(family, attributes(original[_TUPLE_ADDRESSES])[_DESTINATION[family]]),
                        _PORT.unpack(carried[_DESTINATION_PORT])[0],
                        socket.inet_ntop(family, attributes(reply[_TUPLE_ADDRESSES])[_SOURCE[family]]),
                        _PORT.unpack(answering[_SOURCE_PORT])[0],
                    ),
                    found,
                )


def _delete(netlink: Netfilter, found: Attributes, family: int) -> None:
    kept = [each for each in (_ID, _ZONE) if each in found]
    named = attribute(_ORIGINAL, found[_ORIGINAL], nested=True) + b"".join(attribute(i, found[i]) for i in kept)
    try:
        for _ in netlink.ask(_DELETE, named, flags=ACKNOWLEDGE, family=family):
            pass
    except FileNotFoundError:
        return  # it ended by itself
