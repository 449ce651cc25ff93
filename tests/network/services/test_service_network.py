"""Services on one node, from its configuration on, in a real kernel."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from pyroute2 import IPRoute

from swarmlet.clock import SystemClock
from swarmlet.config import Network
from swarmlet.errors import UnavailableError
from swarmlet.model.services import EndpointPort, ServicePort
from swarmlet.network.dns import device
from swarmlet.network.services import node as service_network
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services import ways
from swarmlet.network.services.node import ServiceNetwork
from tests.network.cluster import Cluster, endpoint
from tests.network.kernel import machine, needs_kernel
from tests.network.services.test_kernel_services import inside, until

pytestmark = [needs_kernel, pytest.mark.slow]


class Replica:
    """Consensus of a daemon that has just begun: the store is behind until it is said to have caught up."""

    def __init__(self, cluster: Cluster) -> None:
        self.view = cluster.store
        self.has_caught_up = asyncio.Event()
        self.asked = 0

    async def linearize(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise UnavailableError("no quorum")
        await self.has_caught_up.wait()


@pytest.fixture
def node():
    with machine() as made, inside(made.node.pid):
        yield made.node


def serving(replica: Replica, services: str) -> asyncio.Task[None]:
    return asyncio.create_task(made(replica, services).run())


def made(replica: Replica, services: str) -> ServiceNetwork:
    return ServiceNetwork(
        replica=replica,
        node_name="n1",
        config=Network(services=services, cluster_cidr="10.50.0.0/16"),
        own_addresses=["0.0.0.0:7600"],
        clock=SystemClock(),
    )


async def test_what_an_earlier_daemon_left_stays_until_this_one_has_caught_up(node, monkeypatch):
    monkeypatch.setattr(service_network, "RETRY_SECONDS", 0.01)
    node.run(f"nft add table ip {service_rules.TABLE}; nft add chain ip {service_rules.TABLE} earlier")
    cluster = Cluster()
    replica = Replica(cluster)
    task = serving(replica, "nftables")
    await until(lambda: replica.asked == 2)
    assert "chain earlier" in node.run("nft list ruleset")
    cluster.service()
    cluster.slice("a", endpoint("10.50.0.2"))
    replica.has_caught_up.set()
    await until(lambda: "dnat to 10.50.0.2:8080" in node.run("nft list ruleset"))
    assert "chain earlier" not in (rules := node.run("nft list ruleset"))
    assert "ip saddr != 10.50.0.0/16" in rules
    task.cancel()
    await asyncio.wait([task])
    assert "dnat to 10.50.0.2:8080" in node.run("nft list ruleset"), "traffic goes on without the daemon"


async def test_turned_off_it_takes_away_what_there_was_and_nothing_else(node):
    node.run(f"nft add table ip {service_rules.TABLE}; nft add table ip another")
    await asyncio.to_thread(ways.lay, "10.43.0.0/16", "swl0")
    assert "10.43.0.0/16" in node.run("ip route")
    task = serving(Replica(Cluster()), "off")
    await until(lambda: node.run("nft list tables").split("\n") == ["table ip another", ""])
    await until(lambda: "10.43.0.0/16" not in node.run("ip route"))
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_a_route_of_somebody_elses_stays_and_is_told(node):
    node.run("ip link add site type bridge; ip link set site up; ip route add 10.43.0.0/16 dev site")
    told = await asyncio.to_thread(ways.lay, "10.43.0.0/16", "swl0")
    assert "is routed elsewhere" in told
    assert "10.43.0.0/16 dev site" in node.run("ip route")
    node.run("ip route del 10.43.0.0/16")
    assert [await asyncio.to_thread(ways.lay, "10.43.0.0/16", "swl0") for _ in range(2)] == ["", ""]


async def test_no_service_takes_the_port_of_the_pod_network(node):
    cluster = Cluster()
    replica = Replica(cluster)
    replica.has_caught_up.set()
    taken = [ServicePort(name=f"p{port}", protocol="UDP", port=port) for port in (4789, 4790)]
    cluster.service("greedy", *taken, type="LoadBalancer", ingress=("192.0.2.1",))
    cluster.slice("a", endpoint("10.50.0.2"), of="greedy", ports=[EndpointPort(name="p4789", protocol="UDP", port=1)])
    task = serving(replica, "nftables")
    await until(lambda: "udp . 4790" in node.run("nft list ruleset"))
    assert "udp . 4789" not in node.run(f"nft list map ip {service_rules.TABLE} {service_rules.NODE_PORTS}")
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("services", ["nftables", "userspace"])
async def test_a_machine_that_stands_where_services_have_addresses_is_not_cut_off(node, monkeypatch, services):
    monkeypatch.setattr(service_network, "LOOK_SECONDS", 0.05)
    node.run("ip link add site type bridge; ip link set site up; ip addr add 10.43.5.7/24 dev site")
    cluster = Cluster()
    cluster.service()
    replica = Replica(cluster)
    replica.has_caught_up.set()
    network = made(replica, services)
    task = asyncio.create_task(network.run())
    await until(lambda: "this machine has the address 10.43.5.7" in network.error)
    assert service_rules.TABLE not in node.run("nft list tables")
    assert "10.43.5.9 dev site" in node.run("ip route get 10.43.5.9")
    node.run("ip addr del 10.43.5.7/24 dev site")
    await until(lambda: "10.43.0.0/16 dev lo" in node.run("ip route show table all"))
    await until(lambda: not network.error)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("afterwards", ["", f"ip link del {device.NAME}"])
def test_the_device_that_dns_comes_and_goes_with_is_in_nobodys_way(node, monkeypatch, afterwards):
    @contextmanager
    def kernel():
        """One in which the device comes when addresses are asked for, and may be gone right after."""

        def get_addr(family):
            node.run(f"ip link add {device.NAME} type bridge; ip addr add 10.43.0.10/32 dev {device.NAME}")
            found = list(real.get_addr(family))
            node.run(afterwards or "true")
            return found

        with IPRoute() as real:
            yield SimpleNamespace(get_addr=get_addr, get_links=real.get_links, link_lookup=real.link_lookup)

    monkeypatch.setattr(ways, "IPRoute", kernel)
    assert ways.in_the_way("10.43.0.0/16") == ""
