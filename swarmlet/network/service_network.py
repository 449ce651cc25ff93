"""Services on one node: the way is chosen, and then kept going as long as the daemon runs."""

from __future__ import annotations

import asyncio
from typing import cast

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import SwarmletError
from swarmlet.model import kinds
from swarmlet.model.node_subnets import SERVICE_CIDR, THE_CLUSTER, ClusterNetwork
from swarmlet.network import choice, nftables
from swarmlet.network.desired import DesiredServices
from swarmlet.network.kernel_services import KernelServices
from swarmlet.network.service_rules import Ground
from swarmlet.store.commands import Key
from swarmlet.store.replica import Replica

RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class ServiceNetwork:
    """One for a daemon. `asked` and `cluster_cidr` are the configuration's; `own_ports` are the daemon's TCP ports."""

    def __init__(
        self,
        *,
        replica: Replica,
        node_name: str,
        asked: str,
        cluster_cidr: str,
        own_ports: frozenset[int],
        clock: Clock,
    ) -> None:
        self._replica = replica
        self._node_name = node_name
        self._cluster_cidr = cluster_cidr
        self._own_ports = own_ports
        self._clock = clock
        self.chosen = choice.choose(asked, nftables.is_usable)

    async def run(self) -> None:
        """Serve until cancelled; what an earlier daemon left in the kernel stays until this one knows the cluster."""
        if self.chosen.way != choice.NFTABLES:
            log.warning("services_not_balanced", why=self.chosen.why)
            await asyncio.Event().wait()
        log.info("services_balanced", way=self.chosen.way)
        await self._caught_up()
        wanted = DesiredServices(self._replica.view, self._node_name)
        try:
            await KernelServices(wanted, self._ground(), self._clock).run()
        finally:
            wanted.close()

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
        network = cast("ClusterNetwork", stored.object).cluster_cidr if stored else self._cluster_cidr
        reserved = frozenset(("TCP", port) for port in self._own_ports)
        return Ground(pod_network=network, service_network=SERVICE_CIDR, reserved=reserved)
