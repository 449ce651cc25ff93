"""The switch that joins the machines: a bridge in a namespace of its own, and the frames it is told to drop."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable

from tools.lab import processes

EXT = "ext"
"""The box itself, plugged in at the address .1."""


class Switch:
    """A bridge; `cuts` are the ordered pairs (from, to) whose frames vanish without a reset or an ICMP."""

    def __init__(self, lab_name: str, subnet: ipaddress.IPv4Network) -> None:
        self.netns = f"{lab_name}-sw"
        self.subnet = subnet
        self._lab_name = lab_name
        self._ext_interface = f"{lab_name}0"
        self._cuts: set[tuple[str, str]] = set()

    def up(self) -> None:
        """Make the bridge and plug the box in."""
        processes.run_ip(
            [
                f"netns add {self.netns}",
                f"link add {self._ext_interface} type veth peer name {EXT} netns {self.netns}",
                f"addr add {self.subnet[1]}/{self.subnet.prefixlen} dev {self._ext_interface}",
                f"link set {self._ext_interface} up",
            ]
        )
        processes.run_ip(
            [
                "link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
                "link set lo up",
                "link set br0 up",
                f"link set {EXT} master br0 up",
            ],
            netns=self.netns,
        )
        # The switch only switches: what it bridges never meets iptables.
        no_filter = "for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 > $f; done"
        processes.run("ip", "netns", "exec", self.netns, "sh", "-c", no_filter, check=False)

    def plug(self, name: str, netns: str, address: str) -> None:
        """Give a machine its network card: a fresh namespace with eth0, the same MAC every time."""
        mac = "02:4c:" + ":".join(f"{byte:02x}" for byte in ipaddress.ip_address(address).packed)
        processes.run("ip", "netns", "add", netns)
        processes.run_ip(
            [
                f"link add {name} type veth peer name eth0 address {mac} netns {netns}",
                f"link set {name} master br0 up",
            ],
            netns=self.netns,
        )
        processes.run_ip(
            ["link set lo up", f"addr add {address}/{self.subnet.prefixlen} dev eth0", "link set eth0 up"], netns=netns
        )

    def unplug(self, name: str, netns: str) -> None:
        """Pull the cable, then remove the card: no FIN and no RST gets out."""
        processes.run("ip", "-n", self.netns, "link", "set", name, "down", check=False)
        processes.run("ip", "-n", self.netns, "link", "del", name, check=False)
        processes.run("ip", "netns", "del", netns, check=False)

    def pull_cable(self, name: str) -> None:
        """Take a machine's link down at once; what it sends from now on is lost."""
        processes.run("ip", "-n", self.netns, "link", "set", name, "down", check=False)

    def cut(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Drop the frames from the first to the second of each pair, beside what is cut already."""
        self._cuts.update(pairs)
        self._apply()

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        """Let each group hear only itself."""
        sides = [list(group) for group in groups]
        self.cut((a, b) for left, right in itertools.permutations(sides, 2) for a, b in itertools.product(left, right))

    def heal(self) -> None:
        """Drop nothing any more."""
        self._cuts.clear()
        self._apply()

    def _apply(self) -> None:
        rules = ["*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT"]
        rules += [f"-A FORWARD -i {a} -o {b} -j DROP" for a, b in sorted(self._cuts)]
        processes.run("ip", "netns", "exec", self.netns, "ebtables-restore", stdin="\n".join(rules) + "\n")

    def down(self) -> None:
        """Remove the bridge and the box's card."""
        processes.run("ip", "link", "del", self._ext_interface, check=False)
        processes.run("ip", "netns", "del", self.netns, check=False)
