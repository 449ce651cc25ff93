"""What the Services ask of a node, from a real store."""

from __future__ import annotations

import random

import pytest

from swarmlet.model import ip_families, services
from swarmlet.model.services import ClientIPConfig, EndpointPort, ServicePort, SessionAffinityConfig
from swarmlet.network.services.desired import PROXY_NAME_LABEL, DesiredServices
from tests.network.cluster import HTTP, Cluster, endpoint, key


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def wanted(cluster: Cluster) -> DesiredServices:
    return DesiredServices(cluster.store, "n1")


def addresses(endpoints) -> list[str]:
    return [each.address for each in endpoints]


def port(wanted: DesiredServices, name: str = "web"):
    service = wanted.get(key(name))
    assert service is not None
    return service.ports[0]


def test_new_connections_go_to_the_ready_endpoints(cluster, wanted):
    cluster.service()
    cluster.slice("a", endpoint("10.42.0.2"), endpoint("10.42.0.1", "n2"), endpoint("10.42.0.3", ready=False))
    found = port(wanted)
    assert addresses(found.everywhere) == ["10.42.0.1", "10.42.0.2"]
    assert addresses(found.here) == ["10.42.0.2"]
    assert addresses(found.endpoints) == ["10.42.0.1", "10.42.0.2", "10.42.0.3"]
    assert {each.port for each in found.endpoints} == {8080}


def test_where_none_is_ready_those_that_finish_take_new_connections(cluster, wanted):
    cluster.service()
    going = {"ready": False, "serving": True, "terminating": True}
    cluster.slice("a", endpoint("10.42.0.1", "n2", **going), endpoint("10.42.0.2", ready=False, serving=False))
    assert addresses(port(wanted).everywhere) == ["10.42.0.1"]
    cluster.slice("b", endpoint("10.42.0.3", "n2"))
    assert addresses(port(wanted).everywhere) == ["10.42.0.3"]


def test_this_node_falls_back_to_its_own_that_finish_though_others_have_ready_ones(cluster, wanted):
    cluster.service()
    going = {"ready": False, "serving": True, "terminating": True}
    cluster.slice("a", endpoint("10.42.0.1", **going), endpoint("10.42.0.2", "n2"))
    assert addresses(port(wanted).here) == ["10.42.0.1"]
    assert addresses(port(wanted).everywhere) == ["10.42.0.2"]


def test_conditions_that_are_not_told_are_taken_for_good(cluster, wanted):
    cluster.service()
    cluster.slice("a", endpoint("10.42.0.1", ready=None))
    [found] = port(wanted).endpoints
    assert (found.ready, found.serving, found.terminating) == (True, True, False)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_an_endpoint_in_two_slices_counts_once_and_by_its_better_word(cluster, wanted, first, second):
    cluster.service()
    cluster.slice(first, endpoint("10.42.0.1"))
    cluster.slice(second, endpoint("10.42.0.1", ready=False))
    assert addresses(port(wanted).everywhere) == ["10.42.0.1"]
    assert len(port(wanted).endpoints) == 1


def test_each_port_has_the_endpoints_of_its_name_and_protocol(cluster, wanted):
    dns = ServicePort(name="dns", protocol="UDP", port=53)
    cluster.service("web", HTTP, dns)
    cluster.slice(
        "a", endpoint("10.42.0.1"), ports=(EndpointPort(name="http", port=1), EndpointPort(name="dns", port=2))
    )
    cluster.slice("b", endpoint("10.42.0.2"), ports=(EndpointPort(name="dns", port=5353, protocol="UDP"),))
    web, names = wanted.get(key("web")).ports
    assert [(each.address, each.port) for each in web.endpoints] == [("10.42.0.1", 1)]
    assert [(each.address, each.port) for each in names.endpoints] == [("10.42.0.2", 5353)]


def test_policies_choose_between_all_endpoints_and_those_of_this_node(cluster, wanted):
    cluster.slice("a", endpoint("10.42.0.1"), endpoint("10.42.0.2", "n2"))
    cluster.service(type="NodePort", external_traffic_policy="Local")
    service = wanted.get(key("web"))
    assert len(service.internal(service.ports[0])) == 2
    assert addresses(service.external(service.ports[0])) == ["10.42.0.1"]
    cluster.service(internal_traffic_policy="Local")
    service = wanted.get(key("web"))
    assert addresses(service.internal(service.ports[0])) == ["10.42.0.1"]
    assert len(service.external(service.ports[0])) == 2


