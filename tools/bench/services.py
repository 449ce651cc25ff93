"""What Services cost a node: how soon a change is in the kernel, how long the whole takes, and how much it is.

In a network namespace of its own, so it needs root, and touches nothing of the machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import statistics
import subprocess
import time
from collections.abc import Iterator

from swarmlet.clock import SystemClock
from swarmlet.model import ip_families, kinds, objects, service_defaults, services
from swarmlet.model.meta import Object, ObjectMeta
from swarmlet.model.node_subnets import CLUSTER_CIDR, SERVICE_CIDR
from swarmlet.model.services import Endpoint, EndpointPort, EndpointSlice, Service, ServicePort, ServiceSpec
from swarmlet.network import nftables
from swarmlet.network.nftables import Nftables
from swarmlet.network.ruleset import Table
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.desired import DesiredServices
from swarmlet.network.services.kernel import KernelServices
from swarmlet.network.services.rules import Ground
from swarmlet.store.commands import Command, Key, Put
from swarmlet.store.state import Store
from tools.bench.report import Report

FEW, MANY = 500, 1_000
ENDPOINTS = 10
CHANGES = 100
BURST = 200
NEW_NETWORK_NAMESPACE = 0x40000000
GROUND = Ground(pod_network=CLUSTER_CIDR, service_network=SERVICE_CIDR)


class Population:
    """A store of Services, each with its endpoints on three nodes and a port of every node."""

    def __init__(self, count: int) -> None:
        self.store = Store()
        self._requests = itertools.count(1)
        for number in range(count):
            self._put(kinds.SERVICE, _service(number))
            self.turn(number, 0)

    def turn(self, number: int, step: int) -> None:
        """Let one endpoint of a Service be not ready, another one at each step."""
        endpoints = tuple(
            Endpoint(
                addresses=(f"10.42.{each % 3}.{(number + each) % 250 + 2}",),
                node_name=f"n{each % 3}",
                conditions=services.EndpointConditions(ready=each != step % ENDPOINTS),
            )
            for each in range(ENDPOINTS)
        )
        labels = {services.SERVICE_NAME_LABEL: f"s{number}"}
        metadata = ObjectMeta(name=f"s{number}", namespace="default", uid=f"slice{number}", labels=labels)
        ports = (EndpointPort(port=8080),)
        self._put(
            kinds.ENDPOINT_SLICE,
            EndpointSlice(metadata=metadata, address_type=ip_families.IPV4, endpoints=endpoints, ports=ports),
        )

    def _put(self, kind: kinds.Kind, value: Object) -> None:
        key = Key(kind.resource, value.metadata.namespace, value.metadata.name)
        self.store.apply(Command(next(self._requests).to_bytes(16, "big"), (Put(key, objects.to_json(value)),)))


def _service(number: int) -> Service:
    port = ServicePort(port=80, node_port=30_000 + number)
    spec = ServiceSpec(type=services.NODE_PORT, cluster_ip=f"10.43.{1 + number // 250}.{number % 250}", ports=(port,))
    metadata = ObjectMeta(name=f"s{number}", namespace="default", uid=f"s{number}")
    return service_defaults.service(Service(metadata=metadata, spec=spec))


async def measure(report: Report) -> None:
    """Measure both sizes."""
    with _own_network():
        if not nftables.is_usable():
            report.add("Services in the kernel", "not measured", beside="needs root and nft")
            return
        await _follow(report, FEW)
        await _follow(report, MANY)
        await _whole(report, MANY)


async def _follow(report: Report, count: int) -> None:
    """Change one Service after the other, and then many at once, and see when the kernel has it."""
    population = Population(count)
    kernel = KernelServices(DesiredServices(population.store, "n0"), GROUND, SystemClock())
    running = asyncio.create_task(kernel.run())
    while kernel.error:
        await asyncio.sleep(0.05)
    eye = Nftables(service_rules.TABLE, ())
    took = []
    for step in range(CHANGES):
        await asyncio.sleep(0.1)
        seen, start = eye.generation(), time.perf_counter()
        population.turn(step * 7 % count, 1)
        while eye.generation() == seen:
            await asyncio.sleep(0.0005)
        took.append(1000 * (time.perf_counter() - start))
    took.sort()
    p99 = took[int(len(took) * 0.99)]
    said = f"{statistics.median(took):.0f} ms, p99 {p99:.0f} ms"
    report.judge(
        f"a change in the kernel, {count} Services", said, value=p99, at_most=50 if count == FEW else 100, unit=" ms"
    )
    begun, seen = time.process_time(), eye.generation()
    for number in range(BURST):
        population.turn(number, 2)
        await asyncio.sleep(0.001)
    await asyncio.sleep(1)
    runs = int.from_bytes(eye.generation(), "big") - int.from_bytes(seen, "big")
    report.add(
        f"a burst of {BURST} changes", f"{runs} updates", beside=f"{time.process_time() - begun:.2f} s of our CPU"
    )
    eye.close()
    running.cancel()
    await asyncio.wait([running])


async def _whole(report: Report, count: int) -> None:
    """Render everything from nothing, and give it to the kernel."""
    wanted = DesiredServices(Population(count).store, "n0")
    table = Table(service_rules.TABLE, service_rules.base(GROUND))
    start = time.perf_counter()
    table.update({each.key: service_rules.render(each, GROUND) for each in wanted.services()})
    script = table.whole()
    rendered = time.perf_counter() - start
    await nftables.run(script)
    whole = time.perf_counter() - start
    said = f"{whole:.2f} s, of it rendering {rendered:.2f} s"
    report.judge(
        f"all rules of {count} Services",
        said,
        value=whole,
        at_most=2,
        unit=" s",
        beside=f"{len(script) / 1024:.0f} KiB",
    )


@contextlib.contextmanager
def _own_network() -> Iterator[None]:
    """Let this thread, and what it starts, be in a new network namespace, where it may make one."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        made = libc.unshare(NEW_NETWORK_NAMESPACE) == 0
        if made:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
        if made:
            libc.setns(home, NEW_NETWORK_NAMESPACE)
    finally:
        os.close(home)
