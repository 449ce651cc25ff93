"""Nodes that are network namespaces on one bridge, each with a Pod behind a veth: who reaches whom."""

from __future__ import annotations

import dataclasses
import itertools
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarmlet.model import ip_families
from swarmlet.network.fabric import plan as fabric

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("ip", "bridge", "busybox"))),
        reason="needs root, iproute2 and busybox",
    ),
]


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def add_namespace(name: str) -> None:
    """Make one in which addresses of IPv6 count at once: nobody is asked whether he has the same."""
    ip("netns", "add", name)
    off = [f"net.ipv6.conf.{each}.accept_dad=0" for each in ("all", "default")]
    subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", *off], check=True)


class Node:
    """A machine; in its bridge is a Pod with the third address of its subnet."""

    def __init__(self, prefix: str, number: int, switch: str) -> None:
        subnets = ip_families.subnets(f"10.42.{number}.0/24", "10.42.0.0/16,fd00:10:42::/56")
        self.member = fabric.Member(f"id-{number}", f"192.0.2.{number}", *subnets)
        self.namespace = f"{prefix}n{number}"
        self.pod = f"{prefix}p{number}"
        self.pod_address = f"10.42.{number}.2"
        self.pod_address_v6 = ip_families.with_v6(self.pod_address, self.member.subnet_v6)
        add_namespace(self.namespace)
        ip("-n", switch, "link", "add", f"s{number}", "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        ip("-n", switch, "link", "set", f"s{number}", "master", "lan", "up")
        self.ip("addr", "add", f"{self.member.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            self.ip("link", "set", link, "up")
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def start_pod(self, number: int) -> None:
        add_namespace(self.pod)
        self.ip("link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", self.pod)
        self.ip("link", "set", "veth0", "master", fabric.BRIDGE, "up")
        ip("-n", self.pod, "addr", "add", f"{self.pod_address}/24", "dev", "eth0")
        ip("-n", self.pod, "link", "set", "eth0", "address", f"02:42:0a:2a:0{number}:02", "mtu", "1450", "up")
        ip("-n", self.pod, "route", "add", "default", "via", f"10.42.{number}.1")
        ip("-n", self.pod, "addr", "add", f"{self.pod_address_v6}/64", "dev", "eth0", "nodad")
        gateway = ip_families.with_v6(f"10.42.{number}.1", self.member.subnet_v6)
        ip("-n", self.pod, "route", "add", "default", "via", gateway)

    def ip(self, *arguments: str) -> str:
        return ip("-n", self.namespace, *arguments)

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, *argv], check=True, capture_output=True, text=True, cwd=ROOT
        )
        return done.stdout.strip()

    def apply(self, mode: str, *others: Node) -> str:
        words = [",".join(dataclasses.astuple(each.member)) for each in (self, *others)]
        return self.run(sys.executable, "-m", "tests.network.fabric_node", mode, *words)

    def reaches(self, address: str, size: int = 56, *, tries: int = 1) -> bool:
        """Whether one of so many packets is answered; the first may have to wait until neighbours know each other."""
        ping = ["ip", "netns", "exec", self.pod, "busybox", "ping", "-c1", "-W1", "-s", str(size), address]
        return any(subprocess.run(ping, check=False, capture_output=True).returncode == 0 for _ in range(tries))


class Machines:
    def __init__(self, count: int) -> None:
        self.prefix = f"f{secrets.token_hex(3)}"
        self.switch = f"{self.prefix}sw"
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "lan", "type", "bridge")
        ip("-n", self.switch, "link", "set", "lan", "up")
        self.nodes = [Node(self.prefix, number, self.switch) for number in range(1, count + 1)]

    def apply(self, mode: str) -> list[str]:
        return [node.apply(mode, *(other for other in self.nodes if other is not node)) for node in self.nodes]

    def start_pods(self) -> None:
        for number, node in enumerate(self.nodes, 1):
            node.start_pod(number)

    def all_pairs_meet(self) -> bool:
        return all(
            one.reaches(address, tries=3)
            for one, other in itertools.permutations(self.nodes, 2)
            for address in (other.pod_address, other.pod_address_v6)
        )

    def remove(self) -> None:
        for line in ip("netns", "list").splitlines():
            if line.startswith(self.prefix):
                ip("netns", "del", line.split()[0])


