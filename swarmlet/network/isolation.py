"""Which Pods and machines may send here, kept in step with a View, as scripts for nft."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from swarmlet.model import kinds
from swarmlet.model.node_subnets import THE_CLUSTER, ClusterNetwork
from swarmlet.network import fabric, isolation_rules
from swarmlet.network.ruleset import NOTHING, Part, Table
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

NODES = kinds.NODE.resource


class Isolation:
    """One for a node. `listener` is called, in the applying task, when the members may be others."""

    def __init__(self, view: View, *, status_port: int, listener: Callable[[], None]) -> None:
        self._view = view
        self._listener = listener
        stored = view.get(Key(kinds.CLUSTER_NETWORK.resource, "", THE_CLUSTER))
        assert stored is not None, "no Pod has an address before the cluster has a network"
        base = isolation_rules.base(
            fabric.BRIDGE,
            cast("ClusterNetwork", stored.object).cluster_cidr,
            vxlan_port=fabric.VXLAN_PORT,
            status_port=status_port,
        )
        self._table = Table(isolation_rules.TABLE, base, family=isolation_rules.FAMILY)
        self._members: dict[Key, Part] = {}
        self._dirty = True
        self._end = view.subscribe(self._note)

    def close(self) -> None:
        """Follow the store no longer."""
        self._end()

    def settle(self, given: Mapping[str, str]) -> str:
        """Return the script that lets the Pods with these addresses (by uid) send, and the members there are now."""
        if self._dirty:
            self._members = {
                Key(NODES, "", name): isolation_rules.member_part(each.address)
                for name, each in fabric.members(self._view).items()
            }
            self._dirty = False
        pods = {Key(isolation_rules.PODS, "", each): isolation_rules.pod_part(each) for each in given.values()}
        gone = dict.fromkeys(self._table.keys(), NOTHING)
        return self._table.update({**gone, **self._members, **pods})

    def whole(self) -> str:
        """Return the script that makes the table anew."""
        return self._table.whole()

    def _note(self, changes: Sequence[Change]) -> None:
        if not changes or any(each.key.resource == NODES for each in changes):
            self._dirty = True
            self._listener()


def removal() -> str:
    """Return the script after which the table is not there."""
    name = f"{isolation_rules.FAMILY} {isolation_rules.TABLE}"
    return f"add table {name}\ndelete table {name}\n"
