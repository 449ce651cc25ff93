"""Keeps this node in the Pod network: the engine's network, the kernel's links and rules, for as long as it runs.

Whatever happened, it looks at all there is every few seconds and makes good what is not as it should be; a change
among the nodes wakes it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec
import structlog

from swarmlet.clock import Clock
from swarmlet.config import Network
from swarmlet.errors import EngineError, PeerError
from swarmlet.model import kinds, node_subnets, objects
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.node_subnets import ClusterNetwork, SubnetClaim
from swarmlet.network import choice
from swarmlet.network.fabric import plan as fabric
from swarmlet.network.fabric import rules as fabric_rules
from swarmlet.network.fabric.claim import FabricClaim
from swarmlet.network.fabric.links import FabricError, FabricLinks
from swarmlet.network.fabric.packet_filter import FabricFilter
from swarmlet.network.wireguard import keys
from swarmlet.runtime.runtime import POD_NETWORK, BridgeNetwork, Networks
from swarmlet.store.commands import Key, Put, Verdict
from swarmlet.store.replica import Change, Replica

LOOK_SECONDS = 2.0
"""How often all is looked at: so long a stranger's change lasts at most."""
ENGINE_SECONDS = 30.0
"""How often the engine is asked for its network, where the bridge is there."""
CATCH_UP_SECONDS = 1.0
"""How long a daemon without a quorum waits before it asks again what the cluster is like."""
MARK_FILE = "pod-network"
"""In the daemon's folder while this machine has, or had, a Pod network: what is left of one is taken away once."""
NODES = kinds.NODE.resource
CLAIMS = kinds.SUBNET_CLAIM.resource
CLUSTER_NETWORK = Key(kinds.CLUSTER_NETWORK.resource, "", node_subnets.THE_CLUSTER)

log = structlog.get_logger()


