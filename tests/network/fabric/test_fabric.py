"""What a node needs to reach the Pods of the others, as data."""

from __future__ import annotations

from typing import Any

import pytest

from swarmlet.model import ip_families, kinds
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node, NodeAddress, NodeSpec, NodeStatus
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.node_subnets import SubnetClaim
from swarmlet.model.objects import to_json
from swarmlet.network.fabric import plan as fabric
from swarmlet.network.fabric.plan import Member, Neighbour, Route
from swarmlet.store.commands import Command, Key, Put
from swarmlet.store.state import Store

A = Member("id-a", "192.0.2.1", "10.42.0.0/24")
B = Member("id-b", "192.0.2.2", "10.42.1.0/24")
C = Member("id-c", "198.51.100.3", "10.42.2.0/24")


def render(mode: str = "vxlan", **fields: Any) -> fabric.Fabric:
    return fabric.render(mode, A, [B, C], **({"underlay_mtu": 1500} | fields))


def test_the_overlay_leads_to_each_other_node_and_leaves_nothing_to_be_learned() -> None:
    found = render()
    assert found.routes == {
        Route("10.42.1.0/24", "10.42.1.0", "10.42.0.0", over_vxlan=True),
        Route("10.42.2.0/24", "10.42.2.0", "10.42.0.0", over_vxlan=True),
    }
    assert found.neighbours == {
        Neighbour("10.42.1.0", fabric.mac("id-b"), "192.0.2.2"),
        Neighbour("10.42.2.0", fabric.mac("id-c"), "198.51.100.3"),
    }


def test_a_node_is_to_itself_what_the_others_take_it_for() -> None:
    seen = next(each for each in fabric.render("vxlan", B, [A], underlay_mtu=1500).neighbours)
    own = render().vxlan
    assert own is not None
    assert (own.addresses, own.mac, own.local) == ((seen.address,), seen.mac, seen.node_address)


def test_macs_are_nobodys_and_each_nodes_own() -> None:
    macs = {fabric.mac(f"id-{number}") for number in range(1000)}
    assert len(macs) == 1000
    assert all(each.startswith("02:") for each in macs)


@pytest.mark.parametrize(
    ("mode", "fields", "mtu"),
    [
        ("vxlan", {}, 1450),
        ("vxlan", {"underlay_mtu": 9000}, 8950),
        ("host-gw", {}, 1500),
        ("vxlan", {"mtu": 1400}, 1400),
    ],
)
def test_a_packet_of_a_pod_fits_the_way_that_it_goes(mode: str, fields: dict[str, int], mtu: int) -> None:
    found = render(mode, **fields)
    assert found.bridge.mtu == mtu
    assert found.vxlan is None or found.vxlan.mtu == mtu


def test_in_one_network_the_nodes_are_the_gateways() -> None:
    found = render("host-gw")
    assert (found.vxlan, found.neighbours) == (None, frozenset())
    assert found.routes == {
        Route("10.42.1.0/24", "192.0.2.2", "10.42.0.1", over_vxlan=False),
        Route("10.42.2.0/24", "198.51.100.3", "10.42.0.1", over_vxlan=False),
    }


def test_the_bridge_is_its_subnets_first_host() -> None:
    bridge = render().bridge
    assert (bridge.name, bridge.bridge, bridge.subnet, bridge.gateway) == (
        "swarmlet",
        "swl0",
        "10.42.0.0/24",
        "10.42.0.1",
    )


DUAL = [
    Member(each.node_id, each.address, *ip_families.subnets(each.subnet, "10.42.0.0/16,fd00:10:42::/56"))
    for each in (A, B)
]


def test_a_node_of_both_families_is_led_to_by_both_and_by_one_entry_of_forwarding() -> None:
    found = fabric.render("vxlan", DUAL[0], DUAL[1:], underlay_mtu=1500)
    assert Route("fd00:10:42:1::/64", "fd00:10:42:1::a2a:100", "fd00:10:42::a2a:0", over_vxlan=True) in found.routes
    assert {(each.mac, each.node_address) for each in found.neighbours} == {(fabric.mac("id-b"), "192.0.2.2")}
    assert found.bridge.ways() == (("10.42.0.1", "10.42.0.0/24"), ("fd00:10:42::a2a:1", "fd00:10:42::/64"))


def test_in_one_network_each_node_has_an_address_of_ipv6_where_the_others_find_it() -> None:
    one, other = (
        fabric.render("host-gw", *each, underlay_mtu=1500) for each in ((DUAL[0], DUAL[1:]), (DUAL[1], DUAL[:1]))
    )
    assert one.gateway_v6 in {each.gateway for each in other.routes}


def store_with(*nodes: tuple[str, str, str, str], claims: dict[str, str]) -> Store:
    store = Store()
    puts = [
        Put(
            Key(kinds.NODE.resource, "", name),
            to_json(
                Node(
                    metadata=ObjectMeta(name=name, labels={NODE_ID_LABEL: node_id}),
                    spec=NodeSpec(pod_cidr=subnet),
                    status=NodeStatus(addresses=(NodeAddress(type="InternalIP", address=address),)),
                )
            ),
        )
        for name, node_id, address, subnet in nodes
    ]
    puts += [
        Put(
            Key(kinds.SUBNET_CLAIM.resource, "", name),
            to_json(SubnetClaim(metadata=ObjectMeta(name=name), node_id=node_id)),
        )
        for name, node_id in claims.items()
    ]
    store.apply(Command(b"1" * 16, tuple(puts)))
    return store


def test_members_are_the_nodes_with_a_subnet_that_is_theirs_and_an_address_to_reach_them_at() -> None:
    store = store_with(
        ("a", "id-a", "192.0.2.1", "10.42.0.0/24"),
        ("without-subnet", "id-b", "192.0.2.2", ""),
        ("came-again", "id-new", "192.0.2.3", "10.42.2.0/24"),
        ("by-name", "id-d", "d.example", "10.42.3.0/24"),
        claims={"10.42.0.0": "id-a", "10.42.2.0": "id-old", "10.42.3.0": "id-d"},
    )
    assert fabric.members(store) == {"a": A}
