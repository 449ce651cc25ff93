"""Who may send as whom: in a real kernel, and as members come and go."""

from __future__ import annotations

import ipaddress
import sys
import textwrap

import pytest

from swarmlet.network.fabric import plan as fabric
from swarmlet.network.fabric.plan import BRIDGE, VXLAN_ID
from swarmlet.network.policies import isolation_rules, port_rules
from swarmlet.network.policies.isolation import Isolation
from swarmlet.runtime import pod_links
from tests.network.frames import Ear, speak
from tests.network.kernel import Machine, Namespace, machine, needs_kernel
from tests.network.policies.asked import Policies

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
    def __init__(self, *, guards_ports: bool = False, dual: bool = False) -> None:
        self.cluster = Policies()
        if dual:
            self.cluster.network("10.42.0.0/16,fd00::/16")
            self.cluster.node("n1", OWN, "10.42.7.0/24", "fd00:7::/64")
        else:
            self.cluster.network()
            self.cluster.node("n1", OWN, "10.42.7.0/24")
        self.told = 0
        self.isolation = Isolation(
            self.cluster.store, "n1", status_port=7601, listener=self._note, guards_ports=guards_ports
        )

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
    """A machine whose Pods hang on its bridge, "a" at 10.42.7.2 and "b" at 10.42.7.3, as an Engine attaches them."""

    def __init__(self, made: Machine) -> None:
        self.machine = made
        made.node.run(f"ip link add {BRIDGE} type bridge && ip addr add 10.42.7.1/24 dev {BRIDGE}")
        made.node.run(f"ip link set {BRIDGE} address {fabric.mac('bridge id-n1')} up")
        self.bench = made.node.inside(lambda: Bench(guards_ports=True))
        self.settle({"a": "10.42.7.2", "b": "10.42.7.3"})
        self.a, self.b = self.pod("pa", "10.42.7.2"), self.pod("pb", "10.42.7.3")
        self.settle({"a": "10.42.7.2", "b": "10.42.7.3"})

    def settle(self, given: dict[str, str]) -> None:
        self.bench.isolation.settle(given)
        self.machine.nft(self.bench.isolation.whole())

    def pod(self, link: str, address: str, mac: str = "") -> Namespace:
        made = Namespace()
        self.machine.pods[link] = made
        self.machine.node.run(f"ip link add {link} type veth peer name eth0 netns {made.pid}")
        self.machine.node.run(f"ip link set {link} master {BRIDGE} up")
        made.run(f"ip link set eth0 address {mac or pod_links.mac(address)} && ip addr add {address}/24 dev eth0")
        made.run("ip link set eth0 up && ip route add default via 10.42.7.1")
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
    bridged.machine.node.run("nft flush ruleset")
    server = bridged.b.start(sys.executable, "-c", SERVE_IPV6)
    assert server.stdout
    assert server.stdout.readline() == "serving\n"
    bridged.a.run(f"{sys.executable} -", ASK_IPV6)
    bridged.settle({"a": "10.42.7.2", "b": "10.42.7.3"})
    with pytest.raises(AssertionError, match="TimeoutError"):
        bridged.a.run(f"{sys.executable} -", ASK_IPV6)


ASK_OVERLAY = textwrap.dedent(
    """
    import socket, sys
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(1)
        peer.connect(("192.0.2.1", 4789))
        peer.send(bytes([8, 0, 0, 0]) + int(sys.argv[1]).to_bytes(3, "big") + bytes(1))
        try:
            print(peer.recv(4096).decode().strip())
        except TimeoutError:
            print("silence")
    """
)


def ask_overlay(sender: Namespace, vni: int = VXLAN_ID) -> str:
    return sender.run(f"{sys.executable} - {vni}", ASK_OVERLAY).strip()


@needs_kernel
@pytest.mark.slow
def test_the_overlay_takes_packets_of_members_alone_and_pods_do_not_ask_for_the_state(bridged: Bridged) -> None:
    node, outside = bridged.machine.node, bridged.machine.outside
    node.serve("overlay", 4789)
    node.serve("status", 7601)
    node.serve("control", 7600)
    assert ask_overlay(outside) == ask_overlay(bridged.a) == ask_overlay(bridged.a, 1) == "silence"
    assert ask_overlay(outside, 1) == f"overlay {STRANGER}", "somebody else's overlay"
    assert bridged.a.ask(OWN, 7601) == {"silence": 1}
    assert outside.ask(OWN, 7601) == {f"status {STRANGER}": 1}
    assert bridged.a.ask(OWN, 7600) == {"control 10.42.7.2": 1}, "the API is there"
    outside.serve("other", 7601)
    assert bridged.a.ask(STRANGER, 7601) == {"other 10.42.7.2": 1}, "somebody else's port"
    bridged.bench.cluster.node("n2", STRANGER, "10.42.8.0/24")
    bridged.settle({"a": "10.42.7.2"})
    assert ask_overlay(outside) == f"overlay {STRANGER}"
    assert bridged.a.ask(STRANGER, 7601) == {"silence": 1}
    assert isolation_rules.TABLE in node.run("nft list tables inet")


