"""Makes this machine's links, routes and neighbours what the fabric asks for, through netlink; again and again.

What is ours is known by the names of the devices and by the protocol number of the routes. Nothing else is changed.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import rt_proto, rt_scope
from pyroute2.netlink.rtnl.ndmsg import NTF_SELF, NUD_NOARP, NUD_PERMANENT
from pyroute2.netlink.rtnl.rtmsg import RTNH_F_ONLINK

from swarmlet.errors import PeerError
from swarmlet.model import ip_families
from swarmlet.model.ip_families import IPV4, IPV6
from swarmlet.network import bridge_traffic
from swarmlet.network.fabric import loose_links
from swarmlet.network.fabric.plan import BRIDGE, VXLAN, VXLAN_ID, VXLAN_PORT, Fabric, Neighbour, Route, Vxlan
from swarmlet.network.wireguard import device
from swarmlet.network.wireguard import kernel as wireguard_kernel
from swarmlet.network.wireguard.plan import DEVICE, WIREGUARD, Wireguard

ROUTE_PROTOCOL = 142
"""By which our routes are told from others'. Source: rtnetlink(7); below 4 is the kernel's, the rest is anybody's."""
MAIN_TABLE = 254
CONNECTED = rt_proto["kernel"]
"""Of a route that the kernel made: to the network of one of this machine's addresses."""
FAMILIES = (socket.AF_INET, socket.AF_INET6)
OWN_LINKS = (BRIDGE, VXLAN, DEVICE)
NETLINK_SECONDS_MAX = 30.0
"""How long one look may take; the kernel answers in milliseconds."""
IFA_F_NODAD = 0x02
"""Of an address that nobody else has: the kernel need not ask around before it is used. Source: linux/if_addr.h."""


NO_WIREGUARD = (
    "this machine's kernel has no WireGuard: load it (modprobe wireguard; Linux 5.6 or newer), or set network.mode to "
    "vxlan on all machines"
)


class FabricError(PeerError):
    """The kernel, or what somebody else has set up on this machine, does not let the Pod network be; later it may."""


@dataclass(frozen=True, slots=True)
class Underlay:
    """The link by which this machine reaches the others."""

    index: int
    mtu: int


class FabricLinks:
    """One for a machine."""

    async def underlay(self, address: str) -> Underlay:
        """Return the link that has this machine's address; raise `FabricError` where none has."""
        async with _netlink() as netlink:
            async for found in await netlink.addr("dump", family=socket.AF_INET):
                if found.get("local") == address:
                    (link,) = await netlink.link("get", index=found["index"])
                    return Underlay(link["index"], link.get("mtu"))
        raise FabricError(f"no link of this machine has its address {address}")

    async def check_free(self, cluster_cidr: str) -> None:
        """Raise `FabricError` where a link of this machine is in a network with the Pods' addresses that is not ours.

        The bridge of a subnet would cut the machine off from whoever is there. Routes that lead further, as a VPN's to
        10.0.0.0/8, may be there: the Pods' are within it.
        """
        pods = ipaddress.IPv4Network(ip_families.cidr(IPV4, cluster_cidr))
        async with _netlink() as netlink:
            names = {link["index"]: link.get("ifname") async for link in await netlink.link("dump")}
            async for each in await netlink.route("dump", family=socket.AF_INET, table=MAIN_TABLE):
                link = names.get(each.get("oif"))
                if each["proto"] != CONNECTED or link is None or link in OWN_LINKS:
                    continue
                there = ipaddress.IPv4Network(f"{each.get('dst')}/{each['dst_len']}")
                if there.overlaps(pods):
                    raise FabricError(
                        f"this machine is in a network {there} ({link}), and Pods have addresses of {pods}: found the "
                        "cluster with another network.cluster_cidr, or set network.mode to none"
                    )

    async def apply(self, fabric: Fabric, underlay: Underlay, *, private_key: str = "") -> list[str]:
        """Make good what is missing or otherwise; return what was, in words. `private_key` is WireGuard's."""
        async with _netlink() as netlink:
            step = _Step(netlink, [link async for link in await netlink.link("dump")], _families(fabric))
            await step.bridge(fabric)
            vxlan = await step.vxlan(fabric.vxlan, underlay)
            await step.neighbours(fabric.neighbours, vxlan)
            overlay = vxlan + await step.wireguard(fabric.wireguard, private_key)  # one of them is 0: there is none
            await step.gateway(fabric.gateway_v6, overlay, underlay)
            await step.routes(fabric.routes, overlay, underlay)
            return step.done

    async def remove(self) -> list[str]:
        """Take away what an earlier run has left; the bridge is the engine's."""
        async with _netlink() as netlink:
            step = _Step(netlink, [link async for link in await netlink.link("dump")], FAMILIES)
            await step.gateway("", 0, Underlay(0, 0))
            await step.routes(frozenset(), 0, Underlay(0, 0))
            await step.vxlan(None, Underlay(0, 0))
            await step.wireguard(None, "")
            return step.done


