"""Services of both families on one node, in a real kernel: by its rules, and by the proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from swarmlet.clock import SystemClock
from swarmlet.config import Network
from swarmlet.model import kinds, objects
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.node_subnets import THE_CLUSTER, ClusterNetwork
from swarmlet.model.services import EndpointPort, ServicePort
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.node import ServiceNetwork
from swarmlet.store.commands import Key, Put
from tests.network.cluster import Cluster, endpoint
from tests.network.kernel import Machine, machine, needs_kernel
from tests.network.services.test_kernel_services import inside, until

pytestmark = [needs_kernel, pytest.mark.slow]

VIPS = ("10.43.0.1", "fd00:10:43::1")
PORTS = (
    ServicePort(name="http", protocol="TCP", port=80, node_port=30080),
    ServicePort(name="dns", protocol="UDP", port=53),
)
SLICE_PORTS = (EndpointPort(name="http", port=8080), EndpointPort(name="dns", protocol="UDP", port=8080))


class World:
    """A machine with two Pods that serve and one that asks, and the Service "web" of both families."""

    def __init__(self, made: Machine) -> None:
        self.machine = made
        self.cluster = Cluster()
        for number in (1, 2):
            made.backend(number)
        self.client = made.pod(9)
        made.node.run("ip link add swl0 type bridge && ip link set swl0 up")
        self.cluster.service("web", *PORTS, type="NodePort", cluster_ip=VIPS[0], cluster_ips=VIPS)
        for family, address in (("v4", "10.42.{}.2"), ("v6", "fd00:10:42:{}::2")):
            found = (endpoint(address.format(number)) for number in (1, 2))
            self.cluster.slice(family, *found, ports=SLICE_PORTS)

    @property
    def view(self) -> object:
        return self.cluster.store

    async def linearize(self) -> None:
        """Take it that the store is as it should be."""

    def found(self, cluster_cidr: str) -> None:
        network = ClusterNetwork(metadata=ObjectMeta(name=THE_CLUSTER), cluster_cidr=cluster_cidr)
        self.cluster.apply(Put(Key(kinds.CLUSTER_NETWORK.resource, "", THE_CLUSTER), objects.to_json(network)))

    async def names(self, address: str, port: int = 80, kind: str = "tcp", *, outside: bool = False) -> set[str]:
        asks = self.machine.outside if outside else self.client
        return await asyncio.to_thread(asks.names, address, port, kind=kind, times=8)


@pytest.fixture
def world():
    with machine() as made, inside(made.node.pid):
        yield World(made)


@pytest.fixture
async def serving(world: World, way: str) -> AsyncIterator[World]:
    network = ServiceNetwork(
        replica=world, node_name="n1", config=Network(services=way), own_addresses=(), clock=SystemClock()
    )
    task = asyncio.create_task(network.run())
    yield world
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("way", ["nftables", "userspace"])
async def test_both_families_are_served_once_the_cluster_is_known_to_have_them(serving: World, way: str) -> None:
    serving.found("10.42.0.0/16,fd00:10:42::/56")
    node = serving.machine.node
    if way == "nftables":
        await until(lambda: "fd00:10:42:1::2" in node.run("nft list ruleset"))
    else:
        await until(lambda: f"[{VIPS[1]}]:80" in node.run("ss -Hltn") and f"[{VIPS[1]}]:53" in node.run("ss -Hlun"))
    for vip in VIPS:
        assert await serving.names(vip) == {"p1", "p2"}
        assert await serving.names(vip, 53, "udp") <= {"p1", "p2"}
    assert await serving.names("2001:db8::1", 30080, outside=True) == {"p1", "p2"}


@pytest.mark.parametrize("way", ["nftables"])
async def test_a_cluster_of_one_family_has_no_rules_of_the_other(serving: World) -> None:
    serving.found("10.42.0.0/16")
    await until(lambda: "10.42.1.2" in serving.machine.node.run("nft list ruleset"))
    await asyncio.sleep(0)
    assert "ip6" not in serving.machine.node.run("nft list tables")


@pytest.mark.parametrize("way", ["nftables"])
async def test_a_connection_to_an_endpoint_of_ipv6_that_is_gone_is_reset(serving: World) -> None:
    serving.found("10.42.0.0/16,fd00:10:42::/56")
    await until(lambda: f"table ip6 {service_rules.TABLE}" in serving.machine.node.run("nft list tables"))
    await until(lambda: "fd00:10:42:1::2" in serving.machine.node.run("nft list ruleset"))
    talk = await asyncio.to_thread(serving.client.talk, VIPS[1])
    own = {"p1": 1, "p2": 2}[talk.peer.split()[0]]
    left = endpoint(f"fd00:10:42:{3 - own}::2")
    serving.cluster.slice("v6", left, ports=SLICE_PORTS)
    await until(lambda: f"fd00:10:42:{own}::2" not in serving.machine.node.run("nft list ruleset"))
    await asyncio.sleep(0.1)
    assert await asyncio.to_thread(talk.say, "still there?") == "reset"
