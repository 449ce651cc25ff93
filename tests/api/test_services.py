"""Services at the API: each address and each port is given once, whoever asks, however many at a time."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from swarmlet.controllers.work.drafts import creation
from swarmlet.model import kinds
from swarmlet.model.ip_families import IPV4
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.node_subnets import THE_CLUSTER, ClusterNetwork
from swarmlet.model.services import AddressClaim, Service, ServicePort, ServiceSpec
from swarmlet.store import addresses
from swarmlet.store.commands import Delete, Key
from tests.api.conftest import Api, DirectReplica
from tests.api.documents import MERGE, TABLE

SERVICES = "/api/v1/namespaces/default/services"


def service(name: str = "web", **spec: object) -> dict:
    spec = {"selector": {"app": name}, "ports": [{"port": 80}]} | spec
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


async def made(api: Api, name: str = "web", **spec: object) -> dict:
    code, document = await api.read("POST", SERVICES, json=service(name, **spec))
    assert code == 201, document
    return document["spec"]


def claimed(replica: DirectReplica) -> set[str]:
    return {each.key.name for each in replica.view.list(addresses.CLAIMS)}


async def test_a_service_gets_an_address_of_the_network(api: Api, replica: DirectReplica) -> None:
    spec = await made(api)
    assert ipaddress.ip_address(spec["clusterIP"]) in addresses.SERVICE_NETWORKS[IPV4]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert claimed(replica) == {spec["clusterIP"]}


async def test_headless_and_external_names_get_none(api: Api, replica: DirectReplica) -> None:
    assert (await made(api, clusterIP="None"))["clusterIPs"] == ["None"]
    spec = await made(api, "out", type="ExternalName", externalName="a.example", ports=[])
    assert "clusterIP" not in spec
    assert claimed(replica) == set()


async def test_a_port_of_the_nodes_is_given_and_kept(api: Api, replica: DirectReplica) -> None:
    spec = await made(api, type="NodePort")
    port = spec["ports"][0]["nodePort"]
    assert port in addresses.NODE_PORTS
    assert claimed(replica) == {spec["clusterIP"], f"{port}.tcp"}
    code, document = await api.read("PUT", f"{SERVICES}/web", json=service(type="LoadBalancer"))
    assert (code, document["spec"]["ports"][0]["nodePort"]) == (200, port)
    assert document["spec"]["clusterIP"] == spec["clusterIP"]


async def test_one_port_serves_two_protocols(api: Api) -> None:
    both = [{"name": name, "port": 53, "protocol": name.upper(), "nodePort": 30053} for name in ("udp", "tcp")]
    assert [each["nodePort"] for each in (await made(api, type="NodePort", ports=both))["ports"]] == [30053, 30053]


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        ({"clusterIP": "10.43.0.7"}, "spec.clusterIPs", "failed to allocate IP 10.43.0.7: provided IP is already"),
        ({"clusterIP": "10.9.0.7"}, "spec.clusterIPs", "The range of valid IPs is 10.43.0.0/16"),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30007}]},
            "spec.ports[0].nodePort",
            "provided port is already allocated",
        ),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
            "spec.ports[0].nodePort",
            "The range of valid ports is 30000-32767",
        ),
        ({"externalIPs": ["10.43.0.10"]}, "spec.externalIPs[0]", "may not be in the cluster's networks"),
        ({"externalIPs": ["192.0.2.1", "10.43.0.7"]}, "spec.externalIPs[1]", "may not be in the cluster's networks"),
    ],
)
async def test_what_another_has_is_refused(api: Api, spec: dict, path: str, message: str) -> None:
    await made(api, clusterIP="10.43.0.7", type="NodePort", ports=[{"port": 80, "nodePort": 30007}])
    code, status = await api.read("POST", SERVICES, json=service("other", **spec))
    assert code == 422
    assert [each["field"] for each in status["details"]["causes"]] == [path]
    assert message in status["message"]


async def test_the_address_of_one_that_is_gone_may_be_asked_for_at_once(api: Api) -> None:
    await made(api, clusterIP="10.43.0.7")
    assert (await api.read("DELETE", f"{SERVICES}/web"))[0] == 200
    assert (await made(api, clusterIP="10.43.0.7"))["clusterIP"] == "10.43.0.7"


async def test_a_dry_run_takes_nothing(api: Api, replica: DirectReplica) -> None:
    code, document = await api.read("POST", f"{SERVICES}?dryRun=All", json=service(type="NodePort"))
    assert code == 201
    assert document["spec"]["clusterIP"]
    assert claimed(replica) == set()


async def test_of_many_at_once_no_two_get_the_same(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "NODE_PORTS", range(30_000, 30_020))
    answers = await asyncio.gather(
        *(api.read("POST", SERVICES, json=service(f"s{number}", type="NodePort")) for number in range(20))
    )
    assert [code for code, _ in answers] == [201] * 20
    assert {document["spec"]["ports"][0]["nodePort"] for _, document in answers} == set(range(30_000, 30_020))
    code, status = await api.read("POST", SERVICES, json=service("late", type="NodePort"))
    assert (code, "range is full" in status["message"]) == (422, True)
    replica.apply([Delete(Key(addresses.SERVICES, "default", "s3"))])
    assert (await api.read("POST", SERVICES, json=service("late", type="NodePort")))[0] == 201


async def test_a_port_that_was_taken_between_looking_and_writing_is_another(
    api: Api, replica: DirectReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's claim comes first, whichever of the two ports was chosen."""
    monkeypatch.setattr(addresses, "NODE_PORTS", range(30_000, 30_002))
    intruders = iter([True])
    real = replica.apply

    def beaten(operations: list, **options: object) -> tuple:
        if next(intruders, False):
            [claim] = [each for each in operations if each.key.name.endswith(".tcp")]
            other = Service(
                metadata=ObjectMeta(name="first", namespace="default", uid="u"),
                spec=ServiceSpec(ports=(ServicePort(port=1, protocol="TCP", node_port=int(claim.key.name[:5])),)),
            )
            held = AddressClaim(metadata=ObjectMeta(name=claim.key.name), service="default/first", uid="u")
            real([creation(kinds.SERVICE, other), creation(kinds.ADDRESS_CLAIM, held)])
        return real(operations, **options)

    monkeypatch.setattr(replica, "apply", beaten)
    spec = await made(api, type="NodePort")
    assert claimed(replica) == {spec["clusterIP"], "30000.tcp", "30001.tcp"}