class _Step:
    """One look at what is there. `links` are all of the machine's; of other `families` nothing is looked at."""

    def __init__(self, netlink: AsyncIPRoute, links: Sequence[Any], families: Sequence[int]) -> None:
        self._families = families
        self.done: list[str] = []
        self._netlink = netlink
        self._links = {link.get("ifname"): link for link in links}

    async def bridge(self, fabric: Fabric) -> None:
        """See to the bridge, which the engine made and a stranger may have deleted, and to the Pods' links to it."""
        link = self._links.get(BRIDGE)
        if link is None:
            await self._netlink.link(
                "add", ifname=BRIDGE, kind="bridge", address=fabric.bridge_mac, mtu=fabric.bridge.mtu, state="up"
            )
            link = await self._fresh(BRIDGE)
            self.done.append(f"link {BRIDGE}")
        elif link.get("address") != fabric.bridge_mac:
            await self._netlink.link("set", index=link["index"], address=fabric.bridge_mac)
        await self._up(link)
        self.done += await bridge_traffic.show(self._netlink, link)
        for gateway, subnet in fabric.bridge.ways():
            await self._address(link["index"], gateway, int(subnet.partition("/")[2]))
        for index in await loose_links.find(self._netlink, self._links.values(), fabric.bridge.subnet):
            await self._netlink.link("set", index=index, master=link["index"], state="up")
            self.done.append(f"link {index} attached to {BRIDGE}")

    async def vxlan(self, wanted: Vxlan | None, underlay: Underlay) -> int:
        """See to the overlay's device; return its index, 0 where there is to be none."""
        link = self._links.get(VXLAN)
        if link is not None and (wanted is None or not _is_as(link, wanted, underlay)):
            if _info(link).get("kind") != "vxlan":
                raise FabricError(f"there is a link {VXLAN} that is no vxlan device")
            await self._netlink.link("del", index=link["index"])
            self.done.append(f"link {VXLAN} removed")
            link = None
        if wanted is None:
            return 0
        if link is None:
            await self._netlink.link(
                "add",
                ifname=VXLAN,
                kind="vxlan",
                vxlan_id=VXLAN_ID,
                vxlan_port=VXLAN_PORT,
                vxlan_local=wanted.local,
                vxlan_link=underlay.index,
                vxlan_learning=False,
                address=wanted.mac,
                mtu=wanted.mtu,
            )
            link = await self._fresh(VXLAN)
            self.done.append(f"link {VXLAN}")
        if link.get("mtu") != wanted.mtu:
            await self._netlink.link("set", index=link["index"], mtu=wanted.mtu)
        await self._up(link)
        for address in wanted.addresses:
            await self._address(link["index"], address, _whole(address))
        return int(link["index"])

    async def wireguard(self, wanted: Wireguard | None, private_key: str) -> int:
        """See to WireGuard's device; return its index, 0 where there is to be none."""
        link = self._links.get(DEVICE)
        if link is not None and _info(link).get("kind") != WIREGUARD:
            if wanted is None:
                return 0  # somebody else's
            raise FabricError(f"there is a link {DEVICE} that is no wireguard device")
        if link is not None and wanted is None:
            await self._netlink.link("del", index=link["index"])
            self.done.append(f"link {DEVICE} removed")
        if wanted is None:
            return 0
        if link is None:
            await self._add_wireguard(wanted.mtu)
            link = await self._fresh(DEVICE)
        if link.get("mtu") != wanted.mtu:
            await self._netlink.link("set", index=link["index"], mtu=wanted.mtu)
        try:
            async with wireguard_kernel.opened() as kernel:
                self.done += await device.settle(kernel, wanted, private_key)
            await self._up(link)
        except NetlinkError as error:
            if error.code == errno.EADDRINUSE:
                raise FabricError(
                    f"UDP port {wanted.port} of this machine is somebody else's, and not free for WireGuard"
                ) from error
            raise
        for address in wanted.addresses:
            await self._address(link["index"], address, _whole(address))
        return int(link["index"])

    async def _add_wireguard(self, mtu: int) -> None:
        try:
            await self._netlink.link("add", ifname=DEVICE, kind=WIREGUARD, mtu=mtu)
        except NetlinkError as error:
            if error.code == errno.EOPNOTSUPP:
                raise FabricError(NO_WIREGUARD) from error
            raise
        self.done.append(f"link {DEVICE}")

    async def neighbours(self, wanted: frozenset[Neighbour], vxlan: int) -> None:
        """See to who is reached how over the overlay's device: whom each address belongs to, and where that one is."""
        if vxlan:
            await self._owners(wanted, vxlan)
            await self._forwarding({each.mac: each.node_address for each in wanted}, vxlan)

    async def _owners(self, wanted: frozenset[Neighbour], vxlan: int) -> None:
        known = {}
        for family in self._families:
            async for each in await self._netlink.neigh("dump", family=family, ifindex=vxlan):
                if each["state"] & NUD_PERMANENT:
                    known[each.get("dst")] = each.get("lladdr")
        for each in sorted(wanted):
            if known.pop(each.address, None) != each.mac:
                await self._netlink.neigh(
                    "replace", dst=each.address, lladdr=each.mac, ifindex=vxlan, state=NUD_PERMANENT
                )
                self.done.append(f"neighbour {each.address}")
        for address, mac in known.items():
            await self._netlink.neigh("del", dst=address, lladdr=mac, ifindex=vxlan)

    async def _forwarding(self, wanted: Mapping[str, str], vxlan: int) -> None:
        sent = {}
        async for each in await self._netlink.fdb("dump", ifindex=vxlan):
            sent[each.get("lladdr")] = each.get("dst")
        for mac, node_address in sorted(wanted.items()):
            if sent.pop(mac, None) != node_address:
                await self._fdb("replace", vxlan, mac, node_address)
                self.done.append(f"forwarding to {node_address}")
        for mac, node_address in sent.items():
            await self._fdb("del", vxlan, mac, node_address)

    async def gateway(self, address: str, vxlan: int, underlay: Underlay) -> None:
        """See to the address of IPv6 at which the others find this node on the link between them, where it needs one.

        Those that it had so far are known by its routes, which it goes under.
        """
        if socket.AF_INET6 not in self._families:
            return
        if address:
            await self._address(underlay.index, address, _whole(address))
        had = {source for _, _, source, _ in await self._our_routes() if source and ip_families.of(source) == IPV6}
        if not had - {address}:
            return
        async for each in await self._netlink.addr("dump", family=socket.AF_INET6):
            found = each.get("address")
            if found in had - {address} and each["index"] != vxlan:
                await self._netlink.addr("del", index=each["index"], address=found, prefixlen=_whole(found))
                self.done.append(f"address {found} removed")

    async def routes(self, wanted: frozenset[Route], vxlan: int, underlay: Underlay) -> None:
        """See to the ways to the other nodes' subnets, and take away those of nodes that are gone."""
        missing = {
            (each.subnet, each.gateway, each.source, vxlan if each.over_vxlan else underlay.index) for each in wanted
        }
        for found in await self._our_routes():
            if found in missing:
                missing.remove(found)
                continue
            subnet, gateway, _, index = found
            await self._netlink.route("del", dst=subnet, gateway=gateway, oif=index, proto=ROUTE_PROTOCOL)
            self.done.append(f"route to {subnet} removed")
        for subnet, gateway, source, index in sorted(missing):
            is_on_link = index == vxlan or ip_families.of(subnet) == IPV6  # where no subnet says who is there
            onlink = RTNH_F_ONLINK if is_on_link else 0
            try:
                await self._netlink.route(
                    "add", dst=subnet, gateway=gateway, prefsrc=source, oif=index, proto=ROUTE_PROTOCOL, flags=onlink
                )
            except NetlinkError as error:
                raise FabricError(_no_route(subnet, gateway, error)) from error
            self.done.append(f"route to {subnet}")

    async def _our_routes(self) -> list[tuple[str, str, str, int]]:
        found = []
        for family in self._families:
            dump = await self._netlink.route(
                "dump", family=family, table=MAIN_TABLE, proto=ROUTE_PROTOCOL, scope=rt_scope["universe"]
            )
            found += [
                (f"{each.get('dst')}/{each['dst_len']}", each.get("gateway"), each.get("prefsrc"), each.get("oif"))
                async for each in dump
                if each["proto"] == ROUTE_PROTOCOL
            ]
        return found

    async def _fdb(self, command: str, vxlan: int, mac: str, node_address: str) -> None:
        await self._netlink.fdb(
            command, ifindex=vxlan, lladdr=mac, dst=node_address, state=NUD_PERMANENT | NUD_NOARP, flags=NTF_SELF
        )

    async def _fresh(self, name: str) -> Any:
        return next(iter([link async for link in await self._netlink.link("dump", ifname=name)]))

    async def _up(self, link: Any) -> None:
        if link["state"] != "up":
            await self._netlink.link("set", index=link["index"], state="up")

    async def _address(self, index: int, address: str, prefix: int) -> None:
        is_v6 = ip_families.of(address) == IPV6
        there = await self._netlink.addr("dump", index=index, family=socket.AF_INET6 if is_v6 else socket.AF_INET)
        if address not in [each.get("address" if is_v6 else "local") async for each in there]:
            nobody_else = {"flags": IFA_F_NODAD} if is_v6 else {}  # so it counts at once, also while nobody is attached
            await self._netlink.addr("add", index=index, address=address, prefixlen=prefix, **nobody_else)
            self.done.append(f"address {address}")


