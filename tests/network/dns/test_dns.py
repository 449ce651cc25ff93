"""A node's DNS: where it listens, and when it ceases."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import dns.asyncquery
import dns.message
import pytest
import structlog

from swarmlet.clock import SystemClock
from swarmlet.errors import SwarmletError
from swarmlet.model import cluster_dns, objects, service_defaults
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.services import Service, ServiceSpec
from swarmlet.network.dns import node as node_dns
from swarmlet.network.dns.device import DeviceError, DnsDevice
from swarmlet.network.dns.node import NodeDns
from swarmlet.network.proxy.fronts import Front
from swarmlet.store.commands import Key, Put
from tests.network.cluster import Cluster

ADDRESS = "127.0.0.53"
NAME = "kube-dns.kube-system.svc.cluster.local"


class Device:
    """Says what it was told; each of `faults` is raised once."""

    def __init__(self) -> None:
        self.held: list[str] = []
        self.faults: list[SwarmletError] = []

    def hold(self, address: str) -> None:
        if self.faults:
            raise self.faults.pop()
        self.held.append(address)

    def remove(self) -> None:
        self.held.append("")


class Refusals:
    """Takes down what is told of ports that cannot be had."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def port_refused(self, service: Key, front: Front, why: str) -> None:
        self.told.append((service.name, front.address, why))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


@contextlib.asynccontextmanager
async def running(cluster: Cluster, device: Device, port: int, sink: Refusals | None = None) -> AsyncIterator[NodeDns]:
    names = NodeDns(
        cluster.store, "n1", resolv_conf=Path("/nonexistent"), clock=SystemClock(), sink=sink, device=device, port=port
    )
    task = asyncio.create_task(names.run())
    try:
        yield names
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  what it waits for is done in a thread
            await asyncio.sleep(0)


async def ask(port: int) -> list[str]:
    response = await dns.asyncquery.udp(dns.message.make_query(NAME, "A"), ADDRESS, port=port, timeout=5)
    return [str(each) for row in response.answer for each in row]


def make_service(cluster: Cluster, **spec: object) -> None:
    metadata = ObjectMeta(
        name=cluster_dns.NAME,
        namespace=cluster_dns.NAMESPACE,
        uid="uid-dns",
        labels={cluster_dns.PROXY_NAME_LABEL: cluster_dns.PROXY},
    )
    service = Service(metadata=metadata, spec=ServiceSpec(cluster_ip=ADDRESS, **spec))
    cluster.apply(Put(node_dns.SERVICE, objects.to_json(service_defaults.service(service))))


async def test_it_answers_at_the_services_address_while_the_service_is_ours() -> None:
    cluster, device, port = Cluster(), Device(), free_port()
    async with running(cluster, device, port):
        await asyncio.sleep(0)
        assert device.held == []
        make_service(cluster)
        await until(lambda: device.held == [ADDRESS])
        assert await ask(port) == [ADDRESS]
        make_service(cluster, selector={"k8s-app": "coredns"})
        await until(lambda: device.held[-1] == "")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(ADDRESS, port)


async def test_a_port_that_another_program_has_is_told_in_words() -> None:
    cluster, device, port, sink = Cluster(), Device(), free_port(), Refusals()
    make_service(cluster)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((ADDRESS, port))
        async with running(cluster, device, port, sink):
            await until(lambda: sink.told != [])
    assert sink.told == [("kube-dns", ADDRESS, "Address already in use")]


async def test_what_failed_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = structlog.testing.CapturingLogger()
    monkeypatch.setattr(node_dns, "log", logger)
    monkeypatch.setattr(node_dns, "LOOK_SECONDS", 0.01)
    cluster, device, port, sink = Cluster(), Device(), free_port(), Refusals()
    device.faults = [SwarmletError("not permitted") for _ in range(3)]
    make_service(cluster)
    async with running(cluster, device, port, sink) as names:
        await until(lambda: names.fault == "not permitted")
        assert not names.is_listening
        await until(lambda: ADDRESS in device.held)
        assert await ask(port) == [ADDRESS]
        assert names.is_listening
        assert names.counts.queries["udp"] == 1
    assert sink.told == [("kube-dns", ADDRESS, "not permitted")]
    assert [call.args[0] for call in logger.calls] == ["dns_unavailable", "dns_started"]


HOLD = """
import subprocess
from swarmlet.network.dns.device import DnsDevice
device = DnsDevice()
for address in ("10.43.0.10", "10.43.0.10", "10.43.0.11"):
    device.hold(address)
    print(subprocess.check_output(["ip", "-br", "-4", "addr", "show", "dev", "swarmlet-dns"], text=True).split()[2:])
subprocess.check_call(["ip", "link", "set", "swarmlet-dns", "down"])
subprocess.check_call(["ip", "addr", "flush", "dev", "swarmlet-dns"])
device.hold("10.43.0.11")
print(subprocess.check_output(["ip", "-br", "-4", "addr", "show", "up", "dev", "swarmlet-dns"], text=True).split()[2:])
device.remove()
device.remove()
print(subprocess.run(["ip", "link", "show", "swarmlet-dns"], capture_output=True).returncode)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="devices are root's to make")
def test_the_device_holds_one_address_and_is_put_back() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", HOLD], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "['10.43.0.10/32']",
        "['10.43.0.10/32']",
        "['10.43.0.11/32']",
        "['10.43.0.11/32']",
        "1",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="others than root may not anyway")
def test_a_device_that_cannot_be_made_is_an_error_of_ours() -> None:
    with pytest.raises(DeviceError, match="device "):
        DnsDevice("a-name-that-is-far-too-long").hold("10.43.0.10")
