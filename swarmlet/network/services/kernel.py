"""Keeps the kernel's rules in step with what Services ask of this node.

    kernel = KernelServices(wanted, ground, clock)
    await kernel.run()                          # until cancelled; the rules stay, so that traffic goes on

A change is in the kernel some milliseconds after it is in the store; those of a burst go together. A table that a
stranger flushed or changed is made anew.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import structlog

from swarmlet import slices
from swarmlet.clock import Clock
from swarmlet.model import ip_families
from swarmlet.network import bridge_traffic, conntrack
from swarmlet.network.conntrack import Flow
from swarmlet.network.fabric.plan import BRIDGE
from swarmlet.network.nftables import Nftables, NftError
from swarmlet.network.ruleset import NOTHING, Part, Table
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services import ways
from swarmlet.network.services.desired import DesiredServices, Port, Service
from swarmlet.network.services.rules import Ground
from swarmlet.store.commands import Key

LOOK_SECONDS = 0.5
"""How often it is seen whether a stranger changed the rules."""
RETRY_SECONDS = 1.0
REST_SECONDS_MAX = 0.05
"""After each change the processor is left to others for as long as the change took, but for no longer than this."""

WAYS_SECONDS = 2.0
"""How often it is seen to that packets to Services still have their ways, those of new Pods among them."""

Way = tuple[str, str, int, str, int]
"""The protocol, the address and port that a client comes to ("": any outside the network of Services), an endpoint."""

log = structlog.get_logger(__name__)


class KernelServices:
    """The rules of one node's kernel. `error` says what is wrong with them now, "" where they are as they should be.

    `ways_error` says the same of what packets need besides.
    """

    def __init__(self, wanted: DesiredServices, ground: Ground, clock: Clock) -> None:
        self.error = "not made yet"
        self.ways_error = ""
        self._wanted = wanted
        self._ground = ground
        self._clock = clock
        self._family = socket.AF_INET6 if ground.family == ip_families.IPV6 else socket.AF_INET
        self._table = Table(service_rules.TABLE, service_rules.base(ground), family=ground.words.ip)
        self._services: dict[Key, Service] = {}
        self._dirty: set[Key] = set()
        self._anew = True
        self._is_new = True
        self._wake = asyncio.Event()
        self._settling = asyncio.Lock()

    async def run(self) -> None:
        """Follow the store until cancelled."""
        bridge_traffic.check()
        await self._lay_ways()
        kernel = Nftables(service_rules.TABLE, service_rules.STANDING_CHAINS, family=self._ground.words.ip)
        end = self._wanted.subscribe(self._note)
        self._wake.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look(kernel), name="service-rules-look")
                group.create_task(self._keep_ways(), name="service-ways")
                group.create_task(self._follow(kernel), name="service-rules")
        finally:
            end()
            kernel.close()

    def _note(self, keys: Collection[Key]) -> None:
        self._dirty.update(keys or self._wanted.all_keys())
        if not keys:
            self._dirty.update(self._table.keys())
        self._wake.set()

    async def _look(self, kernel: Nftables) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            async with self._settling:  # what a script of ours has just made is not known yet
                if self._is_disturbed(kernel):
                    self._wake.set()

    def _is_disturbed(self, kernel: Nftables) -> bool:
        """Whether a stranger was at the rules, or the kernel does not tell: then they are to be made anew."""
        if self._anew:
            return False
        try:
            self._anew = kernel.is_disturbed()
        except OSError as error:
            log.warning("service_rules_not_seen", error=str(error))
            self._anew = True
        if self._anew:
            log.warning("service_rules_disturbed", table=service_rules.TABLE)
        return self._anew

    async def _keep_ways(self) -> None:
        while True:
            await self._clock.sleep(WAYS_SECONDS)
            await self._lay_ways()

    async def _lay_ways(self) -> None:
        fault = await asyncio.to_thread(ways.lay, self._ground.service_network, BRIDGE)
        if fault not in ("", self.ways_error):
            log.warning("service_ways_not_laid", error=fault)
        self.ways_error = fault

    async def _follow(self, kernel: Nftables) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            begun = self._clock.monotonic()
            try:
                async with self._settling:
                    told = await self._settle(kernel)
                await self._forget(told)
                self.error = ""
            except (NftError, OSError) as error:
                if self.error != str(error):
                    log.warning("service_rules_failed", error=str(error))
                self.error, self._anew = str(error), True
                await self._clock.sleep(RETRY_SECONDS)
                self._wake.set()
            await self._clock.sleep(min(self._clock.monotonic() - begun, REST_SECONDS_MAX))

    async def _settle(self, kernel: Nftables) -> Mapping[Key, Service | None]:
        """Bring the kernel's rules up to date; return the Services that may be others than they were."""
        self._is_disturbed(kernel)  # else what a stranger did would be taken for ours
        keys = self._dirty
        self._dirty = set()
        if self._anew:
            keys = {*self._wanted.all_keys(), *self._table.keys()}
        told: dict[Key, Service | None] = {}
        parts: dict[Key, Part] = {}
        await slices.work_through(self._rendered(keys, told, parts), self._clock)
        script = self._table.update(parts)
        if self._anew:
            script = self._table.whole()
        if script:
            await self._apply(kernel, script, parts)
        self._anew = False
        return told

    def _rendered(self, keys: Iterable[Key], told: dict[Key, Service | None], parts: dict[Key, Part]) -> Iterator[None]:
        """Render the Services one by one; one that cannot be is without rules, and takes no other with it."""
        for key in keys:
            try:
                told[key] = service = self._wanted.get(key)
                parts[key] = service_rules.render(service, self._ground) if service else NOTHING
            except (ValueError, LookupError) as error:
                log.warning("service_not_rendered", service=str(key), error=str(error))
                told[key], parts[key] = None, NOTHING
            yield

    async def _apply(self, kernel: Nftables, script: str, parts: Mapping[Key, Part]) -> None:
        """Carry out a script; where it is refused, everything but its parts, and then each that is not to blame."""
        try:
            await kernel.apply(script)
        except NftError as error:
            log.warning("service_rules_refused", services=len(parts), error=str(error))
            self._table.update(dict.fromkeys(parts, NOTHING))
            await kernel.apply(self._table.whole())
            for key, part in parts.items():
                await self._apply_one(kernel, key, part)

    async def _apply_one(self, kernel: Nftables, key: Key, part: Part) -> None:
        script = self._table.update({key: part})
        try:
            if script:
                await kernel.apply(script)
        except NftError as error:
            log.warning("service_not_rendered", service=str(key), error=str(error))
            self._table.update({key: NOTHING})

    async def _forget(self, told: Mapping[Key, Service | None]) -> None:
        """End the connections to endpoints that are gone, once the rules lead there no longer."""
        gone: set[Way] = set()
        for key, service in told.items():
            old = self._services.pop(key, None)
            gone |= _ways(old, published=_is_published(old)) - _ways(service, published=True)
            if service is not None:
                self._services[key] = service
        if self._is_new:
            await self._forget_those(
                functools.partial(_leads_nowhere, self._ground, _addressed(self._services.values()))
            )
            self._is_new = False
        elif gone:
            await self._forget_those(functools.partial(_is_gone, self._ground, gone))

    async def _forget_those(self, is_stale: Callable[[Flow], bool]) -> None:
        try:
            number = await asyncio.to_thread(conntrack.forget, is_stale, self._family)
        except OSError as error:
            log.warning("connections_not_forgotten", error=str(error))
            return
        if number:
            log.info("connections_forgotten", connections=number)


