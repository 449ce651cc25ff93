"""The rules of Services for IPv6 in a real kernel: what a client sees."""

from __future__ import annotations

import pytest

from swarmlet.model.services import ClientIPConfig, EndpointPort, ServicePort, SessionAffinityConfig
from swarmlet.network.ruleset import NOTHING, Table
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.desired import DesiredServices
from swarmlet.network.services.rules import Ground
from tests.network.cluster import Cluster, endpoint
from tests.network.kernel import Machine, machine, needs_kernel

pytestmark = [needs_kernel, pytest.mark.slow]

GROUND = Ground(pod_network="fd00:10:42::/56", service_network="fd00:10:43::/112")
VIP = "fd00:10:43::1"
BOTH = {"cluster_ip": "10.43.0.1", "cluster_ips": ("10.43.0.1", VIP)}
HTTP = ServicePort(name="http", port=80, node_port=30080)


class Bench:
    """A machine whose kernel follows a store, for IPv6 alone."""

    def __init__(self, made: Machine) -> None:
        self.machine = made
        self.cluster = Cluster()
        self.wanted = DesiredServices(self.cluster.store, "n1", "IPv6")
        self.table = Table(service_rules.TABLE, service_rules.base(GROUND), family=GROUND.words.ip)
        made.node.run("ip link add swl0 type bridge && ip link set swl0 up && ip route add fd00:10:43::/112 dev swl0")
        made.nft(self.table.whole())
        for number in (1, 2):
            made.backend(number)
        self.client = made.pod(9)

    def serve(self, *endpoints, ports=(), service_ports=(HTTP,), **spec: object) -> None:
        self.cluster.service("web", *service_ports, **(BOTH | spec))
        self.cluster.slice("v4", endpoint("10.42.7.2"), ports=ports)
        self.cluster.slice("v6", *endpoints, ports=ports)
        found = {each: self.wanted.get(each) for each in self.wanted.all_keys()}
        changes = {each: service_rules.render(told, GROUND) if told else NOTHING for each, told in found.items()}
        self.machine.nft(self.table.update(changes))


@pytest.fixture
def bench():
    with machine() as made:
        yield Bench(made)


def pod(number: int, node: str = "n1", **conditions):
    return endpoint(f"fd00:10:42:{number}::2", node, **conditions)


def test_a_cluster_ip_leads_to_every_endpoint_of_its_family_and_tells_it_the_client(bench):
    bench.serve(pod(1), pod(2))
    assert set(bench.client.ask(VIP, times=20)) == {f"p{number} fd00:10:42:9::2" for number in (1, 2)}
    assert bench.machine.node.names(VIP, times=10) == {"p1", "p2"}, "from the node itself"


def test_datagrams_are_balanced_too(bench):
    ports = [ServicePort(name="http", protocol="UDP", port=53)]
    bench.serve(pod(1), pod(2), ports=[EndpointPort(name="http", port=8080, protocol="UDP")], service_ports=ports)
    assert bench.client.names(VIP, 53, kind="udp", times=20) == {"p1", "p2"}


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_what_leads_nowhere_is_refused_at_once(bench, kind):
    bench.serve(pod(1, ready=False, serving=False))
    assert bench.client.ask(VIP, kind=kind) == {"refused": 1}, "no endpoint"
    assert bench.client.ask("fd00:10:43::77", kind=kind) == {"refused": 1}, "no such Service"


def test_a_node_port_and_an_external_ip_answer_from_outside(bench):
    bench.serve(pod(1), pod(2, "n2"), type="NodePort", external_ips=("2001:db8:7::7", "198.51.100.7"))
    outside = bench.machine.outside
    found = outside.ask("2001:db8::1", 30080, times=10)
    assert {said.split()[0] for said in found} == {"p1", "p2"}
    assert "2001:db8::99" not in {said.split()[1] for said in found}, "answers from other nodes would not find back"
    outside.run("ip route add 2001:db8:7::/64 via 2001:db8::1")
    assert outside.names("2001:db8:7::7", 80, times=4) == {"p1", "p2"}


def test_under_local_the_endpoint_sees_the_client(bench):
    bench.serve(pod(1), pod(2, "n2"), type="NodePort", external_traffic_policy="Local")
    assert bench.machine.outside.ask("2001:db8::1", 30080, times=4) == {"p1 2001:db8::99": 4}


def test_a_pod_reaches_itself_and_a_client_its_own_endpoint_again(bench):
    affinity = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=60))
    bench.serve(pod(1), session_affinity="ClientIP", session_affinity_config=affinity)
    own = bench.machine.pods["10.42.1.2"]
    assert own.ask(VIP) == {"p1 fd00:10:42:1::1": 1}
    bench.serve(pod(1), pod(2), session_affinity="ClientIP", session_affinity_config=affinity)
    assert len(bench.client.ask(VIP, times=10)) == 1


def test_a_load_balancer_takes_clients_of_its_ranges_alone(bench):
    ranges = ("192.0.2.0/24", "2001:db8:9::/64")
    bench.serve(pod(1), type="LoadBalancer", ingress=["2001:db8::1"], load_balancer_source_ranges=ranges)
    assert bench.machine.outside.ask("2001:db8::1", 80) == {"silence": 1}
    ranges = ("2001:db8::/64",)
    bench.serve(pod(1), type="LoadBalancer", ingress=["2001:db8::1"], load_balancer_source_ranges=ranges)
    assert bench.machine.outside.names("2001:db8::1", 80) == {"p1"}
