"""The packet filter's part of the Pod network, as text for `nft` and `iptables`. Pure.

What Pods send to each other keeps its address; what they send to the world leaves under their node's. The rules for
that are a table of our own. But where Docker has made the kernel drop whatever it forwards and Docker did not allow,
only a rule among Docker's own helps: one jump, in the chain that Docker keeps for others, to a chain of ours.
Source: docs.docker.com/engine/network/packet-filtering-firewalls (DOCKER-USER); iptables-restore(8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swarmlet.model import ip_families
from swarmlet.network.fabric.plan import BRIDGE

TABLE = "swarmlet_fabric"
CHAIN = "SWARMLET-FORWARD"
DOCKERS_CHAIN = "DOCKER-USER"
KERNELS_CHAIN = "FORWARD"


@dataclass(frozen=True, slots=True)
class Way:
    """Whose packets one family's rules are about: those of the node's Pods, of `subnet`, and of all of the cluster's.

    `family` is nft's word for it, "ip" or "ip6".
    """

    family: str
    subnet: str
    cluster_cidr: str


def ways(subnet: str, subnet_v6: str, cluster_cidr: str) -> tuple[Way, ...]:
    """Return the families that a node has subnets of; `cluster_cidr` is that of all families."""
    v4, v6 = (ip_families.cidr(family, cluster_cidr) for family in ip_families.FAMILIES)
    return (Way("ip", subnet, v4), *([Way("ip6", subnet_v6, v6)] if subnet_v6 else []))


def table(way: Way) -> str:
    """Return the script that makes our table of a family what it is to be, whatever it was."""
    family = way.family
    return (
        f"{no_table(family)}"
        f"table {family} {TABLE} {{\n"
        "  chain postrouting {\n"
        "    type nat hook postrouting priority srcnat; policy accept;\n"
        f"    {family} saddr {way.subnet} {family} daddr != {way.cluster_cidr} "
        f'oifname != "{BRIDGE}" masquerade\n'
        "  }\n"
        "}\n"
    )


def no_table(family: str) -> str:
    """Return the script after which our table of a family is not there."""
    return f"table {family} {TABLE}\ndelete table {family} {TABLE}\n"


def forwarding(listing: str, cluster_cidr: str) -> str:
    """Return what `iptables-restore --noflush` is to do, "" for nothing, where `iptables -S` lists this; so for IPv6.

    Pods may be reached by Pods, and by whom a Service has led to them, and answer. Where nothing is dropped that
    nobody allows, nothing is needed.
    """
    lines = listing.splitlines()
    if f"-P {KERNELS_CHAIN} ACCEPT" in lines and f"-N {DOCKERS_CHAIN}" not in lines:
        return ""
    parent = DOCKERS_CHAIN if f"-N {DOCKERS_CHAIN}" in lines else KERNELS_CHAIN
    wanted = [
        f"-A {CHAIN} -s {cluster_cidr} -d {cluster_cidr} -j ACCEPT",
        f"-A {CHAIN} -d {cluster_cidr} -m conntrack --ctstate DNAT -j ACCEPT",
        f"-A {CHAIN} -s {cluster_cidr} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    ]
    jump = f"{parent} -j {CHAIN}"
    has_rules = [line for line in lines if line.startswith(f"-A {CHAIN} ")] == wanted
    if has_rules and f"-A {jump}" in lines:
        return ""
    jumps = [] if f"-A {jump}" in lines else [_insertion(parent, lines)]
    return "\n".join(["*filter", f":{CHAIN} - [0:0]", *wanted, *jumps, "COMMIT", ""])


def _insertion(parent: str, lines: Sequence[str]) -> str:
    """Return the command that has a chain lead to ours.

    In Docker's that is behind what the machine's owner has there, who may have closed published ports to somebody; but
    before the return by which older Engines end it. The kernel's chain may end by refusing all that is left.
    """
    if parent == KERNELS_CHAIN:
        return f"-I {parent} -j {CHAIN}"
    rules = [line for line in lines if line.startswith(f"-A {parent} ")]
    end = f"-A {parent} -j RETURN"
    return f"-I {parent} {rules.index(end) + 1} -j {CHAIN}" if end in rules else f"-A {parent} -j {CHAIN}"


def no_forwarding(listing: str) -> str:
    """Return what `iptables-restore --noflush` is to do to take our chain away, "" where it is not there."""
    lines = listing.splitlines()
    if f"-N {CHAIN}" not in lines:
        return ""
    jumps = [line.replace("-A ", "-D ", 1) for line in lines if line.endswith(f" -j {CHAIN}")]
    return "\n".join(["*filter", f":{CHAIN} - [0:0]", *jumps, f"-X {CHAIN}", "COMMIT", ""])
