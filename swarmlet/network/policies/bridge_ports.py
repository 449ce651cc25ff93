"""Which ports a bridge of this machine has, and what the links at their other ends were called when they came up.

The other end of a Pod's link is in the Pod, where a privileged one may change it: so each is looked at once.
Source: rtnetlink(7), linux/if_link.h.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from swarmlet.network.netlink import DUMP, NETLINK_ROUTE, Attributes, Netlink, attribute, attributes
from swarmlet.network.policies.port_rules import Port

GET_LINK = 18
NEWS_BYTES = 64 * 1024
GROUP_LINK = 1
"""The multicast group that hears of every change of a link."""
LOWER_UP = 1 << 16
"""Both ends of the link are up. Source: linux/if.h (IFF_LOWER_UP)."""

_LINK = struct.Struct("=BxHiII")
_ADDRESS, _NAME, _PEER, _MASTER, _NAMESPACE, _IN_NAMESPACE = 1, 3, 5, 10, 37, 46
_LINK_INFO, _KIND, _PORT_INFO, _PORT_MODE = 18, 1, 5, 4
"""Source: linux/if_link.h (IFLA_LINKINFO, IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA, IFLA_BRPORT_MODE)."""
_BRIDGE = b"bridge\0"


@dataclass(frozen=True, slots=True)
class _Found:
    """A link as the kernel tells it."""

    index: int
    is_up: bool
    told: Attributes

    def number(self, kind: int) -> int:
        return int.from_bytes(self.told.get(kind, b"\0"), "little", signed=True)

    @property
    def name(self) -> str:
        return self.told[_NAME].rstrip(b"\0").decode(errors="replace")


class BridgePorts:
    """One for a bridge. It remembers what each port was at first sight."""

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge
        self._netlink = Netlink(NETLINK_ROUTE)
        self._known: dict[tuple[int, str], Port] = {}

    def close(self) -> None:
        """Look no longer."""
        self._netlink.close()

    def look(self) -> tuple[Port, ...]:
        """Return the ports whose links are up, those that came first first. Raises `OSError`."""
        links = [_found(each) for each in self._netlink.request(GET_LINK, _LINK.pack(0, 0, 0, 0, 0), flags=DUMP)]
        index = next((each.index for each in links if each.name == self._bridge), None)
        ports = {(each.index, each.name): each for each in links if index and each.number(_MASTER) == index}
        self._known = {key: port for key, port in self._known.items() if key in ports}
        for key, link in ports.items():
            if link.is_up and key not in self._known:
                self._known[key] = Port(link.name, self._mac_of_other_end(link))
        return tuple(self._known[key] for key in sorted(self._known))

    def _mac_of_other_end(self, link: _Found) -> str:
        """Return the MAC at the other end of a link that leads into another namespace; "" for any other link."""
        if _NAMESPACE not in link.told or link.number(_NAMESPACE) < 0:
            return ""
        asked = _LINK.pack(0, 0, link.number(_PEER), 0, 0) + attribute(_IN_NAMESPACE, link.told[_NAMESPACE])
        with contextlib.suppress(OSError):  # it went away meanwhile
            for answer in self._netlink.request(GET_LINK, asked, flags=0):
                return ":".join(f"{byte:02x}" for byte in _found(answer).told.get(_ADDRESS, b""))
        return ""


def without_way_back(bridge: int) -> list[int]:
    """Return the indexes of those ports of a bridge that send nothing back out to where it came from.

    Raises `OSError`. It reads no more of a link than that: a node has hundreds, and this is asked every few seconds.
    """
    links = _those(attribute(_MASTER, bridge.to_bytes(4, "little")))
    return [each.index for each in links if each.number(_MASTER) == bridge and not _reflects(each)]


def bridges() -> set[int]:
    """Return the indexes of this machine's bridges. Raises `OSError`."""
    links = _those(attribute(_LINK_INFO, attribute(_KIND, _BRIDGE), nested=True))
    return {each.index for each in links if attributes(each.told.get(_LINK_INFO, b"")).get(_KIND) == _BRIDGE}


class LinkChanges:
    """Calls a listener whenever any link of this machine has changed."""

    def __init__(self, listener: Callable[[], None]) -> None:
        self._listener = listener
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, NETLINK_ROUTE
        )
        self._socket.bind((0, GROUP_LINK))
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        """Listen no longer."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # nothing more; or more than there was room for, which is news as well
            while True:
                self._socket.recv(NEWS_BYTES)
        self._listener()


def _those(wanted: bytes) -> list[_Found]:
    """Return the links with an attribute, as far as the kernel leaves out the others."""
    netlink = Netlink(NETLINK_ROUTE)
    try:
        return [_found(each) for each in netlink.request(GET_LINK, _LINK.pack(0, 0, 0, 0, 0) + wanted, flags=DUMP)]
    finally:
        netlink.close()


def _reflects(link: _Found) -> bool:
    port = attributes(attributes(link.told.get(_LINK_INFO, b"")).get(_PORT_INFO, b""))
    return any(port.get(_PORT_MODE, b""))


def _found(answer: bytes) -> _Found:
    _, _, index, flags, _ = _LINK.unpack_from(answer)
    return _Found(index, bool(flags & LOWER_UP), attributes(answer[_LINK.size :]))