@needs_kernel
@pytest.mark.slow
def test_strangers_do_not_send_as_pods(bridged: Bridged) -> None:
    bridged.b.serve("b")
    outside = bridged.machine.outside
    outside.run("ip addr add 10.42.8.7/32 dev eth0 && ip route add 10.42.7.0/24 via 192.0.2.1 src 10.42.8.7")
    bridged.machine.node.run("ip route add 10.42.8.0/24 via 192.0.2.99")
    assert outside.ask("10.42.7.3", 8080) == {"b 10.42.8.7": 1}, "that is the way to this Pod"
    bridged.machine.node.run("ip link add other type bridge && ip link set other up")
    outside.ask("10.42.7.3", 8080, kind="udp")
    bridged.machine.node.run("ip route replace 10.42.8.0/24 dev other")
    outside.ask("10.42.7.3", 8080, kind="udp")
    assert "UdpInDatagrams                  1 " in bridged.b.run("nstat -asz UdpInDatagrams"), "the first came"


MAC_A, MAC_B, GATEWAY_MAC = pod_links.mac("10.42.7.2"), pod_links.mac("10.42.7.3"), fabric.mac("bridge id-n1")


@needs_kernel
@pytest.mark.slow
def test_a_pod_cannot_pass_for_another_of_its_node_nor_for_the_node(bridged: Bridged) -> None:
    ear = Ear(bridged.machine.node, BRIDGE)
    for address in ("10.42.7.3", "10.42.7.1", "10.42.7.77", "198.51.100.7"):
        speak(bridged.a, MAC_A, MAC_A, address, "arp")
        speak(bridged.a, MAC_A, MAC_A, address, "ip")
    for mac in (MAC_B, GATEWAY_MAC, "02:00:00:00:00:09"):
        speak(bridged.a, mac, MAC_A, "10.42.7.2", "arp")
        speak(bridged.a, mac, mac, "10.42.7.2", "ip")
        speak(bridged.a, mac, mac, "10.42.7.2", "arp")
        speak(bridged.a, MAC_A, mac, "10.42.7.2", "arp")
        speak(bridged.a, mac, mac, "10.42.7.3", "ip")
    expected = [speak(bridged.a, MAC_A, MAC_A, "10.42.7.2", kind) for kind in ("arp", "ip")]
    expected.append(speak(bridged.a, MAC_A, MAC_A, "0.0.0.0", "arp"))
    assert [ear.heard() for _ in range(3)] == expected, "nothing but what is its own has come through"


@needs_kernel
@pytest.mark.slow
def test_before_its_port_is_known_a_pod_is_nobody_else_already(bridged: Bridged) -> None:
    bridged.settle({"a": "10.42.7.2", "b": "10.42.7.3", "c": "10.42.7.4"})
    mac_c = pod_links.mac("10.42.7.4")
    starting = bridged.pod("pc", "10.42.7.4")
    ear = Ear(bridged.machine.node, BRIDGE)
    for mac, address in ((MAC_B, "10.42.7.3"), (mac_c, "10.42.7.3"), (MAC_B, "10.42.7.4"), (GATEWAY_MAC, "10.42.7.1")):
        speak(starting, mac, mac, address, "arp")
        speak(starting, mac, mac, address, "ip")
    speak(starting, MAC_B, MAC_B, "198.51.100.7", "arp")
    speak(starting, "02:00:00:00:00:09", mac_c, "10.42.7.4", "arp")
    speak(starting, mac_c, "02:00:00:00:00:09", "10.42.7.4", "arp")
    expected = [speak(starting, mac_c, mac_c, "10.42.7.4", kind) for kind in ("arp", "ip")]
    assert [ear.heard() for _ in range(2)] == expected
    bridged.b.serve("b")
    assert starting.ask("10.42.7.3", 8080) == {"b 10.42.7.4": 1}, "its first packets pass"


@needs_kernel
@pytest.mark.slow
def test_nothing_comes_from_a_port_of_nobody_nor_from_a_second_one_that_looks_the_same(bridged: Bridged) -> None:
    bridged.b.serve("b")
    late = bridged.pod("pz", "10.42.7.2", MAC_A)
    bridged.settle({"a": "10.42.7.2", "b": "10.42.7.3"})
    ear = Ear(bridged.machine.node, BRIDGE)
    speak(late, MAC_A, MAC_A, "10.42.7.2", "arp")
    mine = speak(bridged.a, MAC_A, MAC_A, "10.42.7.2", "arp")
    assert ear.heard() == mine
    assert bridged.a.ask("10.42.7.3", 8080) == {"b 10.42.7.2": 1}
    bridged.machine.node.run("ip link del pa")
    bridged.settle({"a": "10.42.7.2", "b": "10.42.7.3"})
    assert late.ask("10.42.7.3", 8080) == {"b 10.42.7.2": 1}, "its container was restarted: that is its link now"


