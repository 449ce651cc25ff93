"""What is asked of an Engine for the Pods' network, and when one that is there is the one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from swarmlet.runtime import docker_documents, docker_networks
from swarmlet.runtime.docker_networks import GATEWAY_MODE, creation_document
from swarmlet.runtime.runtime import BridgeNetwork, ContainerSpec, PodIdentity, PodNetwork

NETWORK = BridgeNetwork(name="swarmlet", bridge="swl0", subnet="10.42.7.0/24", gateway="10.42.7.1", mtu=1450)
OWNER = {docker_documents.CLUSTER_LABEL: "c", docker_documents.NODE_LABEL: "n"}
WANTED = creation_document(NETWORK, OWNER, 20)


def found(**changes: Any) -> dict[str, Any]:
    return WANTED | {"Options": WANTED["Options"] | {"more": "of the Engine's"}} | changes


@pytest.mark.parametrize(("major", "mode"), [(20, None), (27, None), (28, "nat-unprotected"), (29, "nat-unprotected")])
def test_an_engine_that_drops_what_is_routed_to_containers_is_told_not_to(major: int, mode: str | None) -> None:
    assert creation_document(NETWORK, OWNER, major)["Options"].get(GATEWAY_MODE) == mode


def test_a_network_of_both_families_is_one_only_where_it_has_both() -> None:
    dual = dataclasses.replace(NETWORK, subnet_v6="fd00:10:42:7::/64", gateway_v6="fd00:10:42:7::a2a:701")
    asked = creation_document(dual, OWNER, 28)
    assert asked["EnableIPv6"]
    assert asked["IPAM"]["Config"][1] == {"Subnet": "fd00:10:42:7::/64", "Gateway": "fd00:10:42:7::a2a:701"}
    assert asked["Options"][docker_networks.GATEWAY_MODE_V6] == "nat-unprotected"
    assert docker_networks.differs(WANTED, creation_document(dual, OWNER, 20))
    assert not WANTED["EnableIPv6"]


def test_docker_masquerades_nothing_of_it() -> None:
    assert WANTED["Options"][docker_networks.MASQUERADE] == "false"


def test_a_network_that_is_as_it_was_made_stays() -> None:
    assert not docker_networks.differs(found(), WANTED)


@pytest.mark.parametrize(
    "changes",
    [
        {"IPAM": {"Config": [{"Subnet": "10.42.8.0/24", "Gateway": "10.42.8.1"}]}},
        {"Options": WANTED["Options"] | {docker_networks.MTU: "1500"}},
        {"Options": None},
    ],
)
def test_one_that_is_otherwise_is_made_anew(changes: dict[str, Any]) -> None:
    assert docker_networks.differs(found(**changes), WANTED)


def test_one_whose_mtu_alone_is_another_stays_while_pods_are_attached() -> None:
    other_mtu = {"Options": WANTED["Options"] | {docker_networks.MTU: "1500"}}
    attached = {"Containers": {"id": {}}}
    assert not docker_networks.differs(found(**other_mtu, **attached), WANTED)
    other_bridge = {"Options": WANTED["Options"] | {docker_networks.BRIDGE_NAME: "br0"}}
    assert docker_networks.differs(found(**other_bridge, **attached), WANTED)


@pytest.mark.parametrize("labels", [None, {}, OWNER | {docker_documents.NODE_LABEL: "another"}])
def test_one_without_this_nodes_labels_is_anothers(labels: dict[str, str] | None) -> None:
    assert docker_networks.is_owned(found(), OWNER)
    assert not docker_networks.is_owned(found(Labels=labels), OWNER)


def test_a_container_is_attached_with_its_pods_address_and_keeps_its_host_ports() -> None:
    spec = ContainerSpec(
        pod=PodIdentity("u", "shop", "web"),
        name="main",
        network=PodNetwork(bridge_network="swarmlet", address="10.42.7.9"),
    )
    for make in (docker_documents.container_document, docker_documents.sandbox_document):
        document = make(spec, OWNER, "")
        assert document["HostConfig"]["NetworkMode"] == "swarmlet"
        endpoints = document["NetworkingConfig"]["EndpointsConfig"]
        assert endpoints == {
            "swarmlet": {"IPAMConfig": {"IPv4Address": "10.42.7.9"}, "MacAddress": "02:42:0a:2a:07:09"}
        }
