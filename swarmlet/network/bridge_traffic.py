"""Whether rules see what two Pods of one bridge say to each other."""

from __future__ import annotations

import contextlib
from pathlib import Path

import structlog

SWITCHES = tuple(Path(f"/proc/sys/net/bridge/bridge-nf-call-{each}") for each in ("iptables", "ip6tables"))
"""Docker and Kubernetes want them on, too. They are there when the kernel's br_netfilter is."""

log = structlog.get_logger(__name__)


def show() -> None:
    """Have the kernel show it to the rules, where it can; say where it cannot."""
    for switch in SWITCHES:
        try:
            _turn_on(switch)
        except OSError as error:
            log.warning("bridge_traffic_not_seen", file=str(switch), error=str(error))


def keep_shown() -> None:
    """Have it shown still: who loads the machine's sysctls anew may have turned it off, and no rule would tell."""
    for switch in SWITCHES:
        with contextlib.suppress(OSError):  # `show` has said so
            if _turn_on(switch):
                log.warning("bridge_traffic_shown_again", file=str(switch))


def _turn_on(switch: Path) -> bool:
    """Turn a switch on; return whether it was off."""
    if switch.read_text(encoding="ascii").strip() != "0":
        return False
    switch.write_text("1", encoding="ascii")
    return True
