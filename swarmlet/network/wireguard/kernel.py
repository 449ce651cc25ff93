"""WireGuard's part of the kernel, through generic netlink. Source: linux/wireguard.h, wireguard(7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from pyroute2 import AsyncWireGuard

from swarmlet.network.wireguard.plan import Peer, Settings


class WireguardKernel(Protocol):
    """What is asked of the kernel about a device that is there. All raise `OSError` or pyroute2's `NetlinkError`."""

    async def read(self, device: str) -> Settings:
        """Return what a device has."""

    async def name(self, device: str, private_key: str, port: int) -> None:
        """Give a device its key and its port."""

    async def put(self, device: str, peer: Peer) -> None:
        """Have a peer, with these networks and no others."""

    async def drop(self, device: str, public_key: str) -> None:
        """Have a peer no longer."""


class NetlinkWireguard:
    """The kernel's, over one socket."""

    def __init__(self, netlink: AsyncWireGuard) -> None:
        self._netlink = netlink

    async def read(self, device: str) -> Settings:
        return settings([message async for message in await self._netlink.info(device)])

    async def name(self, device: str, private_key: str, port: int) -> None:
        await self._netlink.set(device, private_key=private_key, listen_port=port)

    async def put(self, device: str, peer: Peer) -> None:
        await self._netlink.set(device, peer=document(peer))

    async def drop(self, device: str, public_key: str) -> None:
        await self._netlink.set(device, peer={"public_key": public_key, "remove": True})


@asynccontextmanager
async def opened() -> AsyncIterator[WireguardKernel]:
    """Open a socket; raises `OSError` or `NetlinkError` where the kernel knows nothing of WireGuard."""
    async with AsyncWireGuard() as netlink:
        await netlink.setup_endpoint()
        yield NetlinkWireguard(netlink)


def document(peer: Peer) -> dict[str, Any]:
    """Return a peer as pyroute2 takes it."""
    return {
        "public_key": peer.public_key,
        "endpoint_addr": peer.address,
        "endpoint_port": peer.port,
        "replace_allowed_ips": True,
        "allowed_ips": list(peer.networks),
    }


def settings(messages: Iterable[Any]) -> Settings:
    """Return what the kernel tells of a device, whose peers may take several messages."""
    private_key, port = "", 0
    networks: dict[str, tuple[str, ...]] = {}
    places: dict[str, tuple[str, int]] = {}
    for message in messages:
        private_key = _key(message.get_attr("WGDEVICE_A_PRIVATE_KEY")) or private_key
        port = message.get_attr("WGDEVICE_A_LISTEN_PORT") or port
        for peer in message.get_attr("WGDEVICE_A_PEERS") or ():
            key = _key(peer.get_attr("WGPEER_A_PUBLIC_KEY"))
            place = peer.get_attr("WGPEER_A_ENDPOINT")
            if place is not None:
                places[key] = (place["addr"], place["port"])
            allowed = tuple(each["addr"] for each in peer.get_attr("WGPEER_A_ALLOWEDIPS") or ())
            networks[key] = networks.get(key, ()) + allowed
    peers = frozenset(
        Peer(key, *places.get(key, ("", 0)), networks=tuple(sorted(found))) for key, found in networks.items()
    )
    return Settings(private_key, port, peers)


def _key(told: Any) -> str:
    """Return a key as text, "" where there is none, or where all of it is zero."""
    key = "" if told is None else bytes(told["value"] if isinstance(told, dict) else told).decode()
    return "" if not key.strip("A=") else key
