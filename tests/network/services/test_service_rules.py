"""The rules of Services as they are rendered: what a reader of `nft list` sees."""

from __future__ import annotations

import dataclasses
import re

import pytest

from swarmlet.network.services import rules as service_rules
from swarmlet.network.services.desired import Endpoint, Port, Service
from swarmlet.network.services.rules import Ground
from swarmlet.store.commands import Key

GROUND = Ground(pod_network="10.42.0.0/16", service_network="10.43.0.0/16")
ONE, TWO = Endpoint("10.42.0.2", 8080, "n1"), Endpoint("10.42.1.2", 8080, "n2")


def service(*endpoints: Endpoint, here: tuple[Endpoint, ...] = (ONE,), node_port: int = 0, **more) -> Service:
    port = Port("http", "TCP", 80, node_port, endpoints, endpoints, here)
    return Service(key=Key("services", "default", "web"), cluster_ip="10.43.0.1", ports=(port,), **more)


def named(found) -> dict[str, tuple[str, ...]]:
    """Return the chains, by names without their digest."""
    plain = re.compile(r"-[0-9a-f]{10}-")
    return {plain.sub("-", name): tuple(plain.sub("-", each) for each in rules) for name, rules in found.chains.items()}


def test_a_cluster_ip_is_two_rules_and_one_element_a_port():
    found = service_rules.render(service(ONE, TWO), GROUND)
    assert named(found) == {
        "internal-default/web/tcp/80": (
            "ip saddr != 10.42.0.0/16 meta mark set meta mark | 0x4000",
            "goto cluster-default/web/tcp/80",
        ),
        "cluster-default/web/tcp/80": (
            "meta l4proto tcp dnat to numgen inc mod 2 map { 0 : 10.42.1.2 . 8080, 1 : 10.42.0.2 . 8080 }",
        ),
    }
    assert {key for _, key in found.elements} == {"10.43.0.1 . tcp . 80", "10.42.0.2 . 10.42.0.2"}


def test_nodes_begin_their_turns_with_different_endpoints_and_anew_with_each_change():
    endpoints = [Endpoint(f"10.42.0.{number}", 8080, "n1") for number in range(2, 12)]

    def first(node: str, *left_out: Endpoint) -> str:
        ground = dataclasses.replace(GROUND, node=node)
        found = named(service_rules.render(service(*(each for each in endpoints if each not in left_out)), ground))
        return found["cluster-default/web/tcp/80"][0].partition("0 : ")[2].partition(" ")[0]

    assert len({first(f"n{number}") for number in range(100)}) == len(endpoints)
    assert len({first("n1", each) for each in endpoints}) > 1


@pytest.mark.parametrize(("number", "sets"), [(256, 256), (257, 0)])
def test_affinity_is_of_no_more_endpoints_than_the_kernel_has_room_for(number, sets):
    many = [Endpoint(f"10.42.{each // 250}.{each % 250 + 1}", 8080, "n2") for each in range(number)]
    assert len(service_rules.render(service(*many, here=(), affinity_seconds=60), GROUND).sets) == sets


def test_no_service_takes_a_port_of_the_daemons():
    ground = dataclasses.replace(GROUND, reserved=frozenset({("TCP", 80), ("TCP", 30080)}))
    balanced = service(ONE, node_port=30080, ingress=("192.0.2.1",), external_ips=("192.0.2.2",))
    assert {element for element in service_rules.render(balanced, ground).elements if element[0] != "hairpins"} == {
        ("services", "10.43.0.1 . tcp . 80")
    }


def test_a_service_without_endpoints_is_an_element_that_refuses():
    found = service_rules.render(service(here=(), node_port=30080), GROUND)
    assert found.chains == {}
    assert set(found.elements.values()) == {"goto refuse"}


def test_under_local_the_node_itself_takes_its_own_address_and_others_keep_theirs():
    found = named(service_rules.render(service(ONE, TWO, node_port=30080, external_local=True), GROUND))
    assert found["external-default/web/tcp/80"] == (
        "ip saddr 10.42.0.0/16 goto cluster-default/web/tcp/80",
        "fib saddr type local meta mark set meta mark | 0x4000 goto cluster-default/web/tcp/80",
        "goto local-default/web/tcp/80",
    )


def test_only_endpoints_of_this_node_can_come_back_to_themselves():
    found = service_rules.render(service(ONE, TWO), GROUND)
    assert [key for name, key in found.elements if name == "hairpins"] == ["10.42.0.2 . 10.42.0.2"]


def test_an_endpoint_of_which_no_node_is_told_may_be_on_this_one():
    found = service_rules.render(service(Endpoint("10.42.7.7", 1), here=()), GROUND)
    assert [key for name, key in found.elements if name == "hairpins"] == ["10.42.7.7 . 10.42.7.7"]


def test_a_change_of_one_endpoint_leaves_all_other_chains_as_they_are():
    before = service_rules.render(service(ONE, TWO, node_port=30080), GROUND)
    after = service_rules.render(service(ONE, node_port=30080), GROUND)
    changed = {name for name in before.chains if before.chains[name] != after.chains[name]}
    assert len(changed) == 1
    assert before.elements == after.elements


def test_names_are_bounded_and_no_two_are_alike():
    ports = tuple(Port("", "TCP", number, 0, (ONE,), (ONE,), (ONE,)) for number in (80, 81))
    long = Service(
        key=Key("services", "n" * 63, "s" * 63), cluster_ip="10.43.0.1", affinity_seconds=86_400, ports=ports
    )
    found = service_rules.render(long, GROUND)
    assert len(found.chains) == 2 * 3
    assert max(map(len, [*found.chains, *found.sets])) <= 127


@pytest.mark.parametrize("ranges", [("0.0.0.0/0",), ("10.0.0.0/8", "10.1.0.0/16"), ("10.1.2.3/8",), (" 10.0.0.0/8",)])
def test_source_ranges_that_overlap_or_say_everything_are_still_rules(ranges):
    found = named(service_rules.render(service(ONE, ingress=("192.0.2.1",), source_ranges=ranges), GROUND))
    rules = found["guarded-default/web/tcp/80"]
    assert len(rules) == 2
    assert rules[-1] == "drop"


def test_source_ranges_of_another_family_let_nobody_in():
    found = named(service_rules.render(service(ONE, ingress=("192.0.2.1",), source_ranges=("fd00::/8",)), GROUND))
    assert found["guarded-default/web/tcp/80"] == ("drop",)
