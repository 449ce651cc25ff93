"""Which node has which subnet, by the reconciler itself on a real store."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from swarmlet.config import Network
from swarmlet.controllers.nodes import subnets as node_subnets
from swarmlet.controllers.nodes.subnets import NodeSubnets
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.controllers.work.reconciler import Reconciliation
from swarmlet.model import kinds
from swarmlet.model import node_subnets as model
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.core import Node, NodeStatus
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.node_subnets import ClusterNetwork
from swarmlet.store.commands import Command, Delete, Key, Operation, Outcome, Verdict
from swarmlet.store.replica import Change
from swarmlet.store.state import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OVERLAY = Network(mode="vxlan")
FOUR_NODES = Network(mode="vxlan", cluster_cidr="10.42.0.0/22")


def key(name: str) -> Key:
    return Key(kinds.NODE.resource, "", name)


class Bench:
    """A store and the reconciler, whose command is applied as one."""

    def __init__(self, config: Network = OVERLAY) -> None:
        self.store = Store()
        self.subnets = NodeSubnets(config)
        self.now = NOW
        self._requests = itertools.count(1)

    def apply(self, operations: Iterable[Operation]) -> list[Outcome]:
        return list(self.store.apply(Command(next(self._requests).to_bytes(16, "big"), tuple(operations))))

    def join(self, name: str, node_id: str = "") -> str:
        labels = {NODE_ID_LABEL: node_id or f"id-{name}"}
        self.apply([creation(kinds.NODE, Node(metadata=ObjectMeta(name=name, labels=labels), status=NodeStatus()))])
        self.settle(name)
        return self.subnet(name)

    def leave(self, name: str) -> None:
        self.apply([Delete(key(name))])
        self.settle(name)

    def settle(self, name: str) -> Reconciliation:
        step = self.subnets.reconcile(self.store, key(name), self.now)
        assert all(each.verdict is Verdict.DONE for each in self.apply(step.operations))
        return step

    def node(self, name: str) -> Node:
        stored = self.store.get(key(name))
        assert stored is not None
        assert isinstance(stored.object, Node)
        return stored.object

    def subnet(self, name: str) -> str:
        return self.node(name).spec.pod_cidr

    def change(self, name: str, subnet: str) -> None:
        stored = self.store.get(key(name))
        assert stored is not None
        spec = msgspec.structs.replace(self.node(name).spec, pod_cidr=subnet)
        self.apply([update(stored, msgspec.structs.replace(self.node(name), spec=spec))])


def test_a_leader_without_a_network_gives_subnets_when_another_machine_has_one() -> None:
    bench = Bench(Network(mode="none"))
    assert [bench.join(name) for name in ("a", "b")] == ["", ""]
    network = ClusterNetwork(metadata=ObjectMeta(name=model.THE_CLUSTER), cluster_cidr="10.99.0.0/16")
    bench.apply([creation(kinds.CLUSTER_NETWORK, network)])
    stored = bench.store.get(node_subnets.CLUSTER_NETWORK)
    assert node_subnets.CLUSTER_NETWORK.resource in bench.subnets.watches
    for woken in bench.subnets.keys_for(Change(9, node_subnets.CLUSTER_NETWORK, None, stored), bench.store):
        bench.settle(woken.name)
    assert [bench.subnet(name) for name in ("a", "b")] == ["10.99.0.0/24", "10.99.1.0/24"]


def test_each_node_has_a_subnet_of_its_own() -> None:
    bench = Bench()
    assert [bench.join(name) for name in ("a", "b", "c")] == ["10.42.0.0/24", "10.42.1.0/24", "10.42.2.0/24"]
    assert bench.node("b").spec.pod_cidrs == ("10.42.1.0/24",)


def test_with_each_subnet_goes_one_of_the_other_family_where_the_cluster_has_two() -> None:
    bench = Bench(Network(mode="vxlan", cluster_cidr="10.42.0.0/16,fd00:10:42::/56"))
    found = [bench.node(name).spec.pod_cidrs for name in ("a", "b") if bench.join(name)]
    assert found == [("10.42.0.0/24", "fd00:10:42::/64"), ("10.42.1.0/24", "fd00:10:42:1::/64")]


def test_without_a_pod_network_no_node_has_one() -> None:
    assert not Bench(Network(mode="none")).join("a")


def test_a_settled_node_costs_nothing() -> None:
    bench = Bench()
    bench.join("a")
    assert not bench.settle("a").operations


def test_the_clusters_cidr_outlives_the_file_that_it_came_from() -> None:
    bench = Bench(FOUR_NODES)
    bench.join("a")
    bench.subnets = NodeSubnets(Network(mode="none", cluster_cidr="10.99.0.0/16"))
    assert bench.join("b") == "10.42.1.0/24"


def test_what_two_leaders_give_at_once_is_given_once() -> None:
    bench = Bench()
    for name in ("a", "b"):
        labels = {NODE_ID_LABEL: name}
        bench.apply([creation(kinds.NODE, Node(metadata=ObjectMeta(name=name, labels=labels), status=NodeStatus()))])
    first, second = (NodeSubnets(OVERLAY).reconcile(bench.store, key(name), NOW) for name in ("a", "b"))
    assert first.atomic
    assert second.atomic
    bench.apply(first.operations)
    assert {each.verdict for each in bench.apply(second.operations)} != {Verdict.DONE}
    assert (bench.subnet("a"), bench.subnet("b")) == ("10.42.0.0/24", "")
    bench.settle("b")
    assert bench.subnet("b") == "10.42.1.0/24"


def test_a_subnet_that_was_given_back_goes_after_all_that_nobody_had() -> None:
    bench = Bench(FOUR_NODES)
    bench.join("a")
    bench.leave("a")
    bench.now += model.REST
    assert [bench.join(name) for name in ("b", "c", "d", "e")] == [
        "10.42.1.0/24",
        "10.42.2.0/24",
        "10.42.3.0/24",
        "10.42.0.0/24",
    ]


def test_of_those_given_back_the_longest_unused_goes_first_and_none_before_it_has_rested() -> None:
    bench = Bench(FOUR_NODES)
    for name in ("a", "b", "c", "d"):
        bench.join(name)
    bench.leave("c")
    bench.now += timedelta(minutes=1)
    bench.leave("a")
    assert not bench.join("e")
    bench.now += model.REST
    bench.settle("e")
    assert bench.subnet("e") == "10.42.2.0/24"


def test_a_cluster_that_is_full_says_so_on_the_node_and_looks_again() -> None:
    bench = Bench(FOUR_NODES)
    for name in ("a", "b", "c", "d"):
        bench.join(name)
    bench.join("e")
    step = bench.settle("e")
    assert [(note.reason, note.message) for note in step.events] == [
        ("CIDRNotAvailable", "Node e status is now: CIDRNotAvailable")
    ]
    assert step.requeue_after_seconds == node_subnets.LOOK_AGAIN_SECONDS


def test_a_machine_that_comes_again_under_the_same_name_is_another() -> None:
    bench = Bench()
    bench.join("a", "first")
    bench.leave("a")
    assert bench.join("a", "second") == "10.42.1.0/24"


def test_a_node_that_leaves_while_nobody_leads_gives_back_its_subnet_in_the_next_reign() -> None:
    bench = Bench(FOUR_NODES)
    bench.join("a")
    bench.apply([Delete(key("a"))])
    assert key("a") in bench.subnets.all_keys(bench.store)


def test_a_subnet_that_a_user_writes_into_a_node_does_not_stay() -> None:
    bench = Bench()
    bench.join("a")
    bench.join("b")
    bench.change("b", "10.42.0.0/24")
    bench.settle("b")
    assert (bench.subnet("a"), bench.subnet("b")) == ("10.42.0.0/24", "10.42.1.0/24")