def test_affinity_has_the_time_that_is_asked_for_or_three_hours(cluster, wanted):
    cluster.service()
    assert wanted.get(key("web")).affinity_seconds == 0
    cluster.service(session_affinity=services.CLIENT_IP)
    assert wanted.get(key("web")).affinity_seconds == 10_800
    asked = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=30))
    cluster.service(session_affinity=services.CLIENT_IP, session_affinity_config=asked)
    assert wanted.get(key("web")).affinity_seconds == 30


def test_only_a_load_balancer_has_ingress_addresses_and_source_ranges(cluster, wanted):
    given = {"ingress": ["192.0.2.1"], "load_balancer_source_ranges": ("192.0.2.0/24",)}
    cluster.service(type="LoadBalancer", **given)
    service = wanted.get(key("web"))
    assert (service.ingress, service.source_ranges) == (("192.0.2.1",), ("192.0.2.0/24",))
    cluster.service(type="ClusterIP", **given)
    service = wanted.get(key("web"))
    assert (service.ingress, service.source_ranges) == ((), ())


def test_an_address_outside_is_one_spelt_as_one(cluster):
    cluster.service(
        cluster_ip="fd00:10:43::7",
        type="LoadBalancer",
        external_ips=("FD00:AA::1", "fd00:aa:0::1"),
        ingress=["fd00::1%x }\nflush ruleset", "::1 }", "fd00:aa::2"],
    )
    wanted = DesiredServices(cluster.store, "n1", ip_families.IPV6)
    service = wanted.get(key("web"))
    assert (service.external_ips, service.ingress) == (("fd00:aa::1",), ("fd00:aa::2",))


def test_what_has_no_address_or_a_proxy_of_its_own_asks_nothing_of_a_node(cluster, wanted):
    cluster.service("headless", cluster_ip="None")
    cluster.service("elsewhere", type="ExternalName", external_name="example.org", cluster_ip="")
    cluster.service("foreign", labels={PROXY_NAME_LABEL: "mesh"})
    cluster.service("web")
    assert [each.key.name for each in wanted.services()] == ["web"]
    assert len(wanted.all_keys()) == 4
    assert wanted.get(key("nothing")) is None


def test_the_slices_of_a_headless_service_are_told_all_the_same(cluster, wanted):
    cluster.service("headless", cluster_ip="None")
    cluster.slice("a", endpoint("10.42.0.1"), of="headless")
    assert [each.metadata.name for each in wanted.slices(key("headless"))] == ["a"]


def test_a_change_is_told_with_the_services_that_it_concerns(cluster, wanted):
    told = []
    end = wanted.subscribe(told.append)
    cluster.service()
    cluster.slice("a", endpoint("10.42.0.1"))
    cluster.slice("a", endpoint("10.42.0.1"), of="other")
    end()
    cluster.service(type="NodePort")
    assert told == [{key("web")}, {key("web")}, {key("web"), key("other")}]


def test_after_a_snapshot_everything_is_read_anew(cluster, wanted):
    told = []
    wanted.subscribe(told.append)
    other = Cluster()
    other.service("new")
    other.slice("b", endpoint("10.42.0.9"), of="new")
    cluster.store.restore(other.store.capture().encode_chunks())
    assert told == [()]
    assert addresses(port(wanted, "new").everywhere) == ["10.42.0.9"]


def test_one_that_is_closed_follows_no_more(cluster, wanted):
    told = []
    wanted.subscribe(told.append)
    wanted.close()
    cluster.service()
    assert told == []


def test_after_any_changes_it_tells_what_a_fresh_one_tells(cluster, wanted):
    rng = random.Random(6)
    names = ["a", "b", "c"]
    for _ in range(300):
        match rng.randrange(5):
            case 0:
                cluster.service(rng.choice(names), external_ips=(f"192.0.2.{rng.randrange(9)}",))
            case 1:
                if found := [each for each in wanted.all_keys() if each.name == rng.choice(names)]:
                    cluster.delete(found[0])
            case 2:
                if found := cluster.store.list("endpointslices.discovery.k8s.io"):
                    cluster.delete(rng.choice(found).key)
            case _:
                some = [endpoint(f"10.42.0.{rng.randrange(9)}", ready=rng.random() < 0.5) for _ in range(3)]
                cluster.slice(f"s{rng.randrange(6)}", *some, of=rng.choice(names))
        list(wanted.services())
    fresh = DesiredServices(cluster.store, "n1")
    assert list(wanted.services()) == list(fresh.services())
    assert {each: wanted.slices(key(each)) for each in names} == {each: fresh.slices(key(each)) for each in names}
