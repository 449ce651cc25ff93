"""The rules in a real kernel, kept in step with a store: this process enters a network namespace of its own."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
import structlog

from swarmlet.clock import SystemClock
from swarmlet.model.services import Endpoint, EndpointPort, ServicePort
from swarmlet.network.nftables import Nftables
from swarmlet.network.services import kernel as kernel_services
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.desired import DesiredServices
from swarmlet.network.services.kernel import KernelServices
from swarmlet.network.services.rules import Ground
from tests.network.cluster import Cluster, endpoint, key
from tests.network.kernel import Machine, Namespace, Talk, machine, needs_kernel

pytestmark = [needs_kernel, pytest.mark.slow]

GROUND = Ground(pod_network="10.42.0.0/16", service_network="10.43.0.0/16")
NODE_PORT = ServicePort(name="http", protocol="TCP", port=80, node_port=30080)
HTTP = EndpointPort(name="http", port=8080)
VIP = "10.43.0.1"
TABLE = f"ip {service_rules.TABLE}"


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  a kernel is watched, which tells nobody
            await asyncio.sleep(0.01)


class Bench:
    def __init__(self, made: Machine) -> None:
        self.machine = made
        self.cluster = Cluster()
        self.wanted = DesiredServices(self.cluster.store, "n1")
        self.kernel = KernelServices(self.wanted, GROUND, SystemClock())

    def rules(self) -> str:
        return self.machine.node.run("nft list ruleset")

    def serve(self, *endpoints: Endpoint, port: EndpointPort = HTTP) -> None:
        self.cluster.slice("a", *endpoints, ports=[port])

    async def leads_to(self, *numbers: int) -> None:
        """Wait until the rules lead to these Pods and to no others."""
        wanted = {f"10.42.{number}.2" for number in numbers}
        await until(
            lambda: set(re.findall(r"(10\.42\.\d\.2)(?: \.|:) 8080", self.rules().replace(":", ": "))) == wanted
        )

    async def talk(self) -> Talk:
        return await asyncio.to_thread(self.client.talk, VIP)

    @property
    def client(self) -> Namespace:
        return self.machine.pods["10.42.9.2"]


@contextmanager
def inside(pid: int) -> Iterator[None]:
    """Let this thread, and what it starts, be in the network namespace of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    assert libc.setns(there, 0) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        assert libc.setns(home, 0) == 0
        os.close(home)
        os.close(there)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """One machine, whose kernel's rules this process keeps."""
    with machine() as made, inside(made.node.pid):
        for number in (1, 2):
            made.backend(number)
        made.pod(9)
        found = Bench(made)
        found.cluster.service()
        found.serve(pod(1))
        found.task = asyncio.create_task(found.kernel.run())
        await until(lambda: not found.kernel.error)
        yield found
        found.task.cancel()
        await asyncio.wait([found.task])


def refuses_once(asked: list[bool], told: Callable[[Nftables], bool]) -> Callable[[Nftables], bool]:
    def is_disturbed(kernel: Nftables) -> bool:
        asked.append(True)
        if len(asked) == 1:
            raise TimeoutError("timed out")
        return told(kernel)

    return is_disturbed


def pod(number: int, **conditions: bool) -> Endpoint:
    return endpoint(f"10.42.{number}.2", **conditions)


async def test_a_change_of_the_store_is_soon_in_the_kernel(bench):
    await bench.leads_to(1)
    bench.serve(pod(1), pod(2))
    await bench.leads_to(1, 2)
    bench.cluster.delete(key("web"))
    await bench.leads_to()


@pytest.mark.parametrize(
    "harm",
    [
        "flush ruleset",
        f"delete table {TABLE}",
        f"flush table {TABLE}",
        f"flush chain {TABLE} postrouting",
        f"add chain {TABLE} stranger",
    ],
)
async def test_what_a_stranger_does_to_the_rules_is_undone_within_two_seconds(bench, harm):
    await bench.leads_to(1)
    before = bench.rules()
    bench.machine.nft(harm)
    assert bench.rules() != before
    await until(lambda: bench.rules() == before, seconds=2)


async def test_the_rules_of_others_are_left_alone(bench):
    bench.machine.nft("add table ip another\nadd chain ip another kept")
    bench.machine.nft(f"delete table {TABLE}")
    await bench.leads_to(1)
    assert "chain kept" in bench.rules()


async def test_a_connection_to_a_pod_that_ended_is_reset(bench):
    talk = await bench.talk()
    assert talk.say("hello") == "hello"
    bench.serve(pod(2))
    await bench.leads_to(2)
    await until(lambda: talk.say("still there?") in ("reset", "ended"), seconds=10)


async def test_a_connection_to_a_pod_that_drains_goes_on_and_new_ones_go_elsewhere(bench):
    talk = await bench.talk()
    bench.serve(pod(1, ready=False, serving=True, terminating=True), pod(2))
    await bench.leads_to(2)
    bench.serve(pod(1, ready=False, serving=True, terminating=True), pod(2), pod(3))
    await bench.leads_to(2, 3)  # so the change before is done with
    bench.serve(pod(1, ready=False, serving=True, terminating=True), pod(2))
    await bench.leads_to(2)
    assert talk.say("still there?") == "still there?"
    assert await asyncio.to_thread(bench.client.names, VIP, times=10) == {"p2"}


