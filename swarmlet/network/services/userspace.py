"""Services of one node by the userspace proxy: where its addresses are, and that they stay this machine's."""

from __future__ import annotations

import asyncio
import functools
import random

import structlog

from swarmlet.clock import Clock
from swarmlet.model import ip_families
from swarmlet.network.proxy import addresses, reach, thread
from swarmlet.network.proxy.reach import Reach
from swarmlet.network.services.desired import DesiredServices
from swarmlet.network.services.events import ServiceEvents
from swarmlet.store.replica import Replica

LOOK_SECONDS = 2.0
"""How often it is seen to that a stranger did not take the way to the cluster IPs away."""

log = structlog.get_logger(__name__)


class UserspaceServices:
    """The proxy of one node for a family of addresses, and those of Services."""

    def __init__(self, replica: Replica, node_name: str, wanted: DesiredServices, clock: Clock, family: str) -> None:
        self._network = ip_families.SERVICE_CIDRS[family]
        self._reach = Reach(replica.view, node_name)
        rng = random.Random()  # noqa: S311  names of Events: nothing secret comes from it
        self._events = ServiceEvents(replica, node_name, clock, rng)
        self._wanted = wanted
        self._clock = clock

    async def run(self) -> None:
        """Serve until cancelled. The way to the cluster IPs stays: who comes then is refused, not sent to the world."""
        is_ours = await asyncio.to_thread(addresses.claim, self._network)
        if not is_ours and ip_families.of(self._network) == ip_families.IPV6:
            log.info("cluster_ips_not_served", network=self._network)
            return  # an ordinary user has one loopback address of that family, and no Pods
        if not is_ours:
            log.info("cluster_ips_on_loopback", network=str(addresses.LOOPBACK_NETWORK))
        proxy = thread.run(
            self._wanted,
            functools.partial(reach.seen, reaches=self._reach),
            clock=self._clock,
            cluster_address=addresses.same if is_ours else addresses.on_loopback,
            told=self._events,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(proxy, name="proxy")
            group.create_task(self._events.run(), name="proxy-events")
            if is_ours:
                group.create_task(self._keep(), name="proxy-addresses")

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await asyncio.to_thread(addresses.claim, self._network)
