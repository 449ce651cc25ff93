"""What one machine does for the cluster's addresses and names: Services, DNS and policies, and what it says of them.

network = MachineNetwork(choice=choice, ...)
tasks = network.start()                     # each ends when it is cancelled
network.report()                            # for /status, at any time
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from prometheus_client.registry import Collector

from swarmlet.addresses import split_address
from swarmlet.clock import Clock
from swarmlet.config import Config
from swarmlet.network.choice import NO_NETWORK, Choice
from swarmlet.network.dns.metrics import DnsMetrics
from swarmlet.network.dns.node import NodeDns
from swarmlet.network.fabric import claim
from swarmlet.network.policies import kernel as kernel_policies
from swarmlet.network.policies.kernel import KernelPolicies
from swarmlet.network.services.events import ServiceEvents
from swarmlet.network.services.node import ServiceNetwork
from swarmlet.store.replica import Replica


class Addresses(Protocol):
    """Which Pod of this machine has which address."""

    async def opened(self) -> Mapping[str, str]:
        """Wait until addresses are given out; return those given by then, by uid."""

    def guarded_by(self, guard: Callable[[str, str], Awaitable[None]]) -> None:
        """Have `guard(uid, address)` return before a container with that address starts."""


class MachineNetwork:
    """One for a daemon. `addresses` is None where there is no Pod network; `fault` says what is wrong with that now."""

    def __init__(
        self,
        *,
        choice: Choice,
        config: Config,
        node_name: str,
        replica: Replica,
        clock: Clock,
        addresses: Addresses | None,
        fault: Callable[[], str],
    ) -> None:
        self._chosen = choice.network
        self._why = choice.why
        self._fault = fault
        self._services = ServiceNetwork(
            replica=replica,
            node_name=node_name,
            config=choice.network,
            own_addresses=(config.listen, config.status_listen),
            clock=clock,
        )
        self._events = ServiceEvents(replica, node_name, clock, random.Random())  # noqa: S311  names of Events
        self._dns: NodeDns | None = None
        if choice.network.dns:
            self._dns = NodeDns(replica.view, node_name, resolv_conf=config.resolv_conf, clock=clock, sink=self._events)
        self._policies: KernelPolicies | None = None
        if addresses is not None and choice.network.policies:
            self._policies = KernelPolicies(
                replica,
                node_name,
                clock,
                status_port=split_address(config.status_listen)[1],
                opened=addresses.opened,
            )
            addresses.guarded_by(self._policies.ready_for)

    def start(self) -> list[asyncio.Task[None]]:
        """Set everything going; what an earlier daemon left of what is off now goes."""
        found = [asyncio.create_task(self._services.run(), name="services")]
        if self._dns is not None:
            found.append(asyncio.create_task(self._dns.run(), name="dns"))
            found.append(asyncio.create_task(self._events.run(), name="dns-events"))
        policies = self._policies.run() if self._policies is not None else self._without_policies()
        return [*found, asyncio.create_task(policies, name="policies")]

    async def remove(self) -> None:
        """Take away what is on the machine for this, once what was started has ended: it is no member any more."""
        await self._services.remove()
        if self._dns is not None:
            await self._dns.remove()
        await self._remove_policies()

    async def _without_policies(self) -> None:
        await self._remove_policies()
        await asyncio.Event().wait()

    async def _remove_policies(self) -> None:
        """Take the rules away, unless they are those of another daemon, which keeps this machine's Pod network."""
        if self._chosen.mode != NO_NETWORK or not claim.is_held():
            await kernel_policies.remove()

    def metrics(self) -> list[Collector]:
        """Return what is to be asked for the numbers of this machine's network."""
        dns = self._dns
        return [DnsMetrics(dns.counts, lambda: dns.is_listening)] if dns is not None else []

    def report(self) -> dict[str, Any]:
        """Return what is on, and why, and what is wrong with it; by key of the configuration."""
        faults = {
            "mode": self._fault() if self._chosen.mode != NO_NETWORK else "",
            "services": self._services.error,
            "dns": self._dns.fault if self._dns is not None else "",
            "policies": self._policies.error if self._policies is not None else "",
        }
        return {
            "mode": self._chosen.mode,
            "services": self._chosen.services,
            "dns": self._dns is not None,
            "dns_address": self._dns.address if self._dns is not None else "",
            "policies": self._policies is not None,
            "why": dict(self._why),
            "faults": {key: fault for key, fault in faults.items() if fault},
        }
