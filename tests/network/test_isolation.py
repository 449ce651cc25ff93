"""Who may send as whom: in a real kernel, and as members come and go."""

from __future__ import annotations

import sys

import pytest

from swarmlet.network import isolation_rules
from swarmlet.network.fabric import BRIDGE
from swarmlet.network.isolation import Isolation, removal
from tests.network.kernel import Machine, Namespace, machine, needs_kernel
from tests.network.policies import Policies

OWN, STRANGER = "192.0.2.1", "192.0.2.99"
SERVE_IPV6 = """
import socket
door = socket.create_server(("::", 8080), family=socket.AF_INET6)
print("serving", flush=True)
while True:
    door.accept()
"""
ASK_IPV6 = "import socket; socket.create_connection(('fd00::3', 8080), 1)"


class Bench:
    def __init__(self) -> None:
        self.cluster = Policies()
        self.cluster.network()
        self.cluster.node("n1", OWN, "10.42.7.0/24")
        self.told = 0
        self.isolation = Isolation(self.cluster.store, status_port=7601, listener=self._note)

    def _note(self) -> None:
        self.told += 1


def test_members_and_pods_that_come_and_go_are_a_line_each() -> None:
    bench = Bench()
    bench.isolation.settle({})
    assert bench.isolation.settle({"a": "10.42.7.2"}) == ("add element inet swarmlet-isolation pods { 10.42.7.2 }\n")
    assert bench.isolation.settle({"b": "10.42.7.2"}) == ""
    assert bench.isolation.settle({"b": "10.42.7.3"}).splitlines() == [
        "delete element inet swarmlet-isolation pods { 10.42.7.2 }",
        "add element inet swarmlet-isolation pods { 10.42.7.3 }",
    ]
    told = bench.told
    bench.cluster.node("n2", "192.0.2.2", "10.42.8.0/24")
    assert bench.told > told
    assert bench.isolation.settle({"b": "10.42.7.3"}) == ("add element inet swarmlet-isolation members { 192.0.2.2 }\n")


class Bridged:
    """A machine whose Pods hang on its bridge, "a" at 10.42.7.2 and "b" at 10.42.7.3."""

    def __init__(self, made: Machine) -> None:
        self.machine = made
        made.node.run(f"ip link add {BRIDGE} type bridge && ip addr add 10.42.7.1/24 dev {BRIDGE}")
        made.node.run(f"ip link set {BRIDGE} up")
        self.a, self.b = self._pod("pa", "10.42.7.2"), self._pod("pb", "10.42.7.3")
        self.bench = Bench()
        self.settle({"a": "10.42.7.2", "b": "10.42.7.3"})

    def settle(self, given: dict[str, str]) -> None:
        self.bench.isolation.settle(given)
        self.machine.nft(self.bench.isolation.whole())

    def _pod(self, link: str, address: str) -> Namespace:
        made = Namespace()
        self.machine.pods[address] = made
        self.machine.node.run(f"ip link add {link} type veth peer name eth0 netns {made.pid}")
        self.machine.node.run(f"ip link set {link} master {BRIDGE} up")
        made.run(f"ip addr add {address}/24 dev eth0 && ip link set eth0 up && ip route add default via 10.42.7.1")
        return made


@pytest.fixture
def bridged():
    with machine() as made:
        yield Bridged(made)


@needs_kernel
@pytest.mark.slow
def test_a_pod_sends_from_its_address_and_from_no_other(bridged: Bridged) -> None:
    bridged.b.serve("b")
    bridged.machine.outside.serve("outside")
    assert bridged.a.ask("10.42.7.3", 8080) == {"b 10.42.7.2": 1}
    assert bridged.a.ask(STRANGER, 8080) == {"outside 10.42.7.2": 1}
    bridged.a.run("ip addr add 10.42.7.66/24 dev eth0 && ip addr add 198.51.100.7/32 dev eth0")
    for source in ("10.42.7.66", "198.51.100.7"):
        bridged.a.run(f"ip route replace 10.42.7.3 dev eth0 src {source}")
        bridged.a.run(f"ip route replace {STRANGER} via 10.42.7.1 src {source}")
        assert bridged.a.ask("10.42.7.3", 8080) in ({"silence": 1}, {"[Errno 113] No route to host": 1}), source
        assert bridged.a.ask(STRANGER, 8080) in ({"silence": 1}, {"[Errno 113] No route to host": 1}), source


@needs_kernel
@pytest.mark.slow
def test_pods_do_not_reach_each_other_by_ipv6(bridged: Bridged) -> None:
    bridged.a.run("ip -6 addr add fd00::2/64 dev eth0 nodad")
    bridged.b.run("ip -6 addr add fd00::3/64 dev eth0 nodad")
    bridged.machine.nft(removal())
    server = bridged.b.start(sys.executable, "-c", SERVE_IPV6)
    assert server.stdout
    assert server.stdout.readline() == "serving\n"
    bridged.a.run(f"{sys.executable} -", ASK_IPV6)
    bridged.settle({"a": "10.42.7.2", "b": "10.42.7.3"})
    with pytest.raises(AssertionError, match="TimeoutError"):
        bridged.a.run(f"{sys.executable} -", ASK_IPV6)


@needs_kernel
@pytest.mark.slow
def test_the_overlay_takes_packets_of_members_alone_and_pods_do_not_ask_for_the_state(bridged: Bridged) -> None:
    node, outside = bridged.machine.node, bridged.machine.outside
    node.serve("overlay", 4789)
    node.serve("status", 7601)
    node.serve("control", 7600)
    assert outside.ask(OWN, 4789, kind="udp") == {"silence": 1}
    assert bridged.a.ask(OWN, 4789, kind="udp") == {"silence": 1}
    assert bridged.a.ask(OWN, 7601) == {"silence": 1}
    assert outside.ask(OWN, 7601) == {f"status {STRANGER}": 1}
    assert bridged.a.ask(OWN, 7600) == {"control 10.42.7.2": 1}, "the API is there"
    outside.serve("other", 7601)
    assert bridged.a.ask(STRANGER, 7601) == {"other 10.42.7.2": 1}, "somebody else's port"
    bridged.bench.cluster.node("n2", STRANGER, "10.42.8.0/24")
    bridged.settle({"a": "10.42.7.2"})
    assert outside.ask(OWN, 4789, kind="udp") == {f"overlay {STRANGER}": 1}
    assert bridged.a.ask(STRANGER, 7601) == {"silence": 1}
    assert isolation_rules.TABLE in node.run("nft list tables inet")
