"""Which Pods and machines may send here, and as whom, kept in step with a View, as scripts for nft."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

import structlog

from swarmlet.model import ip_families, kinds
from swarmlet.model.node_subnets import THE_CLUSTER, ClusterNetwork
from swarmlet.network import nftables
from swarmlet.network.fabric import plan as fabric
from swarmlet.network.nftables import Nftables, NftError
from swarmlet.network.policies import isolation_rules, port_rules
from swarmlet.network.policies.bridge_ports import BridgePorts, LinkChanges
from swarmlet.network.policies.port_rules import Port
from swarmlet.network.ruleset import NOTHING, Part, Table
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

NODES = kinds.NODE.resource

log = structlog.get_logger(__name__)


class Isolation:
    """One for a node. `listener` is called, in the applying task, when the members or the ports may be others."""

    def __init__(
        self, view: View, node_name: str, *, status_port: int, listener: Callable[[], None], guards_ports: bool
    ) -> None:
        self._view = view
        self._listener = listener
        stored = view.get(Key(kinds.CLUSTER_NETWORK.resource, "", THE_CLUSTER))
        own = fabric.members(view).get(node_name)
        assert stored is not None, "no Pod has an address before the cluster has a network"
        assert own is not None, "nor before its node has a subnet"
        base = isolation_rules.base(
            fabric.BRIDGE,
            cast("ClusterNetwork", stored.object).cluster_cidr,
            overlay=(fabric.VXLAN_PORT, fabric.VXLAN_ID),
            status_port=status_port,
        )
        self._subnet_v6 = own.subnet_v6
        self._table = Table(isolation_rules.TABLE, base, family=isolation_rules.FAMILY)
        self._members: dict[Key, Part] = {}
        self._dirty = True
        self._ports = _PortGuard(own, listener) if guards_ports else None
        self._kernel = Nftables(
            isolation_rules.TABLE,
            tuple(base.chains),
            sets=tuple(base.sets),
            family=isolation_rules.FAMILY,
        )
        self._end = view.subscribe(self._note)

    def watch(self) -> None:
        """Listen, in the running loop, for links that come and go."""
        if self._ports is not None:
            self._ports.watch()

    def close(self) -> None:
        """Follow the store and the links no longer."""
        self._end()
        self._kernel.close()
        if self._ports is not None:
            self._ports.close()

    def settle(self, given: Mapping[str, str]) -> str:
        """Return the script that lets the Pods with these addresses (by uid) send, and the members there are now."""
        if self._dirty:
            self._members = {
                Key(NODES, "", name): isolation_rules.member_part(each.address)
                for name, each in fabric.members(self._view).items()
            }
            self._dirty = False
        pods = {
            Key(isolation_rules.PODS, "", each): isolation_rules.pod_part(
                each, ip_families.with_v6(each, self._subnet_v6)
            )
            for each in given.values()
        }
        gone = dict.fromkeys(self._table.keys(), NOTHING)
        script = self._table.update({**gone, **self._members, **pods})
        return script + (self._ports.settle(given.values()) if self._ports is not None else "")

    def whole(self) -> str:
        """Return the script that makes all of it anew."""
        return self._table.whole() + (self._ports.whole() if self._ports is not None else "")

    def note_applied(self) -> None:
        """Know what is in the kernel now as what was asked for."""
        self._kernel.note()
        if self._ports is not None:
            self._ports.kernel.note()

    def is_disturbed(self) -> bool:
        """Whether a stranger was at it since; `OSError` where the kernel does not tell."""
        return self._kernel.is_disturbed() or (self._ports is not None and self._ports.kernel.is_disturbed())

    def _note(self, changes: Sequence[Change]) -> None:
        if not changes or any(each.key.resource == NODES for each in changes):
            self._dirty = True
            self._listener()


class _PortGuard:
    """Which Pod is behind which port of this node's bridge, as rules."""

    def __init__(self, own: fabric.Member, listener: Callable[[], None]) -> None:
        base = port_rules.base(own.subnet, own.subnet_v6, fabric.mac(f"bridge {own.node_id}"))
        self._subnet_v6 = own.subnet_v6
        self.kernel = Nftables(
            port_rules.TABLE,
            (port_rules.GUARD,),
            sets=tuple(base.sets),
            family=port_rules.FAMILY,
        )
        self._table = Table(port_rules.TABLE, base, family=port_rules.FAMILY)
        self._bridge = BridgePorts(fabric.BRIDGE)
        self._listener = listener
        self._changes: LinkChanges | None = None
        self._strangers: set[Port] = set()

    def watch(self) -> None:
        self._changes = LinkChanges(self._listener)

    def close(self) -> None:
        if self._changes is not None:
            self._changes.close()
        self._bridge.close()
        self.kernel.close()

    def settle(self, addresses: Collection[str]) -> str:
        ports = [each for each in self._bridge.look() if port_rules.is_renderable(each.name)]
        owners = port_rules.owners(ports, addresses)
        parts = dict.fromkeys(self._table.keys(), NOTHING)
        for address in addresses:
            port = owners.get(address)
            parts[Key(port_rules.GIVEN, "", address)] = port_rules.pod_part(
                address, ip_families.with_v6(address, self._subnet_v6), port
            )
        strangers = {each for each in ports if each not in owners.values()}
        for each in strangers:
            parts[Key(port_rules.PORTS, "", each.name)] = port_rules.stranger_part(each)
        for each in strangers - self._strangers:
            log.warning("bridge_port_of_no_pod", port=each.name, mac=each.mac)
        self._strangers = strangers
        return self._table.update(parts)

    def whole(self) -> str:
        return self._table.whole()


async def can_guard_ports() -> bool:
    """Whether this machine's kernel has rules for bridges; says so where it does not."""
    try:
        await nftables.run(f"add table {port_rules.FAMILY} {port_rules.TABLE}\n")
    except NftError as error:
        log.warning("bridge_ports_not_guarded", error=str(error))
        return False
    return True


async def remove() -> None:
    """Take away what an earlier daemon left."""
    await nftables.remove(isolation_rules.TABLE, isolation_rules.FAMILY)
    await nftables.remove(port_rules.TABLE, port_rules.FAMILY)
