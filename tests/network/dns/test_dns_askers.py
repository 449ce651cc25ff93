"""Whom a node's DNS answers."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from swarmlet.network.dns import askers as dns_askers
from swarmlet.network.dns.askers import KNOWN_MAX, Askers
from tests.network.dns.test_dns_server import HERE, WEB, Bench
from tests.network.kernel import machine, needs_kernel
from tests.network.policies.asked import Policies

LOCAL = frozenset(map(ipaddress.ip_network, ("127.0.0.0/8", "172.17.0.0/16", "192.0.2.1/32")))


def cluster() -> Policies:
    found = Policies()
    found.network("10.42.0.0/16,fd00:10:42::/56")
    found.node("n1", "192.0.2.1", "10.42.7.0/24")
    found.node("n2", "192.0.2.2", "10.42.8.0/24")
    return found


def test_the_machine_its_containers_and_the_clusters_pods_and_machines_are_answered_and_nobody_else() -> None:
    askers = Askers()
    assert not askers.admits("127.0.0.1"), "before anything is known"
    askers.take(LOCAL, cluster().store)
    ours = ("127.0.0.1", "127.42.0.9", "172.17.0.5", "192.0.2.1", "192.0.2.2", "10.42.99.7", "fd00:10:42:8::1")
    assert all(map(askers.admits, ours))
    assert not any(map(askers.admits, ("192.0.2.99", "8.8.8.8", "10.43.0.9", "2001:db8::1")))


def test_who_has_joined_is_answered() -> None:
    askers, found = Askers(), cluster()
    askers.take(LOCAL, found.store)
    assert not askers.admits("192.0.2.3")
    found.node("n3", "192.0.2.3", "10.42.9.0/24")
    askers.take(LOCAL, found.store)
    assert askers.admits("192.0.2.3")


def test_a_flood_of_strangers_is_not_remembered() -> None:
    askers = Askers()
    askers.take(LOCAL, cluster().store)
    for number in range(2 * KNOWN_MAX + 1):
        assert not askers.admits(str(ipaddress.IPv4Address("8.0.0.0") + number))
    assert len(askers._known) <= KNOWN_MAX
    assert askers.admits("172.17.0.5")


@needs_kernel
@pytest.mark.slow
def test_bridges_are_the_containers_unless_the_machine_itself_is_on_one() -> None:
    with machine() as made:
        made.node.run("ip link add docker0 type bridge && ip addr add 172.17.0.1/16 dev docker0")
        made.node.run("ip link add br0 type bridge && ip addr add 198.51.100.1/24 dev br0")
        found = made.node.inside(lambda: dns_askers.local_networks(frozenset({"198.51.100.1"})))
        assert {str(each) for each in found} == {"127.0.0.0/8", "172.17.0.0/16", "198.51.100.1/32", "192.0.2.1/32"}


async def test_a_stranger_hears_nothing_over_udp_and_tcp() -> None:
    async with Bench() as bench:
        assert await bench.ask(WEB)
        bench.server._admits = lambda source: source != HERE
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await bench.ask(WEB)
        with pytest.raises((OSError, EOFError)):
            await bench.ask(WEB, tcp=True)
        assert bench.counts.dropped == {"stranger": 2}
