"""The address at which a node's DNS is found: on a device of its own that leads nowhere, so it is always this node.

Whatever network a Pod has, its packets to that address arrive at its own node and find it there.
"""

from __future__ import annotations

from pyroute2 import IPRoute, NetlinkError

from swarmlet.errors import SwarmletError

NAME = "swarmlet-dns"


class DeviceError(SwarmletError):
    """The kernel does not let this daemon make the device."""


class DnsDevice:
    """A bridge without ports, as any kernel that runs containers has it, with one address.

    All calls block for some milliseconds; each can be repeated.
    """

    def __init__(self, name: str = NAME) -> None:
        self._name = name

    def hold(self, address: str) -> None:
        """Let the device be there and up, with this IPv4 address alone; raise `DeviceError` where it cannot be."""
        try:
            with IPRoute() as kernel:
                index = self._index(kernel)
                if index is None:
                    kernel.link("add", ifname=self._name, kind="bridge")
                    index = self._index(kernel)
                self._give(kernel, index, address)
        except (NetlinkError, OSError) as error:
            raise DeviceError(f"device {self._name}: {error}") from error

    def remove(self) -> None:
        """Take the device away, where it is there."""
        try:
            with IPRoute() as kernel:
                index = self._index(kernel)
                if index is not None:
                    kernel.link("del", index=index)
        except (NetlinkError, OSError) as error:
            raise DeviceError(f"device {self._name}: {error}") from error

    def _index(self, kernel: IPRoute) -> int | None:
        found = kernel.link_lookup(ifname=self._name)
        return found[0] if found else None

    def _give(self, kernel: IPRoute, index: int | None, address: str) -> None:
        held = {each.get("local") or each.get("address"): each for each in kernel.get_addr(index=index, family=2)}
        for other in held.keys() - {address}:
            kernel.addr("del", index=index, address=other, prefixlen=held[other]["prefixlen"])
        if address not in held:
            kernel.addr("add", index=index, address=address, prefixlen=32)
        kernel.link("set", index=index, state="up")