@asynccontextmanager
async def _netlink() -> AsyncIterator[AsyncIPRoute]:
    try:
        async with asyncio.timeout(NETLINK_SECONDS_MAX), AsyncIPRoute() as netlink:
            yield netlink
    except TimeoutError:
        raise FabricError(f"netlink: the kernel did not answer in {NETLINK_SECONDS_MAX:g} s") from None
    except NetlinkError as error:
        raise FabricError(f"netlink: {error.args[1]}") from error
    except OSError as error:
        raise FabricError(f"netlink: {error.strerror}") from error


def _families(fabric: Fabric) -> Sequence[int]:
    return FAMILIES if fabric.bridge.subnet_v6 else FAMILIES[:1]


def _whole(address: str) -> int:
    """Return the length of a prefix that is one address."""
    return 128 if ip_families.of(address) == IPV6 else 32


def _info(link: Any) -> dict[str, Any]:
    """Return the kind of a link and what that kind says of it."""
    info = link.get("linkinfo")
    if info is None:
        return {}
    data = info.get("data")
    found = {name: data.get(name) for name in ("vxlan_id", "vxlan_port", "vxlan_local", "vxlan_link")} if data else {}
    return {"kind": info.get("kind"), **found}


def _is_as(link: Any, wanted: Vxlan, underlay: Underlay) -> bool:
    found = _info(link)
    return link.get("address") == wanted.mac and found == {
        "kind": "vxlan",
        "vxlan_id": VXLAN_ID,
        "vxlan_port": VXLAN_PORT,
        "vxlan_local": wanted.local,
        "vxlan_link": underlay.index,
    }


def _no_route(subnet: str, gateway: str, error: NetlinkError) -> str:
    if error.code == errno.EEXIST:
        return f"there is a route to {subnet} that is not ours"
    if error.code in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"{gateway} is not in this machine's own network: host-gw cannot lead there, vxlan can"
    return f"route to {subnet}: {error.args[1]}"
