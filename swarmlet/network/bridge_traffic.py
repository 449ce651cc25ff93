"""Whether rules see what two Pods of one bridge say to each other."""

from __future__ import annotations

from pathlib import Path

import structlog

SWITCHES = tuple(Path(f"/proc/sys/net/bridge/bridge-nf-call-{each}") for each in ("iptables", "ip6tables"))
"""Docker and Kubernetes want them on, too. They are there when the kernel's br_netfilter is."""

log = structlog.get_logger(__name__)


def show() -> None:
    """Have the kernel show it to the rules, where it can; say where it cannot."""
    for switch in SWITCHES:
        try:
            if switch.read_text(encoding="ascii").strip() == "0":
                switch.write_text("1", encoding="ascii")
        except OSError as error:
            log.warning("bridge_traffic_not_seen", file=str(switch), error=str(error))
