"""What packets to Services need on a machine besides the rules: a route at all, and a way back out of a bridge.

A machine without a default route refuses a connection to a cluster IP before any rule is asked, so the network of
Services has a route of its own; nothing ever takes it, for the rules send every packet elsewhere or refuse it. And a
bridge sends nothing back out of the port that it came from, which a Pod needs that reaches itself by its Service:
its port must be told to. Source: linux/if_link.h (IFLA_BRPORT_MODE); kubernetes pkg/kubelet, hairpin mode.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Mapping

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from swarmlet.model import ip_families
from swarmlet.network.dns import device
from swarmlet.network.policies import bridge_ports

LOOPBACK_INDEX = 1
PROTOCOL = 88
"""Of the route that is this module's."""


def lay(service_network: str, bridge: str) -> str:
    """See to all of it, as far as the machine lets us; return what is wrong, "" where nothing is.

    What is as it should be stays, and so does what somebody else has there. Blocks for milliseconds.
    """
    fault = ""
    try:
        with IPRoute() as kernel:
            found = kernel.link_lookup(ifname=bridge)
            if found or ip_families.of(service_network) == ip_families.IPV4:
                fault = _lay_route(kernel, _route(service_network, *found))
            for port in bridge_ports.without_way_back(found[0]) if found else ():
                kernel.brport("set", index=port, mode=1)
    except (NetlinkError, OSError) as error:
        return f"the way to {service_network}: {error}"
    return fault


def in_the_way(service_network: str) -> str:
    """Return why Services may not have their network here: the machine has an address of it on a link of its own.

    Its neighbours have others, and our rules and routes would cut it off from them. Blocks for milliseconds.
    """
    network = ipaddress.ip_network(service_network)
    family = socket.AF_INET if ip_families.of(service_network) == ip_families.IPV4 else socket.AF_INET6
    try:
        with IPRoute() as kernel:
            held = [(each["index"], str(each.get("local") or each.get("address"))) for each in kernel.get_addr(family)]
            for index, address in held:
                if ipaddress.ip_address(address) in network and _is_its_owners(kernel, index):
                    return f"this machine has the address {address}, and Services have addresses of {service_network}"
    except (NetlinkError, OSError):
        return ""  # who may not look may not do any harm either
    return ""


def take_away(service_network: str) -> None:
    """Remove the route, whichever daemon laid it; no matter where there is none, or no privilege."""
    try:
        with IPRoute() as kernel:
            kernel.route("del", **_route(service_network, 0))
    except (NetlinkError, OSError):
        return


def _is_its_owners(kernel: IPRoute, index: int) -> bool:
    """Whether a link is there still, and neither the loopback nor the device that DNS comes and goes with."""
    if index == LOOPBACK_INDEX:
        return False
    try:
        (link,) = kernel.get_links(index)
    except NetlinkError as error:
        if error.code != errno.ENODEV:
            raise
        return False
    return bool(link.get("ifname") != device.NAME)


def _lay_route(kernel: IPRoute, route: Mapping[str, str | int]) -> str:
    """Add the route; return what is wrong where there is one already that is not ours."""
    try:
        kernel.route("add", **route)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise
        first = str(ipaddress.ip_network(str(route["dst"])).network_address)
        if [each.get("oif") for each in kernel.route("get", dst=first)] != [route["oif"]]:
            return f"{route['dst']}, where Services have their addresses, is routed elsewhere on this machine"
    return ""


def _route(service_network: str, bridge: int = 0) -> dict[str, str | int]:
    """Return the route; that of IPv6 is over the bridge (0: any), for over the loopback link it would lead nowhere."""
    if ip_families.of(service_network) == ip_families.IPV6:
        way: dict[str, str | int] = {"dst": service_network, "proto": PROTOCOL}
        return way | ({"oif": bridge} if bridge else {})
    return {"dst": service_network, "oif": LOOPBACK_INDEX, "scope": "link", "proto": PROTOCOL}
