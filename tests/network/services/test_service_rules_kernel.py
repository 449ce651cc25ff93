"""The rules of Services in a real kernel: what a client sees."""

from __future__ import annotations

import pytest

from swarmlet.model.services import ClientIPConfig, EndpointPort, ServicePort, SessionAffinityConfig
from swarmlet.network.ruleset import NOTHING, Table
from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.desired import DesiredServices
from swarmlet.network.services.rules import Ground
from tests.network.cluster import Cluster, endpoint, key
from tests.network.kernel import Machine, machine, needs_kernel

pytestmark = [needs_kernel, pytest.mark.slow]

GROUND = Ground(pod_network="10.42.0.0/16", service_network="10.43.0.0/16", reserved=frozenset({("TCP", 7600)}))
VIP = "10.43.0.1"


class Bench:
    """A machine whose kernel follows a store."""

    def __init__(self, made: Machine) -> None:
        self.machine = made
        self.cluster = Cluster()
        self.wanted = DesiredServices(self.cluster.store, "n1")
        self.table = Table(service_rules.TABLE, service_rules.base(GROUND))
        made.nft(self.table.whole())

    def settle(self) -> None:
        keys = {*self.wanted.all_keys(), *self.table.keys()}
        found = {each: self.wanted.get(each) for each in keys}
        changes = {each: service_rules.render(told, GROUND) if told else NOTHING for each, told in found.items()}
        self.machine.nft(self.table.update(changes))

    def serve(self, *endpoints, ports=(), of="web", **spec: object) -> None:
        self.cluster.service(of, *spec.pop("service_ports", ()), **spec)
        self.cluster.slice(f"{of}-a", *endpoints, of=of, ports=ports)
        self.settle()


@pytest.fixture
def bench():
    with machine() as made:
        yield Bench(made)


def pod(number: int, node: str = "n1", **conditions):
    return endpoint(f"10.42.{number}.2", node, **conditions)


def test_a_cluster_ip_leads_to_every_endpoint_and_tells_it_the_client(bench):
    client = bench.machine.pod(9)
    for number in (1, 2, 3):
        bench.machine.backend(number)
    bench.serve(pod(1), pod(2), pod(3))
    assert set(client.ask(VIP, times=60)) == {f"p{number} 10.42.9.2" for number in (1, 2, 3)}


def test_the_node_itself_reaches_a_cluster_ip_by_an_address_that_answers_find(bench):
    bench.machine.backend(1)
    bench.serve(pod(1))
    assert bench.machine.node.ask(VIP) == {"p1 10.42.1.1": 1}


def test_datagrams_are_balanced_too(bench):
    client = bench.machine.pod(9)
    for number in (1, 2):
        bench.machine.backend(number)
    names = ServicePort(name="http", protocol="UDP", port=53)
    bench.serve(pod(1), pod(2), ports=[EndpointPort(name="http", port=8080, protocol="UDP")], service_ports=[names])
    assert client.names(VIP, 53, kind="udp", times=40) == {"p1", "p2"}
    assert client.names(VIP, 53, kind="tcp") == {"refused"}


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_what_leads_nowhere_is_refused_at_once(bench, kind):
    client = bench.machine.pod(9)
    bench.serve(pod(1, ready=False, serving=False))
    assert client.ask(VIP, kind=kind) == {"refused": 1}, "no endpoint"
    assert client.ask(VIP, 81, kind=kind) == {"refused": 1}, "no such port"
    assert client.ask("10.43.7.7", kind=kind) == {"refused": 1}, "no such Service"
    [said] = bench.machine.node.ask(VIP, kind=kind)  # Linux says so to a local sender of datagrams in its own way
    assert said in ("refused", "[Errno 1] Operation not permitted"), "from the node itself"


def test_a_pod_reaches_itself_by_its_service(bench):
    own = bench.machine.backend(1)
    bench.serve(pod(1))
    assert own.ask(VIP) == {"p1 10.42.1.1": 1}


@pytest.fixture
def published(bench) -> Bench:
    bench.machine.backend(1)
    bench.machine.backend(2)
    bench.cluster.service(
        "web",
        ServicePort(name="http", port=80, node_port=30080),
        type="LoadBalancer",
        external_ips=("198.51.100.7",),
        ingress=["192.0.2.1"],
    )
    bench.cluster.slice("web-a", pod(1), pod(2, "n2"))
    bench.settle()
    return bench


@pytest.mark.parametrize(("address", "port"), [("192.0.2.1", 30080), ("198.51.100.7", 80), ("192.0.2.1", 80)])
def test_a_published_service_answers_from_outside_with_any_endpoint(published, address, port):
    assert published.machine.outside.names(address, port, times=30) == {"p1", "p2"}
    found = published.machine.outside.ask(address, port, times=30)
    assert "192.0.2.99" not in {said.split()[1] for said in found}, "answers from other nodes would not find back"


def test_on_this_nodes_bridge_clients_keep_their_addresses_but_for_who_reaches_himself(bench):
    one, two = bench.machine.bridged(7), bench.machine.bridged(8)
    bench.machine.node.run("sysctl -qw net.bridge.bridge-nf-call-iptables=1")
    bench.machine.node.run("ip link set b7 type bridge_slave hairpin on")
    bench.cluster.service("web", ServicePort(name="http", port=80, node_port=30080), type="NodePort")
    bench.cluster.slice("web-a", endpoint("10.42.200.7"))
    bench.settle()
    assert bench.machine.outside.ask("192.0.2.1", 30080) == {"p7 192.0.2.99": 1}
    assert two.ask("192.0.2.1", 30080) == {"p7 10.42.200.8": 1}
    assert one.ask("192.0.2.1", 30080) == {"p7 10.42.200.1": 1}
    assert one.ask(VIP) == {"p7 10.42.200.1": 1}
    assert bench.machine.node.ask(VIP) == {"p7 192.0.2.1": 1}