@pytest.fixture
def three() -> Iterator[Machines]:
    machines = Machines(3)
    yield machines
    machines.remove()


@pytest.fixture
def two() -> Iterator[Machines]:
    machines = Machines(2)
    yield machines
    machines.remove()


@pytest.mark.parametrize("mode", ["vxlan", "host-gw"])
def test_every_pod_reaches_every_other(three: Machines, mode: str) -> None:
    three.apply(mode)
    three.start_pods()
    assert three.all_pairs_meet()


@pytest.mark.parametrize("mode", ["vxlan", "host-gw"])
def test_what_is_as_it_should_be_is_left_alone(two: Machines, mode: str) -> None:
    assert "route to 10.42.2.0/24" in two.apply(mode)[0]
    assert two.apply(mode) == ["[]", "[]"]


def test_a_cluster_of_one_family_has_nothing_of_the_other(two: Machines) -> None:
    for node in two.nodes:
        node.member = dataclasses.replace(node.member, subnet_v6="")
    two.apply("vxlan")
    assert "fd00" not in two.nodes[0].ip("addr") + two.nodes[0].ip("-6", "route")


@pytest.mark.parametrize(
    "damage",
    [
        ("link", "del", fabric.VXLAN),
        ("link", "set", fabric.VXLAN, "down"),
        ("route", "del", "10.42.2.0/24"),
        ("route", "del", "fd00:10:42:2::/64"),
        ("neigh", "flush", "dev", fabric.VXLAN, "nud", "permanent"),
        ("addr", "flush", "dev", fabric.BRIDGE),
    ],
    ids=" ".join,
)
def test_what_a_stranger_took_away_is_put_back(two: Machines, damage: tuple[str, ...]) -> None:
    two.apply("vxlan")
    two.start_pods()
    one, other = two.nodes
    one.ip(*damage)
    assert not (one.reaches(other.pod_address) and one.reaches(other.pod_address_v6))
    one.apply("vxlan", other)
    assert two.all_pairs_meet()


def test_the_links_of_pods_are_attached_to_a_bridge_made_anew_and_no_others(two: Machines) -> None:
    two.apply("vxlan")
    two.start_pods()
    one, other = two.nodes
    stranger = f"{two.prefix}x"
    ip("netns", "add", stranger)
    one.ip("link", "add", "theirs", "type", "veth", "peer", "name", "eth0", "netns", stranger)
    one.ip("link", "add", "theirs1", "type", "veth", "peer", "name", "theirs2")
    ip("-n", stranger, "link", "set", "eth0", "address", "02:42:0a:2a:07:02")
    one.ip("link", "del", fabric.BRIDGE)
    assert not one.reaches(other.pod_address)
    assert "attached to" in one.apply("vxlan", other)
    assert two.all_pairs_meet()
    assert "veth0" in one.ip("link", "show", "master", fabric.BRIDGE)
    assert "theirs" not in one.ip("link", "show", "master", fabric.BRIDGE)
    assert one.apply("vxlan", other) == "[]"


def test_rules_see_what_passes_over_the_pods_bridge_and_no_other(two: Machines) -> None:
    one, other = two.nodes
    one.ip("link", "add", "theirs", "type", "bridge")
    one.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
    two.apply("vxlan")
    assert "nf_call_iptables 1 nf_call_ip6tables 1" in one.ip("-d", "link", "show", fabric.BRIDGE)
    assert "nf_call_iptables 0 nf_call_ip6tables 0" in one.ip("-d", "link", "show", "theirs")
    one.ip("link", "set", fabric.BRIDGE, "type", "bridge", "nf_call_iptables", "0")
    assert one.apply("vxlan", other) == "['traffic of swl0 shown to the rules']"
    assert one.apply("vxlan", other) == "[]"
    assert one.run("sysctl", "-n", "net.bridge.bridge-nf-call-iptables") == "0", "the machine's own business"


