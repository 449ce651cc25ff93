"""Whether rules see what two Pods of one bridge say to each other.

The kernel's br_netfilter shows it to them, for the bridges that ask for it, or for all. Only the Pods' bridge is made
to ask: on a machine whose virtual machines share a bridge of their own, nothing but their owner's business changes.
Source: linux/if_link.h (IFLA_BR_NF_CALL_IPTABLES); net/bridge/br_netfilter_hooks.c.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from pyroute2 import AsyncIPRoute

PLACE = Path("/proc/sys/net/bridge")
"""It is there when the kernel's br_netfilter is."""
SWITCHES = ("br_nf_call_iptables", "br_nf_call_ip6tables")
"""A bridge's own."""

log = structlog.get_logger(__name__)


def check() -> None:
    """Say where the kernel cannot show it."""
    if not PLACE.exists():
        log.warning("bridge_traffic_not_seen", missing=str(PLACE), remedy="modprobe br_netfilter")


async def show(netlink: AsyncIPRoute, bridge: Any) -> list[str]:
    """Have the rules see what passes over this bridge; return what was done for that, in words."""
    info = bridge.get("linkinfo")
    told = info.get("data") if info is not None else None
    hidden = [each for each in SWITCHES if told is not None and told.get(each) == 0]
    if not hidden:
        return []
    await netlink.link("set", index=bridge["index"], kind="bridge", **dict.fromkeys(hidden, 1))
    return [f"traffic of {bridge.get('ifname')} shown to the rules"]