async def test_a_connection_goes_on_where_another_service_led_to_the_same_pod_and_is_gone(bench):
    also = bench.cluster.service("also", NODE_PORT, cluster_ip="10.43.0.2", type="NodePort")
    bench.cluster.slice("b", pod(1), of="also")
    await until(lambda: "10.43.0.2 . tcp . 80" in bench.rules())
    talk = await bench.talk()
    bench.serve(pod(1, ready=False, serving=True, terminating=True), pod(2))
    await bench.leads_to(1, 2)
    bench.cluster.delete(also)
    await bench.leads_to(2)
    bench.serve(pod(1, ready=False, serving=True, terminating=True), pod(3))
    await bench.leads_to(3)  # so the change before is done with
    assert talk.say("still there?") == "still there?"


async def test_what_a_stranger_did_is_not_taken_for_ours_with_the_next_change(bench, monkeypatch):
    monkeypatch.setattr(kernel_services, "LOOK_SECONDS", 3600)
    await asyncio.sleep(0.6)  # the look that has begun is over
    bench.machine.nft(f"flush chain {TABLE} dispatch")
    bench.serve(pod(2))
    await bench.leads_to(2)
    assert "jump" in bench.rules()
    await until(lambda: "vmap @services" in bench.rules(), seconds=2)


async def test_a_kernel_that_once_does_not_tell_ends_nothing(bench, monkeypatch):
    asked: list[bool] = []
    monkeypatch.setattr(Nftables, "is_disturbed", refuses_once(asked, Nftables.is_disturbed))
    await until(lambda: len(asked) > 1)
    bench.serve(pod(2))
    await bench.leads_to(2)
    assert not bench.task.done()


async def test_datagrams_of_one_sender_leave_a_pod_that_drains_at_once(bench):
    bench.cluster.service("web", ServicePort(name="http", protocol="UDP", port=53))
    port = EndpointPort(name="http", port=8080, protocol="UDP")
    bench.serve(pod(1), port=port)
    await bench.leads_to(1)
    await until(lambda: bench.client.names(VIP, 53, kind="udp", sender=4000) == {"p1"})
    bench.serve(pod(1, ready=False, serving=True, terminating=True), pod(2), port=port)
    await bench.leads_to(2)
    await until(lambda: bench.client.names(VIP, 53, kind="udp", sender=4000) == {"p2"}, seconds=2)


async def test_a_daemon_that_begins_ends_connections_to_pods_that_went_before_its_time(bench):
    talk = await bench.talk()
    bench.task.cancel()
    await asyncio.wait([bench.task])
    bench.serve(pod(2))
    assert talk.say("still there?") == "still there?"
    bench.kernel = KernelServices(bench.wanted, GROUND, SystemClock())
    bench.task = asyncio.create_task(bench.kernel.run())
    await bench.leads_to(2)
    await until(lambda: talk.say("still there?") in ("reset", "ended"))


async def test_a_machine_without_a_default_route_reaches_cluster_ips_too(bench):
    bench.machine.node.run("ip route del default")
    await bench.leads_to(1)
    assert await asyncio.to_thread(bench.machine.node.names, VIP) == {"p1"}


async def test_a_pod_on_the_bridge_reaches_itself_by_its_service(bench, monkeypatch):
    monkeypatch.setattr(kernel_services, "WAYS_SECONDS", 0.05)
    own, other = bench.machine.bridged(7), bench.machine.bridged(8)
    bench.serve(endpoint("10.42.200.7"))
    await until(lambda: "10.42.200.7:8080" in bench.rules())
    await until(lambda: own.ask(VIP) == {"p7 10.42.200.1": 1})
    assert await asyncio.to_thread(other.ask, VIP) == {"p7 10.42.200.8": 1}, "another of the bridge keeps its address"


async def test_a_service_that_cannot_be_rendered_takes_no_other_with_it(bench):
    ranges = {"load_balancer_source_ranges": ("nonsense",)}
    bench.cluster.service("broken", cluster_ip="10.43.0.3", ingress=["192.0.2.1"], type="LoadBalancer", **ranges)
    bench.cluster.slice("b", pod(3), of="broken")
    bench.serve(pod(2))
    await bench.leads_to(2)
    assert not bench.task.done()


async def test_a_service_that_the_kernel_refuses_takes_no_other_with_it(bench, monkeypatch):
    log = structlog.testing.CapturingLogger()
    monkeypatch.setattr(kernel_services, "log", log)
    bench.cluster.service("broken", cluster_ip="no address")
    bench.cluster.service("fine", cluster_ip="10.43.0.2")
    bench.cluster.slice("b", pod(2), of="fine")
    await bench.leads_to(1, 2)
    bench.cluster.slice("b", of="fine")
    await bench.leads_to(1)
    assert "service_not_rendered" in {call.args[0] for call in log.calls}
    assert not bench.kernel.error