def test_a_device_that_is_not_as_it_should_be_is_made_anew(two: Machines) -> None:
    one, other = two.nodes
    one.ip("link", "add", fabric.VXLAN, "type", "vxlan", "id", "7", "dstport", "8472", "dev", "eth0")
    two.apply("vxlan")
    two.start_pods()
    assert one.reaches(other.pod_address)


def test_the_largest_packet_of_a_pod_goes_through_whole(two: Machines) -> None:
    two.apply("vxlan")
    two.start_pods()
    one, other = two.nodes
    headers = 28
    assert one.reaches(other.pod_address, 1450 - headers)
    assert "mtu 1450" in one.ip("link", "show", fabric.VXLAN)
    assert "IpFragCreates 0" in one.run("sh", "-c", "nstat -az IpFragCreates | tr -s ' '")


def test_a_node_that_is_gone_leaves_nothing(three: Machines) -> None:
    three.apply("vxlan")
    one, other, gone = three.nodes
    one.apply("vxlan", other)
    seen = (
        one.ip("route")
        + one.ip("-6", "route")
        + one.ip("neigh")
        + one.run("bridge", "fdb", "show", "dev", fabric.VXLAN)
    )
    assert "10.42.2.0" in seen
    assert "fd00:10:42:2::/64" in seen
    assert "10.42.3.0" not in seen
    assert "fd00:10:42:3:" not in seen
    assert gone.member.address not in seen
    assert fabric.mac(gone.member.node_id) not in seen


def test_another_mode_takes_away_what_the_earlier_one_left_and_none_takes_all(two: Machines) -> None:
    one, other = two.nodes
    one.ip("route", "add", "10.42.99.0/24", "via", other.member.address)
    two.apply("vxlan")
    two.apply("host-gw")
    assert fabric.VXLAN not in one.ip("link")
    assert "10.42.2.0/24 via 192.0.2.2 dev eth0" in one.ip("route")
    assert "fd00:10:42:1::a2a:100/128" in one.ip("addr", "show", "dev", "eth0")
    two.apply("vxlan")
    assert "fd00" not in one.ip("addr", "show", "dev", "eth0")
    assert two.apply("vxlan") == ["[]", "[]"], "at once"
    two.apply("host-gw")
    one.run(sys.executable, "-m", "tests.network.fabric_node", "remove")
    assert "10.42.2.0/24" not in one.ip("route")
    assert "fd00:10:42:2::" not in one.ip("-6", "route")
    assert "fd00" not in one.ip("addr", "show", "dev", "eth0")
    assert "10.42.99.0/24 via 192.0.2.2" in one.ip("route"), "somebody else's route"


def test_what_others_own_is_told_and_not_touched(two: Machines) -> None:
    one, other = two.nodes
    one.ip("route", "add", "10.42.2.0/24", "dev", "eth0")
    assert one.apply("vxlan", other) == "error: there is a route to 10.42.2.0/24 that is not ours"
    assert "10.42.2.0/24 dev eth0" in one.ip("route")


def test_a_machine_that_is_itself_in_a_network_of_the_pods_addresses_says_so(two: Machines) -> None:
    one, _ = two.nodes
    check = (sys.executable, "-m", "tests.network.fabric_node", "check-free", "10.42.0.0/16,fd00:10:42::/56")
    two.apply("vxlan")
    one.ip("route", "add", "10.0.0.0/8", "via", "192.0.2.2")
    one.ip("route", "add", "10.32.0.0/11", "dev", "eth0")
    one.ip("route", "add", "default", "via", "192.0.2.2")
    one.ip("route", "add", "unreachable", "10.42.0.0/16")
    assert one.run(*check) == ""
    one.ip("addr", "add", "10.42.99.7/20", "dev", "eth0")
    assert one.run(*check) == (
        "error: this machine is in a network 10.42.96.0/20 (eth0), and Pods have addresses of 10.42.0.0/16: "
        "found the cluster with another network.cluster_cidr, or set network.mode to none"
    )


def test_a_gateway_in_another_network_is_refused_with_what_to_do(two: Machines) -> None:
    one, other = two.nodes
    other.member = fabric.Member("id-2", "198.51.100.2", "10.42.2.0/24")
    assert one.apply("host-gw", other) == (
        "error: 198.51.100.2 is not in this machine's own network: host-gw cannot lead there, vxlan can"
    )