async def test_the_table_shows_addresses_and_ports(api: Api) -> None:
    spec = await made(api, type="LoadBalancer", clusterIP="10.43.0.7", ports=[{"port": 80, "nodePort": 30007}])
    assert spec["externalTrafficPolicy"] == "Cluster"
    _, table = await api.read("GET", SERVICES, headers=TABLE)
    names = [each["name"] for each in table["columnDefinitions"]]
    assert names == ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"]
    assert table["rows"][0]["cells"] == [
        "web",
        "LoadBalancer",
        "10.43.0.7",
        "<pending>",
        "80:30007/TCP",
        "0s",
        "app=web",
    ]


async def test_a_change_of_type_gives_the_ports_back(api: Api) -> None:
    await made(api, type="NodePort")
    change = {"spec": {"type": "ClusterIP", "ports": [{"port": 81}]}}
    code, document = await api.read("PATCH", f"{SERVICES}/web", json=change, headers=MERGE)
    assert code == 200
    assert "nodePort" not in document["spec"]["ports"][0]


async def test_families_are_had_as_far_as_the_cluster_has_them(api: Api, replica: DirectReplica) -> None:
    assert (await made(api, "first", ipFamilyPolicy="PreferDualStack"))["ipFamilies"] == ["IPv4"]
    code, status = await api.read("POST", SERVICES, json=service(ipFamilyPolicy="RequireDualStack"))
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec.ipFamilyPolicy")
    assert "this cluster is not configured for dual-stack services" in status["message"]
    network = ClusterNetwork(metadata=ObjectMeta(name=THE_CLUSTER), cluster_cidr="10.42.0.0/16,fd00:10:42::/56")
    replica.apply([creation(kinds.CLUSTER_NETWORK, network)])
    both = await made(api, ipFamilyPolicy="RequireDualStack", clusterIPs=["10.43.0.7", "FD00:10:43:0::7"])
    assert (both["clusterIPs"], both["ipFamilies"]) == (["10.43.0.7", "fd00:10:43::7"], ["IPv4", "IPv6"])
    code, status = await api.read("POST", SERVICES, json=service("other", clusterIP="fd00:10:43::7"))
    assert (code, "provided IP is already allocated" in status["message"]) == (422, True)
    assert (await made(api, "six", ipFamilies=["IPv6"]))["clusterIP"].startswith("fd00:10:43::")
    code, document = await api.read("PUT", f"{SERVICES}/first", json=service("first"))
    assert (code, document["spec"]["ipFamilies"]) == (200, ["IPv4"]), "what prefers both stays with what it has"


async def test_a_second_address_is_kept_until_it_is_given_back(api: Api, replica: DirectReplica) -> None:
    network = ClusterNetwork(metadata=ObjectMeta(name=THE_CLUSTER), cluster_cidr="10.42.0.0/16,fd00:10:42::/56")
    replica.apply([creation(kinds.CLUSTER_NETWORK, network)])
    before = await made(api, ipFamilyPolicy="PreferDualStack")
    code, document = await api.read("PUT", f"{SERVICES}/web", json=service(ports=[{"port": 81}]))
    assert (code, document["spec"]["clusterIPs"]) == (200, before["clusterIPs"])
    assert document["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    first = {"clusterIPs": before["clusterIPs"][:1], "clusterIP": before["clusterIP"], "ipFamilies": ["IPv4"]}
    code, status = await api.read("PUT", f"{SERVICES}/web", json=service(**first))
    assert (code, "must be set to 'SingleStack' when releasing" in status["message"]) == (422, True)
    code, document = await api.read(
        "PATCH", f"{SERVICES}/web", json={"spec": {"ipFamilyPolicy": "SingleStack"}}, headers=MERGE
    )
    assert (code, document["spec"]["clusterIPs"], document["spec"]["ipFamilies"]) == (
        200,
        [before["clusterIP"]],
        ["IPv4"],
    )
    code, document = await api.read(
        "PATCH", f"{SERVICES}/web", json={"spec": {"ipFamilyPolicy": "RequireDualStack"}}, headers=MERGE
    )
    assert (code, len(document["spec"]["clusterIPs"])) == (200, 2)
