"""Where load balancers are published, by the reconciler itself on a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from swarmlet.config import Network
from swarmlet.controllers.services import load_balancers
from swarmlet.controllers.services.load_balancers import LoadBalancers
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.model import conditions, kinds, service_defaults
from swarmlet.model.core import Node, NodeAddress, NodeStatus
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.model.services import (
    Endpoint,
    EndpointConditions,
    EndpointSlice,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from swarmlet.store.commands import Command, Delete, Key, Operation, Verdict
from swarmlet.store.replica import Change
from swarmlet.store.state import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Bench:
    """A store, with the reconciler brought to rest after each change, by the keys that it asked for itself."""

    def __init__(self, network: Network | None = None) -> None:
        self.store = Store()
        self.balancers = LoadBalancers(network or Network(services="nftables"))
        self.notes: list[tuple[str, str]] = []
        self._keys: set[Key] = set()
        self._requests = 0
        self.store.subscribe(self._note)

    def _note(self, changes: list[Change]) -> None:
        for change in changes:
            if change.key.resource in self.balancers.watches:
                self._keys.update(self.balancers.keys_for(change, self.store))

    def apply(self, *operations: Operation) -> None:
        self._requests += 1
        outcomes = self.store.apply(Command(self._requests.to_bytes(16, "big"), operations))
        assert all(each.verdict in (Verdict.DONE, Verdict.UNCHANGED) for each in outcomes), outcomes

    def write(self, kind: kinds.Kind, value) -> None:
        stored = self.store.get(Key(kind.resource, value.metadata.namespace, value.metadata.name))
        self.apply(update(stored, value) if stored else creation(kind, value))
        self.settle()

    def settle(self) -> None:
        for _ in range(100):
            if not self._keys:
                return
            key = self._keys.pop()
            found = self.balancers.reconcile(self.store, key, NOW)
            self.notes += [(each.reason, each.message) for each in found.events]
            if found.operations:
                self.apply(*found.operations)
        pytest.fail("it does not come to rest")

    def node(self, name: str, address: str, *, ready: bool = True, labels: dict[str, str] | None = None) -> None:
        told = Condition(type="Ready", status="True" if ready else "False")
        status = NodeStatus(conditions=(told,), addresses=(NodeAddress(type="InternalIP", address=address),))
        self.write(kinds.NODE, Node(metadata=ObjectMeta(name=name, uid=name, labels=labels or {}), status=status))

    def service(self, name: str = "web", port: int = 80, *, age: int = 0, node_port: int = 0, **spec: object) -> None:
        spec = {"type": "LoadBalancer", "cluster_ip": "10.43.0.1"} | spec
        stored = self.store.get(key(name))
        written = Service(
            metadata=ObjectMeta(
                name=name, namespace="default", uid=name, creation_timestamp=NOW - timedelta(seconds=age)
            ),
            spec=ServiceSpec(ports=(ServicePort(port=port, node_port=node_port),), **spec),
            status=stored.object.status if stored else ServiceStatus(),
        )
        self.write(kinds.SERVICE, service_defaults.service(written))

    def slice(self, *node_names: str, ready: bool = True) -> None:
        told = EndpointConditions(ready=ready)
        endpoints = tuple(Endpoint(addresses=("10.42.0.2",), node_name=each, conditions=told) for each in node_names)
        metadata = ObjectMeta(name="a", namespace="default", uid="a", labels={"kubernetes.io/service-name": "web"})
        self.write(kinds.ENDPOINT_SLICE, EndpointSlice(metadata=metadata, address_type="IPv4", endpoints=endpoints))

    def delete(self, name: str) -> None:
        self.apply(Delete(key(name)))
        self.settle()

    def status(self, name: str = "web") -> ServiceStatus:
        return self.store.get(key(name)).object.status

    def ingress(self, name: str = "web") -> list[str]:
        return [each.ip for each in self.status(name).load_balancer.ingress]


def key(name: str) -> Key:
    return Key(kinds.SERVICE.resource, "default", name)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.node("n1", "192.0.2.1")
    made.node("n2", "192.0.2.2")
    return made


def test_a_load_balancer_is_published_on_every_node_that_is_ready(bench):
    bench.node("n3", "192.0.2.3", ready=False)
    bench.service()
    assert bench.ingress() == ["192.0.2.1", "192.0.2.2"]
    bench.node("n3", "192.0.2.3")
    bench.node("n1", "192.0.2.1", ready=False)
    assert bench.ingress() == ["192.0.2.2", "192.0.2.3"]
    assert bench.notes == [("EnsuredLoadBalancer", "Ensured load balancer")]


def test_the_addresses_of_nodes_are_nothing_to_a_service_of_the_other_family(bench):
    bench.service(cluster_ip="fd00:10:43::1", ip_families=("IPv6",))
    assert bench.ingress() == []
    bench.service(ip_families=("IPv6", "IPv4"))
    assert bench.ingress() == ["192.0.2.1", "192.0.2.2"]


def test_nodes_that_are_left_out_or_have_only_a_name_are_not_told(bench):
    bench.node("n1", "192.0.2.1", labels={load_balancers.EXCLUDED_LABEL: ""})
    bench.node("n3", "machine.example")
    bench.service()
    assert bench.ingress() == ["192.0.2.2"]


def test_under_local_only_nodes_with_a_ready_endpoint_are_told(bench):
    bench.service(external_traffic_policy="Local")
    assert bench.ingress() == []
    bench.slice("n2")
    assert bench.ingress() == ["192.0.2.2"]
    bench.slice("n2", ready=False)
    assert bench.ingress() == []


def test_a_service_of_another_type_is_published_nowhere(bench):
    bench.service(type="NodePort")
    assert bench.ingress() == []
    bench.service()
    bench.service(type="ClusterIP")
    assert bench.ingress() == []


def test_of_two_that_want_a_port_the_older_has_it_and_the_other_says_so(bench):
    bench.service("young", age=1)
    bench.service("old", age=2)
    assert bench.ingress("old")
    assert bench.ingress("young") == []
    told = conditions.get(bench.status("young").conditions, "LoadBalancerPortsError")
    assert (told.status, told.message) == ("True", "port 80/TCP of every node is the Service default/old's")
    assert [reason for reason, _ in bench.notes].count("SyncLoadBalancerFailed") == 1
    assert told.message in bench.notes[-1][1] or told.message in bench.notes[-2][1]


@pytest.mark.parametrize("gives_way", ["delete", "type", "port"])
def test_who_waits_for_a_port_gets_it_when_it_is_free(bench, gives_way):
    bench.service("old", age=2)
    bench.service("young", age=1)
    if gives_way == "delete":
        bench.delete("old")
    else:
        bench.service(
            "old", 81 if gives_way == "port" else 80, age=2, type={"type": "ClusterIP"}.get(gives_way, "LoadBalancer")
        )
    assert bench.ingress("young") == ["192.0.2.1", "192.0.2.2"]
    assert bench.status("young").conditions == ()


def test_a_node_port_of_another_is_not_taken_whatever_its_age(bench):
    bench.service("old", 30080, age=9)
    bench.service("young", type="NodePort", node_port=30080)
    assert bench.ingress("old") == []


def test_ports_of_other_protocols_do_not_meet(bench):
    bench.service("tcp")
    udp = ServiceSpec(type="LoadBalancer", cluster_ip="10.43.0.2", ports=(ServicePort(port=80, protocol="UDP"),))
    bench.write(
        kinds.SERVICE,
        service_defaults.service(Service(metadata=ObjectMeta(name="udp", namespace="default", uid="udp"), spec=udp)),
    )
    assert bench.ingress("tcp")
    assert bench.ingress("udp")


def test_a_status_names_a_bounded_number_of_nodes(bench, monkeypatch):
    monkeypatch.setattr(load_balancers, "INGRESS_MAX", 1)
    bench.service()
    assert bench.ingress() == ["192.0.2.1"]


def test_where_nodes_balance_nothing_nothing_is_told():
    bench = Bench(Network(services="off"))
    bench.node("n1", "192.0.2.1")
    bench.service()
    assert bench.ingress() == []
    assert bench.notes == []


def test_a_new_leader_finds_everything_that_is_to_be_looked_at(bench):
    bench.service()
    bench.service("young", age=-1)
    bench.service("plain", type="ClusterIP")
    assert set(LoadBalancers(Network(services="auto")).all_keys(bench.store)) == {key("web"), key("young")}