def local(bench: Bench, **more: object) -> None:
    ports = ServicePort(name="http", port=80, node_port=30080)
    bench.cluster.service("web", ports, type="NodePort", external_traffic_policy="Local", **more)
    bench.settle()


def test_under_local_the_client_keeps_its_address_and_only_this_nodes_endpoints_serve(published):
    local(published)
    assert published.machine.outside.ask("192.0.2.1", 30080, times=20) == {"p1 192.0.2.99": 20}


def test_under_local_pods_and_the_node_itself_reach_every_endpoint(published):
    local(published)
    assert published.machine.pod(9).names("192.0.2.1", 30080, times=30) == {"p1", "p2"}
    assert published.machine.node.names("192.0.2.1", 30080, times=30) == {"p1", "p2"}


def test_under_local_a_node_without_endpoints_says_nothing(published):
    published.cluster.slice("web-a", pod(2, "n2"))
    local(published)
    assert published.machine.outside.ask("192.0.2.1", 30080) == {"silence": 1}


def test_internal_local_leads_to_this_nodes_endpoints(published):
    published.cluster.service(internal_traffic_policy="Local")
    published.settle()
    assert published.machine.pod(9).names(VIP, times=20) == {"p1"}


def test_source_ranges_bound_who_comes_through_the_load_balancer(published):
    def allow(*ranges: str) -> dict[str, int]:
        published.cluster.service(type="LoadBalancer", ingress=["192.0.2.1"], load_balancer_source_ranges=ranges)
        published.settle()
        return published.machine.outside.ask("192.0.2.1")

    assert allow("203.0.113.0/24") == {"silence": 1}
    assert "silence" not in allow("192.0.2.0/25", "192.0.2.0/24")
    assert "silence" not in allow("0.0.0.0/0")


def test_a_load_balancers_port_is_one_of_every_node_once_its_status_names_any(published):
    def names(*ingress: str) -> set[str]:
        published.cluster.service(type="LoadBalancer", ingress=ingress)
        published.settle()
        return published.machine.outside.names("192.0.2.1", times=20)

    assert names("192.0.2.77") == {"p1", "p2"}, "though the one that is named is another"
    assert names() == {"refused"}


def test_ports_that_are_the_daemons_own_stay_so(published):
    published.machine.node.serve("daemon", 7600)
    port = ServicePort(name="http", port=7600)
    published.cluster.service("web", port, type="LoadBalancer", ingress=["192.0.2.1"])
    published.settle()
    assert published.machine.outside.names("192.0.2.1", 7600) == {"daemon"}


def test_affinity_sends_a_client_to_the_endpoint_it_had_until_that_goes(bench):
    for number in range(1, 6):
        bench.machine.backend(number)
    client, other = bench.machine.pod(9), bench.machine.pod(8)
    bench.serve(*map(pod, range(1, 6)), session_affinity="ClientIP")
    [had] = client.names(VIP, times=20)
    left = [number for number in range(1, 6) if f"p{number}" != had]
    bench.cluster.slice("web-a", *map(pod, range(1, 6)), pod(8))
    bench.settle()
    assert client.names(VIP, times=20) == {had}, "whatever other endpoints come"
    bench.cluster.slice("web-a", *map(pod, left))
    bench.settle()
    [has] = client.names(VIP, times=20)
    assert has in {f"p{number}" for number in left}
    assert len(other.names(VIP, times=20)) == 1


def test_affinity_ends_with_its_time(bench):
    for number in range(1, 4):
        bench.machine.backend(number)
    client = bench.machine.pod(9)
    soon = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=60))
    bench.serve(*map(pod, range(1, 4)), session_affinity="ClientIP", session_affinity_config=soon)
    client.ask(VIP)
    assert "timeout 1m" in bench.machine.node.run("nft list sets ip")
    later = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=120))
    bench.serve(*map(pod, range(1, 4)), session_affinity="ClientIP", session_affinity_config=later)
    assert "timeout 1m" not in (sets := bench.machine.node.run("nft list sets ip"))
    assert "timeout 2m" in sets


def test_an_established_connection_survives_every_change_of_the_rules(bench):
    client = bench.machine.pod(9)
    bench.machine.backend(1)
    bench.machine.backend(2)
    bench.serve(pod(1))
    talk = client.talk(VIP)
    assert talk.peer == "p1 10.42.9.2"
    bench.cluster.slice("web-a", pod(2))
    bench.settle()
    assert talk.say("other endpoints") == "other endpoints"
    bench.machine.nft(bench.table.whole())
    assert talk.say("a new table") == "a new table"
    bench.cluster.delete(key("web"))
    bench.settle()
    assert talk.say("no Service") == "no Service"


def test_ten_endpoints_get_connections_in_turn(bench):
    client = bench.machine.pod(99)
    for number in range(1, 11):
        bench.machine.backend(number)
    bench.serve(*map(pod, range(1, 11)))
    assert client.ask(VIP, times=200) == {f"p{number} 10.42.99.2": 20 for number in range(1, 11)}


def test_clients_that_no_endpoint_remembers_take_turns(bench):
    for number in (1, 2):
        bench.machine.backend(number)
    clients = [bench.machine.pod(number) for number in range(90, 94)]
    bench.serve(pod(1), pod(2), session_affinity="ClientIP")
    assert sorted(str(client.names(VIP, times=3)) for client in clients) == ["{'p1'}"] * 2 + ["{'p2'}"] * 2