class FabricKeeper:
    """One for a daemon. `opened` is told the subnets when the network stands, `failed` why it does not."""

    def __init__(  # noqa: PLR0913  what a network is made of
        self,
        *,
        config: Network,
        data_dir: Path,
        node_name: str,
        replica: Replica,
        networks: Networks,
        clock: Clock,
        opened: Callable[[str, str], Awaitable[None]],
        failed: Callable[[str], None],
    ) -> None:
        self._config = config
        self._data_dir = data_dir
        self._mark = data_dir / MARK_FILE
        self._node_name = node_name
        self._replica = replica
        self._view = replica.view
        self._networks = networks
        self._clock = clock
        self._opened = opened
        self._failed = failed
        self._links = FabricLinks()
        self._filter = FabricFilter()
        self._claim = FabricClaim()
        self._made: BridgeNetwork | None = None
        self._asked_engine_at = 0.0
        self._problem: str | None = None
        self._told_cidr = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Keep the node in the network until cancelled; what is set up stays, for the Pods go on."""
        unsubscribe = self._view.subscribe(self._on_changes)
        try:
            await self._catch_up()
            while True:
                self._wake.clear()
                await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
        finally:
            self._claim.release()
            unsubscribe()

    async def _catch_up(self) -> None:
        """Wait until what is known here is what the cluster knows.

        A daemon that has just started remembers the nodes as they once were: by that it would take away ways that its
        Pods are using.
        """
        while True:
            try:
                await self._replica.linearize()
            except PeerError as error:
                log.info("pod_network_waits", error=str(error))
                await self._clock.sleep(CATCH_UP_SECONDS)
            else:
                return

    async def clean_up(self) -> None:
        """Take away what an earlier run has set up, where one did and no other daemon keeps it now."""
        if not self._mark.exists():
            return
        try:
            self._claim.hold()
        except FabricError:
            return  # it is that of another daemon of this machine now
        try:
            await self.remove()
        finally:
            self._claim.release()

    async def remove(self) -> None:
        """Take away what this node has set up; what cannot be is told."""
        try:
            await self._links.remove()
            await self._filter.remove()
            await self._networks.remove(POD_NETWORK)
            await asyncio.to_thread(keys.forget, self._data_dir)
        except (FabricError, EngineError) as error:
            log.warning("pod_network_left_behind", error=str(error))
            return
        self._mark.unlink(missing_ok=True)
        log.info("pod_network_removed")

    async def _look(self) -> None:
        try:
            own = await self._step()
            await self._opened(own.subnet, own.subnet_v6)
        except PeerError as error:
            if self._problem != str(error):
                log.warning("pod_network_failed", error=str(error))
            self._problem = str(error)
            self._failed(str(error))
        except Exception:  # a bug must not leave the Pods without anybody who mends their network
            log.exception("pod_network_look_failed")
        else:
            if self._problem != "":
                log.info("pod_network_opened", subnets=[own.subnet, own.subnet_v6], mode=self._config.mode)
            self._problem = ""

    async def _step(self) -> fabric.Member:
        """Look at everything once; return this node as it is in the network. Raises `FabricError` or `EngineError`."""
        stored = self._view.get(CLUSTER_NETWORK)
        members = fabric.members(self._view)
        own = members.pop(self._node_name, None)
        if stored is None:
            await self._found()
        if stored is None or own is None:
            raise FabricError(self._why_not_yet())
        self._claim.hold()
        cluster_cidr = cast("ClusterNetwork", stored.object).cluster_cidr
        self._compare(cluster_cidr)
        if self._made is None:  # later it would take a network away that works
            await self._links.check_free(cluster_cidr)
        underlay = await self._links.underlay(own.address)
        wanted = fabric.render(
            self._config.mode,
            own,
            members.values(),
            underlay_mtu=underlay.mtu,
            mtu=self._config.mtu,
            wireguard_port=self._config.wireguard_port,
        )
        if own.subnet_v6 and wanted.bridge.mtu < fabric.MTU_V6_MIN:
            raise FabricError(f"an MTU of {wanted.bridge.mtu} is too little for IPv6, which needs {fabric.MTU_V6_MIN}")
        await self._note_that_there_is_one()
        private_key = await self._private_key(own) if wanted.wireguard else ""
        mended = await self._filter.let_forward(is_dual=bool(own.subnet_v6))
        await self._ensure_in_engine(wanted.bridge)
        mended += await self._links.apply(wanted, underlay, private_key=private_key)
        mended += await self._filter.apply(fabric_rules.ways(own.subnet, own.subnet_v6, cluster_cidr))
        if mended:
            log.info("pod_network_mended", what=mended)
        return own

    def _why_not_yet(self) -> str:
        node = self._view.get(Key(NODES, "", self._node_name))
        address = fabric.address(cast("Node", node.object)) if node is not None else ""
        if address and not fabric.is_v4(address):
            return choice.NOT_OF_IPV4.format(address=address)
        return "the node has no subnet yet"

    async def _found(self) -> None:
        """Give the cluster its addresses, where it has none yet: its leader may be a machine without a network.

        Of several who do so at once one is first, and the others find that it was.
        """
        network = ClusterNetwork(
            metadata=ObjectMeta(name=node_subnets.THE_CLUSTER), cluster_cidr=self._config.cluster_cidr
        )
        await self._replica.propose([Put(CLUSTER_NETWORK, objects.to_json(network), expected_revision=0)])

    async def _note_that_there_is_one(self) -> None:
        """Leave a mark by which a later daemon knows that something may have to be taken away."""
        try:
            if not self._mark.exists():
                await asyncio.to_thread(self._mark.touch)
        except OSError as error:
            raise FabricError(f"{self._mark}: {error.strerror}") from error

    async def _private_key(self, own: fabric.Member) -> str:
        """Return this node's key; the cluster knows the public one before any packet is sealed with it."""
        try:
            key = await asyncio.to_thread(keys.current, self._data_dir, self._clock.now())
        except OSError as error:
            raise FabricError(f"{self._data_dir / keys.FILE}: {error.strerror}") from error
        public_key = keys.public(key)
        if own.wireguard_key != public_key:
            await self._publish(own, public_key)
            log.info("wireguard_key_told", public_key=public_key)
        return key

    async def _publish(self, own: fabric.Member, public_key: str) -> None:
        """Write into this node's claim by which key it is known: nobody but a daemon can."""
        stored = self._view.get(Key(CLAIMS, "", node_subnets.claim_name(own.subnet)))
        if stored is None:
            raise FabricError("the node has no subnet yet")
        claim = msgspec.structs.replace(cast("SubnetClaim", stored.object), wireguard_key=public_key)
        bare = objects.with_metadata(claim, resource_version="")
        (outcome,) = await self._replica.propose(
            [Put(stored.key, objects.to_json(bare), expected_revision=stored.revision)]
        )
        if outcome.verdict not in (Verdict.DONE, Verdict.UNCHANGED):
            raise FabricError("the cluster does not know this node's WireGuard key yet")

    async def _ensure_in_engine(self, bridge: BridgeNetwork) -> None:
        """Have the engine keep its network; one that does not answer now loses none that it has."""
        now = self._clock.monotonic()
        if self._made == bridge and now - self._asked_engine_at < ENGINE_SECONDS:
            return
        try:
            await self._networks.ensure(bridge)
        except EngineError as error:
            if self._made != bridge:
                raise
            log.info("pod_network_not_asked_for", error=str(error))
        self._made, self._asked_engine_at = bridge, now

    def _compare(self, cluster_cidr: str) -> None:
        """Say once that this machine's file asks for other addresses than the cluster has."""
        if cluster_cidr != self._config.cluster_cidr and not self._told_cidr:
            log.warning("cluster_cidr_differs", cluster=cluster_cidr, configured=self._config.cluster_cidr)
            self._told_cidr = True

    def _on_changes(self, changes: Sequence[Change]) -> None:
        if not changes or any(self._concerns(change) for change in changes):
            self._wake.set()

    def _concerns(self, change: Change) -> bool:
        if change.key.resource == CLAIMS:
            return True
        return change.key.resource == NODES and (
            change.old is None or change.new is None or _place(change.old.object) != _place(change.new.object)
        )


def _place(node: object) -> tuple[str, object]:
    found = cast("Node", node)
    return found.spec.pod_cidr, found.status.addresses
