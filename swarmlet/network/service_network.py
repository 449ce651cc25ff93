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
from swarmlet.model import kinds
from swarmlet.model.node_subnets import SERVICE_CIDR, THE_CLUSTER, ClusterNetwork
from swarmlet.network import choice, nftables, proxy_addresses, service_rules, service_ways
from swarmlet.network.desired import DesiredServices
from swarmlet.network.kernel_services import KernelServices
from swarmlet.network.service_rules import Ground
from swarmlet.network.userspace_services import UserspaceServices
from swarmlet.store.commands import Key
from swarmlet.store.replica import Replica

RETRY_SECONDS = 1.0

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
        self._reserved = frozenset(("TCP", split_address(each)[1]) for each in own_addresses)
        self._clock = clock
        self._way = config.services
        self._rules: KernelServices | None = None

    @property
    def error(self) -> str:
        """What is wrong with the kernel's rules now, "" where they are as they should be, or are not asked for."""
        return self._rules.error if self._rules else ""

    async def run(self) -> None:
        """Serve until cancelled; what an earlier daemon left in the kernel stays until this one knows the cluster."""
        if self._way != choice.NFTABLES:
            await self._remove_rules()
        if self._way != choice.USERSPACE:
            await asyncio.to_thread(proxy_addresses.release, SERVICE_CIDR)
        if self._way == choice.OFF:
            await asyncio.Event().wait()
        await self._caught_up()
        wanted = DesiredServices(self._replica.view, self._node_name)
        try:
            if self._way == choice.NFTABLES:
                self._rules = KernelServices(wanted, self._ground(), self._clock)
                await self._rules.run()
            else:
                await UserspaceServices(self._replica, self._node_name, wanted, self._clock).run()
        finally:
            wanted.close()

    async def remove(self) -> None:
        """Take away what any way has left on the machine."""
        await self._remove_rules()
        await asyncio.to_thread(proxy_addresses.release, SERVICE_CIDR)

    async def _remove_rules(self) -> None:
        await asyncio.to_thread(service_ways.take_away, SERVICE_CIDR)
        try:
            await nftables.remove(service_rules.TABLE)
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

    def _ground(self) -> Ground:
        stored = self._replica.view.get(Key(kinds.CLUSTER_NETWORK.resource, "", THE_CLUSTER))
        network = cast("ClusterNetwork", stored.object).cluster_cidr if stored else self._config.cluster_cidr
        return Ground(pod_network=network, service_network=SERVICE_CIDR, reserved=self._reserved, node=self._node_name)
