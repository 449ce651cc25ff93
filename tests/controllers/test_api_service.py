"""The Service under which Pods find the API, and the daemons that it leads to."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime

from swarmlet.controllers.services import api_service as controller
from swarmlet.controllers.services.api_service import ApiService
from swarmlet.controllers.work.drafts import creation
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import core, kinds
from swarmlet.model.core import Namespace, Node
from swarmlet.model.meta import Condition, ObjectMeta
from swarmlet.store.commands import Command, Delete, Key, Operation, Verdict
from swarmlet.store.state import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Bench:
    def __init__(self) -> None:
        self.store = Store()
        self.controller = ApiService(random.Random(1))
        self._requests = itertools.count(1)
        self.apply(creation(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="default", uid="u"))))

    def apply(self, *operations: Operation) -> None:
        outcomes = self.store.apply(Command(next(self._requests).to_bytes(16, "big"), operations))
        assert all(each.verdict is Verdict.DONE for each in outcomes), outcomes

    def settle(self) -> Reconciliation:
        while step := self.controller.reconcile(self.store, controller.SERVICE, NOW):
            if step == NOTHING or not step.operations:
                return step
            self.apply(*step.operations)
        raise AssertionError

    def add_node(self, name: str, address: str, port: int = 7600, *, ready: bool = True) -> None:
        status = core.NodeStatus(
            addresses=(core.NodeAddress(type="InternalIP", address=address),),
            daemon_endpoints=core.NodeDaemonEndpoints(kubelet_endpoint=core.DaemonEndpoint(port=port)),
            conditions=(Condition(type="Ready", status="True" if ready else "False"),),
        )
        self.apply(creation(kinds.NODE, Node(metadata=ObjectMeta(name=name, uid=name), status=status)))

    def places(self) -> dict[str, list[tuple[str, bool]]]:
        """Return where each slice leads, and to what of it now."""
        return {
            stored.key.name: [(each.addresses[0], each.conditions.ready) for each in stored.object.endpoints]
            for stored in self.store.list(controller.SLICES)
        }


def test_it_is_made_once_with_its_address() -> None:
    bench = Bench()
    bench.settle()
    service = bench.store.get(controller.SERVICE).object
    assert (service.spec.cluster_ip, service.spec.ports[0].port) == ("10.43.0.1", 443)
    assert bench.places() == {}


def test_it_leads_to_every_daemon_under_its_own_port() -> None:
    bench = Bench()
    bench.add_node("b", "10.0.0.2")
    bench.add_node("a", "10.0.0.1", ready=False)
    bench.add_node("c", "10.0.0.3", 7700)
    bench.add_node("d", "d.example.com")
    bench.settle()
    assert bench.places() == {
        "kubernetes-7600": [("10.0.0.1", False), ("10.0.0.2", True)],
        "kubernetes-7700": [("10.0.0.3", True)],
    }
    bench.apply(Delete(Key(kinds.NODE.resource, "", "c")), Delete(Key(kinds.NODE.resource, "", "a")))
    bench.settle()
    assert bench.places() == {"kubernetes-7600": [("10.0.0.2", True)]}


def test_a_slice_that_was_changed_is_put_right() -> None:
    bench = Bench()
    bench.add_node("a", "10.0.0.1")
    bench.settle()
    (stored,) = bench.store.list(controller.SLICES)
    bench.apply(Delete(stored.key))
    bench.settle()
    assert bench.places() == {"kubernetes-7600": [("10.0.0.1", True)]}
