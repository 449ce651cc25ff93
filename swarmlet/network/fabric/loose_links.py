"""The links of this node's Pods that hang on no bridge: a stranger deleted it, perhaps while no daemon was there.

A Pod's link is known by the MAC at its other end, in the Pod: it follows from the Pod's address (`pod_links`).
Whatever else hangs loose on this machine is somebody else's.
Source: rtnetlink(7), linux/if_link.h (IFLA_IF_NETNSID).
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from swarmlet.runtime import pod_links


async def find(netlink: AsyncIPRoute, links: Iterable[Any], subnet: str) -> list[int]:
    """Return the indexes of those of a machine's links that belong to Pods of a subnet and hang on no bridge."""
    return [link["index"] for link in _loose(links) if _is_pods(await _mac_inside(netlink, link), subnet)]


def _loose(links: Iterable[Any]) -> Iterator[Any]:
    """Yield the links that lead into another namespace and belong to nothing here."""
    for link in links:
        info = link.get("linkinfo")
        leads_away = link.get("link_netnsid") is not None and link.get("link") is not None
        if leads_away and not link.get("master") and info is not None and info.get("kind") == "veth":
            yield link


async def _mac_inside(netlink: AsyncIPRoute, link: Any) -> str:
    """Return the MAC of a link's other end; "" where that is gone by now."""
    with contextlib.suppress(NetlinkError):
        for found in await netlink.link("get", index=link.get("link"), if_netnsid=link.get("link_netnsid")):
            return str(found.get("address") or "")
    return ""


def _is_pods(mac: str, subnet: str) -> bool:
    """Whether a MAC is that of a Pod with an address of a subnet."""
    address = pod_links.address(mac)
    return address is not None and address in ipaddress.IPv4Network(subnet)
