"""Services on one node: the way that was chosen is kept going as long as the daemon runs, and others are cleared."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

import structlog

from swarmlet.addresses import split_address
from swarmlet.clock import Clock
from swarmlet.config import Network
from swarmlet.errors import SwarmletError
from swarmlet.model import ip_families, kinds
from swarmlet.model.ip_families import IPV4, IPV6
from swarmlet.model.node_subnets import THE_CLUSTER, WIREGUARD_PORT, ClusterNetwork
from swarmlet.network import choice, nftables
from swarmlet.network.fabric import claim
from swarmlet.network.fabric.plan import VXLAN_PORT
from swarmlet.network.nft_words import WORDS
from swarmlet.network.proxy import addresses
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services import ways
from swarmlet.network.services.desired import DesiredServices
from swarmlet.network.services.kernel import KernelServices
from swarmlet.network.services.rules import Ground
from swarmlet.network.services.userspace import UserspaceServices
from swarmlet.store.commands import Key
from swarmlet.store.replica import Replica

RETRY_SECONDS = 1.0
LOOK_SECONDS = 5.0
OVERLAY = frozenset({("UDP", VXLAN_PORT), ("UDP", WIREGUARD_PORT)})
"""Where other nodes' packets arrive: a load balancer there would cut every node off."""

log = structlog.get_logger(__name__)


class ServiceNetwork:
    """One for a daemon; `config.services` is settled, and no more "auto".

    `own_addresses` are those it listens on, "host:port", whose ports no Service takes from it.
    """

    def __init__(
        self,
        *,
        replica: Replica,
        node_name: str,
        config: Network,
        own_addresses: Iterable[str],
        clock: Clock,
    ) -> None:
        self._replica = replica
        self._node_name = node_name
        self._config = config
        self._reserved = OVERLAY | {("TCP", split_address(each)[1]) for each in own_addresses}
        self._clock = clock
        self._way = config.services
        self._rules: list[KernelServices] = []
        self._faults: dict[str, str] = {}

    @property
    def error(self) -> str:
        """What is wrong with the kernel's rules now, "" where they are as they should be, or are not asked for."""
        faults = (*self._faults.values(), *(fault for each in self._rules for fault in (each.error, each.ways_error)))
        return next(filter(None, faults), "")

    async def run(self) -> None:
        """Serve until cancelled; what an earlier daemon left in the kernel stays until this one knows the cluster."""
        if self._way != choice.NFTABLES:
            await self._remove_rules()
        if self._way != choice.USERSPACE:
            await self._release()
        if self._way == choice.OFF:
            await asyncio.Event().wait()
        await self._caught_up()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._serve(IPV4, self._stored_cidr() or self._config.cluster_cidr), name="services-v4")
            group.create_task(self._serve_v6(), name="services-v6")

    async def _serve(self, family: str, cluster_cidr: str) -> None:
        await self._until_free(ip_families.SERVICE_CIDRS[family])
        wanted = DesiredServices(self._replica.view, self._node_name, family)
        try:
            if self._way == choice.NFTABLES:
                rules = KernelServices(wanted, self._ground(family, cluster_cidr), self._clock)
                self._rules.append(rules)
                await rules.run()
            else:
                await UserspaceServices(self._replica, self._node_name, wanted, self._clock, family).run()
        finally:
            wanted.close()

    async def _until_free(self, network: str) -> None:
        """Wait until no link of the machine is where Services have their addresses."""
        while fault := await asyncio.to_thread(ways.in_the_way, network):
            if fault != self._faults.get(network):
                log.error("services_not_served", error=fault)
            self._faults[network] = fault
            await self._clock.sleep(LOOK_SECONDS)
        self._faults.pop(network, None)

    async def _serve_v6(self) -> None:
        """Serve by IPv6, too, once it is known that the cluster has it."""
        known = asyncio.Event()
        end = self._replica.view.subscribe(lambda _: known.set() if self._stored_cidr() else None)
        try:
            if not self._stored_cidr():
                await known.wait()
        finally:
            end()
        if IPV6 in ip_families.families(self._stored_cidr()):
            await self._serve(IPV6, self._stored_cidr())

    async def remove(self) -> None:
        """Take away what any way has left on the machine."""
        await self._remove_rules()
        await self._release()

    async def _release(self) -> None:
        for network in ip_families.SERVICE_CIDRS.values():
            await asyncio.to_thread(addresses.release, network)

    async def _remove_rules(self) -> None:
        if self._config.mode == choice.NO_NETWORK and claim.is_held():
            return  # they are those of the daemon that keeps this machine's Pod network
        for family, network in ip_families.SERVICE_CIDRS.items():
            await asyncio.to_thread(ways.take_away, network)
            try:
                await nftables.remove(service_rules.TABLE, WORDS[family].ip)
            except (nftables.NftError, OSError) as error:
                log.warning("service_rules_left_behind", error=str(error))

    async def _caught_up(self) -> None:
        while True:
            try:
                await self._replica.linearize()
            except SwarmletError:
                await self._clock.sleep(RETRY_SECONDS)
            else:
                return

    def _stored_cidr(self) -> str:
        stored = self._replica.view.get(Key(kinds.CLUSTER_NETWORK.resource, "", THE_CLUSTER))
        return cast("ClusterNetwork", stored.object).cluster_cidr if stored else ""

    def _ground(self, family: str, cluster_cidr: str) -> Ground:
        return Ground(
            pod_network=ip_families.cidr(family, cluster_cidr),
            service_network=ip_families.SERVICE_CIDRS[family],
            reserved=self._reserved,
            node=self._node_name,
        )
