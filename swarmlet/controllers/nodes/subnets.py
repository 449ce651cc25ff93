"""Gives each node a subnet of the cluster's Pod addresses (`spec.podCIDR`), through the log and to nobody twice.

Source: kubernetes pkg/controller/nodeipam/ipam/range_allocator.go, for the words; unlike there, the subnet of a node
that is gone rests for a while, and the one that has been free for longest goes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.config import Network
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import events, ip_families, kinds, node_subnets
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.node_subnets import ClusterNetwork, SubnetClaim
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
CLAIMS = kinds.SUBNET_CLAIM.resource
CLUSTER_NETWORK = Key(kinds.CLUSTER_NETWORK.resource, "", node_subnets.THE_CLUSTER)
LOOK_AGAIN_SECONDS = 60.0
"""After a node found no subnet: one may be given back meanwhile."""
NONE_LEFT = "CIDRNotAvailable"


class NodeSubnets:
    """The reconciler; a key names a Node. It does nothing before a machine's `config.mode` asks for a Pod network.

    Where that is not this one, the machine gives the cluster its addresses itself (`network.fabric.keeper`).
    """

    name: ClassVar[str] = "node-subnets"
    watches: ClassVar[frozenset[str]] = frozenset({NODES, CLUSTER_NETWORK.resource})

    def __init__(self, config: Network) -> None:
        self._config = config

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return the Node, or all of them when the cluster gets its addresses."""
        return [change.key] if change.key.resource == NODES else self.all_keys(view)

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Node, and those that are gone and have left a claim."""
        claimed = {Key(NODES, "", _claim(stored).node) for stored in view.list(CLAIMS)}
        return sorted(claimed | {stored.key for stored in view.list(NODES)})

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the Node with its subnet, and the claims of that name that nobody holds any more given back."""
        stored = view.get(key)
        node = cast("Node", stored.object) if stored else None
        node_id = node.metadata.labels.get(NODE_ID_LABEL, "") if node else ""
        drafts = Drafts()
        if node is not None and self._is_settled(view, node, node_id):
            return NOTHING
        claims = {node_subnets.subnet_of(_claim(each)): each for each in view.list(CLAIMS)}
        for each in claims.values():
            claim = _claim(each)
            if claim.node == key.name and claim.node_id != node_id and claim.released is None:
                drafts.update(each, msgspec.structs.replace(claim, released=clock_time(now)))
        if stored is None or node is None or not node_id:
            return drafts.reconciliation()
        cluster_cidr = self._cluster_cidr(view, drafts)
        if not cluster_cidr:
            return NOTHING
        subnet = _subnet_for(node, node_id, cluster_cidr, claims, now)
        if not subnet:
            note = events.Note(node, events.WARNING, NONE_LEFT, f"Node {key.name} status is now: {NONE_LEFT}")
            return Reconciliation(drafts.operations(), (note,), LOOK_AGAIN_SECONDS)
        _take(drafts, claims.get(subnet), subnet, node, node_id)
        spec = msgspec.structs.replace(node.spec, pod_cidr=subnet, pod_cidrs=ip_families.subnets(subnet, cluster_cidr))
        drafts.update(stored, msgspec.structs.replace(node, spec=spec))
        return drafts.reconciliation(atomic=True)

    def _is_settled(self, view: View, node: Node, node_id: str) -> bool:
        """Whether the Node has what its claim says; asked for with each change of each Node, so it must be quick."""
        if not node.spec.pod_cidr:
            return self._config.mode == "none" and view.get(CLUSTER_NETWORK) is None
        held = view.get(Key(CLAIMS, "", node_subnets.claim_name(node.spec.pod_cidr)))
        return held is not None and _claim(held).node_id == node_id and _claim(held).released is None

    def _cluster_cidr(self, view: View, drafts: Drafts) -> str:
        """Return the cluster's CIDR; where it has none yet, that of this machine's file becomes it."""
        known = view.get(CLUSTER_NETWORK)
        if known is not None:
            return cast("ClusterNetwork", known.object).cluster_cidr
        if self._config.mode == "none":
            return ""
        network = ClusterNetwork(
            metadata=ObjectMeta(name=node_subnets.THE_CLUSTER), cluster_cidr=self._config.cluster_cidr
        )
        drafts.create(kinds.CLUSTER_NETWORK, network)
        return network.cluster_cidr


def _claim(stored: Stored) -> SubnetClaim:
    return cast("SubnetClaim", stored.object)


def _subnet_for(node: Node, node_id: str, cluster_cidr: str, claims: Mapping[str, Stored], now: datetime) -> str:
    """Return the subnet that the Node is to have: its own, else one that nobody ever had, else the longest unused.

    "" where none is left. One that its Node names and nobody claims, as after a claim was lost, stays its own.
    """
    own = [subnet for subnet, stored in claims.items() if _claim(stored).node_id == node_id]
    if own:
        return own[0]
    unused = [subnet for subnet in node_subnets.subnets(cluster_cidr) if subnet not in claims]
    if unused:
        return node.spec.pod_cidr if node.spec.pod_cidr in unused else unused[0]
    rested = [
        (at, subnet)
        for subnet, stored in claims.items()
        if (at := node_subnets.rested_at(_claim(stored))) is not None and at <= now
    ]
    return min(rested)[1] if rested else ""


def _take(drafts: Drafts, held: Stored | None, subnet: str, node: Node, node_id: str) -> None:
    if held is None:
        metadata = ObjectMeta(name=node_subnets.claim_name(subnet))
        drafts.create(kinds.SUBNET_CLAIM, SubnetClaim(metadata=metadata, node=node.metadata.name, node_id=node_id))
    else:
        key = _claim(held).wireguard_key if _claim(held).node_id == node_id else ""
        claim = msgspec.structs.replace(
            _claim(held), node=node.metadata.name, node_id=node_id, released=None, wireguard_key=key
        )
        drafts.update(held, claim)
