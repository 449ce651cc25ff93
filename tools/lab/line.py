"""What a machine's network line does to what passes: lose it, slow it down, reset its connections.

The loss and the resets are nftables rules in the machine's own namespace, the slowness a token bucket on its card.
The kernel need not have netem, so nothing is delayed, duplicated or reordered on purpose: the simulator does that.
"""

from __future__ import annotations

from tools.lab import processes

TABLE = "line"
BURST = "8kb"
QUEUE = "400ms"
_GONE = f"table inet {TABLE}\ndelete table inet {TABLE}\n"


class Line:
    """The line of one machine, by the name of its network namespace."""

    def __init__(self, netns: str) -> None:
        self._netns = netns

    def lose(self, percent: int) -> None:
        """Drop that share of the packets that come in."""
        self._filter(f"numgen random mod 100 < {percent} drop")

    def reset(self) -> None:
        """Answer whatever comes in over TCP with a reset, until `heal`."""
        self._filter("meta l4proto tcp reject with tcp reset")

    def slow(self, kilobits: int) -> None:
        """Let out so much a second; what waits for over 0.4 s is dropped."""
        shape = ("rate", f"{kilobits}kbit", "burst", BURST, "latency", QUEUE)
        processes.run("tc", "-n", self._netns, "qdisc", "replace", "dev", "eth0", "root", "tbf", *shape)

    def heal(self) -> None:
        """Undo all of it."""
        self._nft(_GONE)
        processes.run("tc", "-n", self._netns, "qdisc", "del", "dev", "eth0", "root", check=False)

    def _filter(self, rule: str) -> None:
        hook = "type filter hook input priority -10"
        self._nft(f'{_GONE}table inet {TABLE} {{\nchain input {{\n{hook}\niifname "eth0" {rule}\n}}\n}}\n')

    def _nft(self, rules: str) -> None:
        processes.run("ip", "netns", "exec", self._netns, "nft", "-f", "-", stdin=rules)
