"""EndpointSlices, by the reconciler itself on a real store."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
import pytest

from swarmlet.controllers.services import endpoint_slices
from swarmlet.controllers.services.addresses import ServiceAddresses
from swarmlet.controllers.services.endpoint_slices import EndpointSlices
from swarmlet.controllers.work.drafts import creation, update
from swarmlet.model import kinds, objects, service_defaults
from swarmlet.model.container import Container, ContainerPort
from swarmlet.model.core import Namespace, Node, NodeStatus
from swarmlet.model.meta import Condition, Object, ObjectMeta
from swarmlet.model.node_subnets import THE_CLUSTER, ClusterNetwork
from swarmlet.model.pod import Pod, PodSpec
from swarmlet.model.pod_status import PodIP, PodStatus
from swarmlet.model.services import EndpointSlice, Service, ServicePort, ServiceSpec
from swarmlet.store import addresses
from swarmlet.store.commands import Command, Delete, Key, Operation, Verdict
from swarmlet.store.replica import Change
from swarmlet.store.state import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WEB = Key(kinds.SERVICE.resource, "default", "web")
HTTP = ServicePort(name="http", port=80, target_port="http")


class Bench:
    """A store, and the two reconcilers of Services."""

    def __init__(self) -> None:
        self.store = Store()
        self.slices_of = EndpointSlices(random.Random(1))
        self.changes: list[Change] = []
        self.store.subscribe(self.changes.extend)
        self._requests = itertools.count(1)
        self.apply([creation(kinds.NAMESPACE, Namespace(metadata=ObjectMeta(name="default", uid="ns")))])
        zone = {"topology.kubernetes.io/zone": "a"}
        self.apply([creation(kinds.NODE, Node(metadata=ObjectMeta(name="n1", labels=zone), status=NodeStatus()))])

    def apply(self, operations: Iterable[Operation]) -> None:
        outcomes = self.store.apply(Command(next(self._requests).to_bytes(16, "big"), tuple(operations)))
        assert all(each.verdict in (Verdict.DONE, Verdict.UNCHANGED) for each in outcomes), outcomes

    def serve(self, *ports: ServicePort, **spec: object) -> None:
        spec = {"selector": {"app": "web"}} | spec
        service = Service(
            metadata=ObjectMeta(name="web", namespace="default", uid="s1"),
            spec=ServiceSpec(ports=ports or (HTTP,), **spec),
        )
        settled, claims = addresses.settled(self.store, service_defaults.service(service), random.Random(2))
        self.apply([creation(kinds.SERVICE, settled), *claims])

    def pod(self, number: int, *, ready: bool = True, port: int = 8080, **spec: object) -> None:
        ip = f"10.42.{number // 256}.{number % 256}"
        told = Condition(type="Ready", status="True" if ready else "False")
        containers = (Container(name="main", image="web:1", ports=(ContainerPort(name="http", container_port=port),)),)
        pod = Pod(
            metadata=ObjectMeta(name=f"p{number:04}", namespace="default", uid=f"u{number}", labels={"app": "web"}),
            spec=PodSpec(containers=containers, node_name="n1", **spec),
            status=PodStatus(phase="Running", pod_ip=ip, conditions=(told,)),
        )
        self.apply([creation(kinds.POD, pod)])

    def change(self, name: str, change) -> None:
        stored = self.store.get(Key(kinds.POD.resource, "default", name))
        self.apply([update(stored, change(stored.object))])

    def delete(self, name: str) -> None:
        self.apply([Delete(Key(kinds.POD.resource, "default", name))])

    def reconcile(self) -> int:
        """Reconcile the Service once; return how many operations that took."""
        found = self.slices_of.reconcile(self.store, WEB, NOW)
        if found.operations:
            self.apply(found.operations)
        return len(found.operations)

    def slices(self) -> list[EndpointSlice]:
        return [each.object for each in self.store.list(kinds.ENDPOINT_SLICE.resource)]

    def addresses(self) -> list[str]:
        return sorted(each.addresses[0] for one in self.slices() for each in one.endpoints)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def with_ready(pod: Pod, status: str) -> Pod:
    conditions = (Condition(type="Ready", status=status),)
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, conditions=conditions))


def test_each_pod_with_an_address_is_an_endpoint_with_its_readiness_and_place(bench: Bench) -> None:
    bench.serve()
    bench.pod(1)
    bench.pod(2, ready=False)
    assert bench.reconcile() == 1
    [found] = bench.slices()
    assert found.metadata.labels["kubernetes.io/service-name"] == "web"
    assert [(each.name, each.port, each.protocol) for each in found.ports] == [("http", 8080, "TCP")]
    first, second = found.endpoints
    assert (first.addresses, first.node_name, first.zone) == (("10.42.0.1",), "n1", "a")
    assert (first.conditions.ready, first.conditions.serving, first.conditions.terminating) == (True, True, False)
    assert (second.conditions.ready, second.conditions.serving) == (False, False)
    assert first.target_ref is not None
    assert (first.target_ref.kind, first.target_ref.name) == ("Pod", "p0001")
    assert bench.reconcile() == 0


def test_a_pod_about_to_go_serves_but_is_not_ready(bench: Bench) -> None:
    bench.serve()
    bench.pod(1)
    bench.change("p0001", lambda pod: objects.with_metadata(pod, deletion_timestamp=NOW))
    bench.reconcile()
    told = bench.slices()[0].endpoints[0].conditions
    assert (told.ready, told.serving, told.terminating) == (False, True, True)


def test_one_that_has_finished_or_has_no_address_is_none(bench: Bench) -> None:
    bench.serve()
    bench.pod(1)
    bench.pod(2)
    bench.change("p0001", lambda pod: with_status(pod, phase="Succeeded"))
    bench.change("p0002", lambda pod: with_status(pod, pod_ip=""))
    bench.reconcile()
    [found] = bench.slices()
    assert (found.endpoints, found.ports) == ((), ()), "the slice that says that there is nobody"


def with_status(pod: Pod, **changes: object) -> Pod:
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, **changes))


def test_who_is_not_ready_is_told_of_where_the_service_asks_for_that(bench: Bench) -> None:
    bench.serve(publish_not_ready_addresses=True)
    bench.pod(1, ready=False)
    bench.reconcile()
    told = bench.slices()[0].endpoints[0].conditions
    assert (told.ready, told.serving) == (True, False)


def test_pods_whose_named_port_differs_are_in_slices_of_their_own(bench: Bench) -> None:
    bench.serve()
    bench.pod(1)
    bench.pod(2, port=9090)
    bench.reconcile()
    assert sorted(each.ports[0].port for each in bench.slices()) == [8080, 9090]


def test_a_headless_service_tells_host_names(bench: Bench) -> None:
    bench.serve(cluster_ip="None", cluster_ips=("None",))
    bench.pod(1, hostname="web-0", subdomain="web")
    bench.pod(2, hostname="web-1", subdomain="other")
    bench.reconcile()
    [found] = bench.slices()
    assert [each.hostname for each in found.endpoints] == ["web-0", None]
    assert found.metadata.labels["service.kubernetes.io/headless"] == ""


def test_a_service_of_both_families_has_slices_of_each(bench: Bench) -> None:
    network = ClusterNetwork(metadata=ObjectMeta(name=THE_CLUSTER), cluster_cidr="10.42.0.0/16,fd00:10:42::/56")
    bench.apply([creation(kinds.CLUSTER_NETWORK, network)])
    bench.serve(ip_family_policy="RequireDualStack")
    bench.pod(1)
    bench.pod(2)
    bench.reconcile()
    assert sorted((each.address_type, len(each.endpoints)) for each in bench.slices()) == [("IPv4", 2), ("IPv6", 0)]
    ips = (PodIP(ip="10.42.0.1"), PodIP(ip="fd00:10:42::a2a:1"))
    bench.change("p0001", lambda pod: with_status(pod, pod_ips=ips))
    assert keys(bench) == {WEB}
    bench.reconcile()
    assert bench.addresses() == ["10.42.0.1", "10.42.0.2", "fd00:10:42::a2a:1"]
    [cluster_ips] = [each.object.spec.cluster_ips for each in bench.store.list(kinds.SERVICE.resource)]
    assert claims(bench) == set(cluster_ips)
    stored = bench.store.get(WEB)
    single = msgspec.structs.replace(stored.object.spec, ip_families=("IPv4",), cluster_ips=cluster_ips[:1])
    bench.apply([update(stored, msgspec.structs.replace(stored.object, spec=single))])
    bench.reconcile()
    release(bench)
    assert bench.addresses() == ["10.42.0.1", "10.42.0.2"]
    assert claims(bench) == {cluster_ips[0]}


def test_a_slice_holds_a_hundred_and_one_change_rewrites_one(bench: Bench) -> None:
    bench.serve()
    for number in range(1, 251):
        bench.pod(number)
    bench.reconcile()
    assert sorted(len(each.endpoints) for each in bench.slices()) == [50, 100, 100]
    bench.change("p0007", lambda pod: with_ready(pod, "False"))
    assert bench.reconcile() == 1
    bench.delete("p0008")
    assert bench.reconcile() == 1
    bench.pod(251)
    assert bench.reconcile() == 1
    assert len(bench.addresses()) == 250
    assert len(bench.slices()) == 3, "the new one took the free place"


def test_empty_slices_go_but_the_last(bench: Bench) -> None:
    bench.serve()
    for number in range(1, 151):
        bench.pod(number)
    bench.reconcile()
    for number in range(1, 151):
        bench.delete(f"p{number:04}")
    bench.reconcile()
    [found] = bench.slices()
    assert (found.endpoints, found.ports) == ((), ())
    bench.pod(1)
    bench.reconcile()
    assert bench.addresses() == ["10.42.0.1"]
    assert all(each.endpoints for each in bench.slices()), "the empty one is gone again"


def test_slices_that_others_wrote_are_not_touched(bench: Bench) -> None:
    bench.serve()
    labels = {"kubernetes.io/service-name": "web"}
    own = EndpointSlice(metadata=ObjectMeta(name="own", namespace="default", labels=labels), address_type="IPv4")
    bench.apply([creation(kinds.ENDPOINT_SLICE, own)])
    bench.pod(1)
    bench.reconcile()
    assert {each.metadata.name == "own" for each in bench.slices()} == {True, False}
    assert bench.store.get(Key(kinds.ENDPOINT_SLICE.resource, "default", "own")).object.endpoints == ()


def test_without_a_selector_nothing_is_written(bench: Bench) -> None:
    bench.serve(selector={})
    bench.pod(1)
    assert bench.reconcile() == 0


def keys(bench: Bench) -> set[Key]:
    """Return what the changes since the last call wake."""
    heard = (change for change in bench.changes if change.key.resource in EndpointSlices.watches)
    found = {key for change in heard for key in bench.slices_of.keys_for(change, bench.store)}
    bench.changes.clear()
    return found


def test_only_what_changes_an_endpoint_wakes_its_services(bench: Bench) -> None:
    bench.serve()
    bench.pod(1)
    assert keys(bench) == {WEB}
    bench.change("p0001", lambda pod: with_status(pod, message="busy"))
    assert keys(bench) == set()
    bench.change("p0001", lambda pod: with_ready(pod, "False"))
    assert keys(bench) == {WEB}
    bench.change("p0001", lambda pod: objects.with_metadata(pod, labels={"app": "other"}))
    assert keys(bench) == {WEB}, "it led there before"
    bench.change("p0001", lambda pod: with_ready(pod, "True"))
    assert keys(bench) == set()


def test_a_slice_that_somebody_removed_is_made_again(bench: Bench) -> None:
    bench.serve()
    bench.pod(1)
    bench.reconcile()
    bench.changes.clear()
    name = bench.slices()[0].metadata.name
    bench.apply([Delete(Key(kinds.ENDPOINT_SLICE.resource, "default", name))])
    assert keys(bench) == {WEB}
    bench.reconcile()
    assert bench.addresses() == ["10.42.0.1"]


def test_a_full_slice_is_the_bound(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_slices, "ENDPOINTS_PER_SLICE", 2)
    bench.serve()
    for number in range(1, 6):
        bench.pod(number)
        bench.reconcile()
    assert sorted(len(each.endpoints) for each in bench.slices()) == [1, 2, 2]


# Addresses.


def claims(bench: Bench) -> set[str]:
    return {each.key.name for each in bench.store.list(addresses.CLAIMS)}


def release(bench: Bench) -> None:
    controller = ServiceAddresses()
    for change in list(bench.changes):
        for key in controller.keys_for(change, bench.store) if change.key.resource in controller.watches else ():
            bench.apply(controller.reconcile(bench.store, key, NOW).operations)


def test_the_addresses_of_a_service_that_is_gone_are_given_back(bench: Bench) -> None:
    bench.serve(type="NodePort")
    assert len(claims(bench)) == 2
    bench.apply([Delete(WEB)])
    release(bench)
    assert claims(bench) == set()


def with_port(service: Service, number: int) -> Service:
    port = msgspec.structs.replace(service.spec.ports[0], node_port=number)
    return msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, ports=(port,)))


@pytest.mark.parametrize("erased_first", [True, False])
def test_a_node_port_that_is_given_up_and_asked_for_again_stays_claimed(bench: Bench, *, erased_first: bool) -> None:
    """The one reads before the other writes, whichever of them writes first."""
    bench.serve(type="NodePort")
    service = bench.store.get(WEB).object
    port = service.spec.ports[0].node_port
    claim = Key(addresses.CLAIMS, "", f"{port}.tcp")
    bench.apply([update(bench.store.get(WEB), with_port(service, 0))])
    found = ServiceAddresses().reconcile(bench.store, claim, NOW)
    stored = bench.store.get(WEB)
    again, claims = addresses.settled(bench.store, with_port(stored.object, port), random.Random(3), stored.object)
    both = [(*found.operations,), (update(stored, again), *claims)]
    for number, operations in enumerate(both if erased_first else reversed(both)):
        bench.store.apply(Command(bytes([number]) * 16, operations, atomic=True))
    is_asked_for = bool(bench.store.get(WEB).object.spec.ports[0].node_port)
    assert is_asked_for == (bench.store.get(claim) is not None)


def test_a_node_port_that_is_given_up_is_given_back(bench: Bench) -> None:
    bench.serve(type="NodePort")
    stored = bench.store.get(WEB)
    service: Object = stored.object
    plain = msgspec.structs.replace(service.spec.ports[0], node_port=0)
    bench.apply(
        [update(stored, msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, ports=(plain,))))]
    )
    release(bench)
    assert claims(bench) == {service.spec.cluster_ip}