def _ways(service: Service | None, *, published: bool) -> set[Way]:
    """Return what may go on: TCP also where an endpoint is only to finish. `published`: its ports are the node's."""
    if service is None:
        return set()
    return {
        (port.protocol, *door, each.address, each.port)
        for port in service.ports
        for each in (port.endpoints if port.protocol == "TCP" else port.everywhere + port.here)
        for door in ((service.cluster_ip, port.port), ("", port.node_port), *([("", port.port)] if published else []))
    }


def _is_published(service: Service | None) -> bool:
    return service is not None and bool(service.external_ips or service.ingress)


def _is_gone(ground: Ground, gone: Collection[Way], flow: Flow) -> bool:
    """Whether a connection leads where its Service led, and leads no more. Others may still lead there."""
    place = flow.endpoint, flow.endpoint_port
    if (flow.protocol, flow.address, flow.port, *place) in gone:
        return True
    return (flow.protocol, "", flow.port, *place) in gone and not _is_cluster_ip(ground, flow)


def _is_cluster_ip(ground: Ground, flow: Flow) -> bool:
    return ipaddress.ip_address(flow.address) in ipaddress.ip_network(ground.service_network)


def _addressed(services: Iterable[Service]) -> dict[tuple[str, str, int], Port]:
    return {(port.protocol, each.cluster_ip, port.port): port for each in services for port in each.ports}


def _leads_nowhere(ground: Ground, known: Mapping[tuple[str, str, int], Port], flow: Flow) -> bool:
    """Whether a connection to a cluster IP, made before this daemon's time, leads to no endpoint of today."""
    if not _is_cluster_ip(ground, flow):
        return False
    port = known.get((flow.protocol, flow.address, flow.port))
    places = {(each.address, each.port) for each in port.endpoints} if port else set()
    return (flow.endpoint, flow.endpoint_port) not in places
