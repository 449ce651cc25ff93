"""The Service under which the cluster's DNS is found."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime

from swarmlet.config import Network
from swarmlet.controllers.services import cluster_dns as controller
from swarmlet.controllers.services.cluster_dns import ClusterDns
from swarmlet.controllers.work.drafts import creation
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import cluster_dns, kinds
from swarmlet.model.core import Namespace
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.services import AddressClaim, Service, ServiceSpec
from swarmlet.store import addresses
from swarmlet.store.commands import Command, Key, Operation, Verdict
from swarmlet.store.state import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Bench:
    def __init__(self, *, dns: bool = True) -> None:
        self.store = Store()
        self.dns = ClusterDns(random.Random(1), Network(dns=dns))
        self._requests = itertools.count(1)

    def apply(self, *operations: Operation) -> None:
        outcomes = self.store.apply(Command(next(self._requests).to_bytes(16, "big"), operations))
        assert all(each.verdict is Verdict.DONE for each in outcomes), outcomes

    def settle(self) -> Reconciliation:
        step = self.dns.reconcile(self.store, controller.SERVICE, NOW)
        self.apply(*step.operations)
        return step

    def add_namespace(self) -> None:
        self.apply(creation(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="kube-system", uid="u"))))


def test_it_is_made_once_with_its_address() -> None:
    bench = Bench()
    assert bench.settle() == NOTHING
    bench.add_namespace()
    bench.settle()
    service = bench.store.get(controller.SERVICE).object
    assert (service.spec.cluster_ip, service.spec.cluster_ips) == ("10.43.0.10", ("10.43.0.10",))
    assert [(each.name, each.protocol, each.port) for each in service.spec.ports] == [
        ("dns", "UDP", 53),
        ("dns-tcp", "TCP", 53),
    ]
    assert cluster_dns.is_ours(service)
    claim = bench.store.get(Key(addresses.CLAIMS, "", "10.43.0.10")).object
    assert addresses.is_held(bench.store, claim)
    assert bench.settle() == NOTHING


def test_it_is_not_made_where_nobody_asked_for_it() -> None:
    bench = Bench(dns=False)
    bench.add_namespace()
    assert bench.settle() == NOTHING


def test_an_address_that_another_has_is_left_to_it_and_told() -> None:
    bench = Bench()
    bench.add_namespace()
    spec = ServiceSpec(type="ClusterIP", cluster_ip="10.43.0.10", cluster_ips=("10.43.0.10",))
    other = Service(metadata=ObjectMeta(name="other", namespace="kube-system", uid="o"), spec=spec)
    claim = AddressClaim(metadata=ObjectMeta(name="10.43.0.10"), service="kube-system/other", uid="o")
    bench.apply(creation(kinds.SERVICE, other), creation(kinds.ADDRESS_CLAIM, claim))
    step = bench.settle()
    assert (step.operations, step.requeue_after_seconds) == ((), controller.LOOK_AGAIN_SECONDS)
    assert "provided IP is already allocated" in step.events[0].message
