"""This node's DNS as the daemon sees it: it answers at the address of the Service `kube-dns`, while that is ours.

Where the address cannot be had, it says so once and tries again; nothing else of the daemon waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import structlog

from swarmlet.clock import Clock
from swarmlet.errors import SwarmletError
from swarmlet.model import cluster_dns
from swarmlet.model.services import HEADLESS, Service
from swarmlet.network.dns import askers
from swarmlet.network.dns import device as dns_device
from swarmlet.network.dns.answers import Answers
from swarmlet.network.dns.askers import Askers
from swarmlet.network.dns.metrics import DnsCounts
from swarmlet.network.dns.records import ClusterRecords
from swarmlet.network.dns.server import DnsServer
from swarmlet.network.dns.upstream import ResolvConf, Upstream
from swarmlet.network.proxy.fronts import Front
from swarmlet.network.services.desired import SERVICES, DesiredServices
from swarmlet.network.services.events import Sink
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, View

STUB_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")
"""Where systemd-resolved tells whom it asks itself; its own stub is this machine's too, but it may ask us."""
LOOK_SECONDS = 5.0
"""How often the device is looked after, and what failed tried again."""
PROTOCOL = "UDP"
SERVICE = Key(SERVICES, cluster_dns.NAMESPACE, cluster_dns.NAME)

log = structlog.get_logger(__name__)


class Device(Protocol):
    """Holds the address on this machine."""

    def hold(self, address: str) -> None:
        """Have it, and no other."""

    def remove(self) -> None:
        """Have none."""


class NodeDns:
    """One for a node. `run` does the work; the rest of the daemon need not know of it.

    `address` is where it answers now, "" where nowhere; `fault` says why it cannot, and `sink` is told once of each.
    `counts` are of all that it was asked.
    """

    def __init__(
        self,
        view: View,
        node_name: str,
        *,
        resolv_conf: Path,
        clock: Clock,
        sink: Sink | None = None,
        device: Device | None = None,
        port: int = cluster_dns.PORT,
    ) -> None:
        self.counts = DnsCounts()
        self._sink = sink
        self._view = view
        self._clock = clock
        self._device = device or dns_device.DnsDevice()
        self._port = port
        self._wanted = DesiredServices(view, node_name)
        self._records = ClusterRecords(view, self._wanted)
        servers = ResolvConf((resolv_conf, STUB_RESOLV_CONF), self._own, clock)
        self._upstream = Upstream(servers, clock, counts=self.counts)
        self._answers = Answers(self._records, self._upstream.cached)
        self._askers = Askers()
        self._server: DnsServer | None = None
        self.address = ""
        self.fault = ""
        self._changed = asyncio.Event()

    @property
    def is_listening(self) -> bool:
        """Whether the cluster's names are answered here now."""
        return self._server is not None and not self.fault

    async def run(self) -> None:
        """Answer until cancelled. The device stays: a Pod's question meanwhile is refused at once, and not lost."""
        end = self._view.subscribe(self._note)
        try:
            while True:
                self._changed.clear()
                await self._settle()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._changed.wait()
        finally:
            end()
            await self._stop()
            await self._upstream.close()
            self._records.close()
            self._wanted.close()

    async def remove(self) -> None:
        """Hold the address no more, once `run` has ended: this machine is to answer nobody again."""
        try:
            await asyncio.to_thread(self._device.remove)
        except SwarmletError as error:
            log.warning("dns_device_left_behind", error=str(error))

    async def _settle(self) -> None:
        """Listen at the address that the Service has now."""
        wanted = self._wanted_address()
        try:
            if wanted != self.address:
                await self._stop()
            if wanted:
                nodes = askers.nodes_addresses(self._view)
                self._askers.take(await asyncio.to_thread(askers.local_networks, nodes), self._view)
                await asyncio.to_thread(self._device.hold, wanted)
                await self._listen(wanted)
            elif self.address:
                await asyncio.to_thread(self._device.remove)
            self.address = wanted
            self.fault = ""
        except (OSError, SwarmletError) as error:
            fault = _told(error)
            if fault != self.fault:
                self.fault = fault
                log.warning("dns_unavailable", address=wanted, error=self.fault)
                if self._sink is not None and wanted:
                    self._sink.port_refused(SERVICE, Front(PROTOCOL, wanted, self._port), self.fault)

    async def _listen(self, address: str) -> None:
        if self._server is None:
            server = DnsServer(
                self._answers, self._upstream, self._clock, counts=self.counts, admits=self._askers.admits
            )
            await server.open(address, self._port)
            self._server = server
            log.info("dns_started", address=address)

    async def _stop(self) -> None:
        if self._server is not None:
            await self._server.close()
            self._server = None

    def _wanted_address(self) -> str:
        stored = self._view.get(SERVICE)
        service = cast("Service", stored.object) if stored else None
        if service is None or not cluster_dns.is_ours(service) or service.spec.cluster_ip == HEADLESS:
            return ""
        return service.spec.cluster_ip

    def _own(self) -> tuple[str, ...]:
        return (self.address, self._wanted_address())

    def _note(self, changes: Sequence[Change]) -> None:
        if not changes or any(each.key in (SERVICE, askers.CLUSTER_NETWORK) for each in changes):
            self._changed.set()


def _told(error: OSError | SwarmletError) -> str:
    """Return what is wrong without the system's number for it."""
    return (error.strerror if isinstance(error, OSError) else "") or str(error)
