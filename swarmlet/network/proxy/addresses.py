"""Where the cluster IPs of Services are found on a machine whose kernel does not balance.

With the privilege, one route makes the whole network of Services this machine's own: whoever is on it, Pods of a
bridge too, connects to the cluster IP itself. An ordinary user gets loopback addresses in its place, 10.43.x.y
becomes 127.43.x.y: every program on Linux may listen on those, and the process runtime's Pods are on the same loopback.
"""

from __future__ import annotations

import errno
import ipaddress

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

LOOPBACK_NETWORK = ipaddress.ip_network("127.43.0.0/16")
LOOPBACK_INDEX = 1
TABLE_LOCAL = 255
PROTOCOL = 87
"""Of routes that are this module's: it takes away no others."""


def on_loopback(cluster_ip: str) -> str:
    """Return the address that stands for a cluster IP where the network of Services cannot be the machine's own."""
    return str(LOOPBACK_NETWORK[int(ipaddress.ip_address(cluster_ip)) & 0xFFFF])


def same(cluster_ip: str) -> str:
    """Return a cluster IP as it is."""
    return cluster_ip


def claim(network: str) -> bool:
    """Make all of `network` this machine's own; False where the kernel does not let us. Blocks for milliseconds."""
    try:
        with IPRoute() as kernel:
            kernel.route("add", **_route(network))
    except NetlinkError as error:
        return bool(error.code == errno.EEXIST)
    except OSError:
        return False
    return True


def release(network: str) -> None:
    """Take back what `claim` made, whichever daemon did it; no matter where there is nothing, or no privilege."""
    try:
        with IPRoute() as kernel:
            kernel.route("del", **_route(network))
    except (NetlinkError, OSError):
        return


def _route(network: str) -> dict[str, str | int]:
    return {
        "dst": network,
        "oif": LOOPBACK_INDEX,
        "type": "local",
        "table": TABLE_LOCAL,
        "scope": "host",
        "proto": PROTOCOL,
    }
