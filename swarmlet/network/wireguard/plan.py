"""The Pod network in mode "wireguard": one device a node, whose peers are the other nodes. Pure.

Who has which key is said where it is said who has which subnet: in the node's claim, which daemons alone can write.
A peer is let in with the addresses of its own subnet only, so no node passes for the Pods of another.
Source: wireguard.com/papers/wireguard.pdf; flannel's backend of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass

WIREGUARD = "wireguard"
DEVICE = "swl.wg"
OVERHEAD_BYTES = 80
"""What it adds to a packet at most: IPv6 40, UDP 8, WireGuard 32."""


@dataclass(frozen=True, slots=True, order=True)
class Peer:
    """Another node: its public key (base64), where it listens, and the networks whose packets it sends and gets."""

    public_key: str
    address: str
    port: int
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wireguard:
    """This node's device: what it is told besides the private key. `addresses` are its own in the overlay."""

    port: int
    addresses: tuple[str, ...]
    mtu: int
    peers: frozenset[Peer]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a kernel's device has. `private_key` is in base64, "" where it has none yet."""

    private_key: str
    port: int
    peers: frozenset[Peer]

    def __repr__(self) -> str:
        """Hide the key: a repr ends in logs."""
        return f"Settings(port={self.port}, peers={sorted(self.peers)})"


@dataclass(frozen=True, slots=True)
class Step:
    """What makes a device what it is to be: peers that go, by key, and then those that come or are others.

    `is_named_anew`: the device itself is to get its key and its port.
    """

    gone: tuple[str, ...]
    put: tuple[Peer, ...]
    is_named_anew: bool


def step(found: Settings, wanted: Wireguard, private_key: str) -> Step:
    """Return what is to be done with a device; nothing where it is as it should be.

    A peer's address is where it was told to be, not where its last packet came from: a node's address is in the log.
    """
    keys = {each.public_key for each in wanted.peers}
    return Step(
        gone=tuple(sorted(each.public_key for each in found.peers if each.public_key not in keys)),
        put=tuple(sorted(wanted.peers - found.peers)),
        is_named_anew=(found.private_key, found.port) != (private_key, wanted.port),
    )