@needs_kernel
@pytest.mark.slow
def test_what_a_pod_calls_its_link_later_is_of_no_account(bridged: Bridged) -> None:
    bridged.a.run(f"ip link set eth0 address {MAC_B}")
    bridged.b.run(f"ip link set eth0 address {MAC_A}")
    bridged.settle({"a": "10.42.7.2", "b": "10.42.7.3"})
    ear = Ear(bridged.machine.node, BRIDGE)
    speak(bridged.a, MAC_B, MAC_B, "10.42.7.3", "arp")
    mine = speak(bridged.a, MAC_A, MAC_A, "10.42.7.2", "arp")
    assert ear.heard() == mine


@needs_kernel
@pytest.mark.slow
def test_with_addresses_of_both_families_a_pod_has_its_own_alone(bridged: Bridged) -> None:
    bridged.bench = bridged.machine.node.inside(lambda: Bench(guards_ports=True, dual=True))
    bridged.machine.node.run(f"ip addr add fd00:7::1/64 dev {BRIDGE} nodad")
    for pod, address, mac in ((bridged.a, "10.42.7.2", MAC_A), (bridged.b, "10.42.7.3", MAC_B)):
        pod.run(f"ip -6 addr flush dev eth0 && ip addr add fd00:7::{address}/64 dev eth0 nodad")
        pod.run(f"ip addr add {pod_links.link_local(mac)}/64 dev eth0 nodad")
    bridged.settle({"a": "10.42.7.2", "b": "10.42.7.3"})
    server = bridged.b.start(sys.executable, "-c", SERVE_IPV6)
    assert server.stdout
    assert server.stdout.readline() == "serving\n"
    ask = "import socket, sys; socket.create_connection((sys.argv[1], 8080), 1, (sys.argv[2], 0))"
    bridged.a.run(f"exec {sys.executable} - fd00:7::10.42.7.3 fd00:7::10.42.7.2", ask)
    ask_near = "import socket, sys; socket.create_connection((sys.argv[1], 8080), 1)"
    bridged.a.run(f"exec {sys.executable} - {pod_links.link_local(MAC_B)}%eth0", ask_near)
    bridged.a.run("ip addr add fd00:7::77/64 dev eth0 nodad")
    with pytest.raises(AssertionError, match=r"TimeoutError|No route to host"):
        bridged.a.run(f"exec {sys.executable} - fd00:7::10.42.7.3 fd00:7::77", ask)
    ear = Ear(bridged.machine.node, BRIDGE)
    own, link = "fd00:7::10.42.7.2", str(pod_links.link_local(MAC_A))
    for told in (f"{own},fd00:7::10.42.7.3", f"{link},fd00:7::1", f"fd00:7::10.42.7.3,{own}"):
        speak(bridged.a, MAC_A, MAC_A, told, "nd")
    expected = [speak(bridged.a, MAC_A, MAC_A, f"{link},{each}", "nd") for each in (own, link)]
    assert [[*each[:3], *(str(ipaddress.ip_address(word)) for word in each[3:])] for each in expected] == [
        ear.heard() for _ in range(2)
    ]


@needs_kernel
@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        f"delete table {isolation_rules.FAMILY} {isolation_rules.TABLE}",
        f"flush chain {isolation_rules.FAMILY} {isolation_rules.TABLE} to-others",
        f"add element {isolation_rules.FAMILY} {isolation_rules.TABLE} pods {{ 10.42.7.77 }}",
        f"delete table {port_rules.FAMILY} {port_rules.TABLE}",
        f"flush map {port_rules.FAMILY} {port_rules.TABLE} ports",
    ],
)
def test_a_stranger_at_these_tables_alone_is_noticed(bridged: Bridged, damage: str) -> None:
    isolation = bridged.bench.isolation
    isolation.note_applied()
    assert not isolation.is_disturbed()
    bridged.machine.node.run("nft add table ip another")
    assert not isolation.is_disturbed()
    bridged.machine.nft(damage)
    assert isolation.is_disturbed()


ADVERTISE_ROUTER = """
import socket
door = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
door.sendto(bytes.fromhex("86000000 40000708 00000000 00000000"), ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
"""


@needs_kernel
@pytest.mark.slow
def test_a_pod_is_no_router_of_its_machine_also_where_ports_are_not_guarded(bridged: Bridged) -> None:
    node = bridged.machine.node
    node.run(f"nft flush ruleset && sysctl -qw net.ipv6.conf.{BRIDGE}.accept_ra=2")
    learned = f"ip -6 route show proto ra dev {BRIDGE}"
    bridged.a.run(f"{sys.executable} - && sleep 0.1", ADVERTISE_ROUTER)
    assert "default" in node.run(learned)
    node.run(f"ip -6 route del default dev {BRIDGE}")
    bridged.bench = node.inside(lambda: Bench(dual=True))
    bridged.settle({"a": "10.42.7.2", "b": "10.42.7.3"})
    bridged.a.run(f"{sys.executable} - && sleep 0.1", ADVERTISE_ROUTER)
    assert node.run(learned) == ""
