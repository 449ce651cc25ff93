"""A store with Services and EndpointSlices, written as a test needs them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from swarmlet.model import ip_families, kinds, objects, service_defaults, services
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.services import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from swarmlet.store.commands import Command, Delete, Key, Operation, Put, Verdict
from swarmlet.store.state import Store

HTTP = ServicePort(name="http", protocol="TCP", port=80)


def key(name: str, namespace: str = "default") -> Key:
    return Key(kinds.SERVICE.resource, namespace, name)


def endpoint(address: str, node: str = "n1", **conditions: bool | None) -> Endpoint:
    told = EndpointConditions(**({"ready": True} | conditions))
    return Endpoint(addresses=(address,), node_name=node, conditions=told)


class Cluster:
    """What a View shows, changed as consensus would change it."""

    def __init__(self) -> None:
        self.store = Store()
        self._requests = itertools.count(1)

    def apply(self, *operations: Operation) -> None:
        outcomes = self.store.apply(Command(next(self._requests).to_bytes(16, "big"), operations))
        assert all(each.verdict in (Verdict.DONE, Verdict.UNCHANGED) for each in outcomes), outcomes

    def service(
        self,
        name: str = "web",
        *ports: ServicePort,
        ingress: Sequence[str] = (),
        labels: dict[str, str] | None = None,
        **spec: object,
    ) -> Key:
        """Write a Service; what is not given has its default, and the first port is 80."""
        written = Service(
            metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", labels=labels or {}),
            spec=ServiceSpec(ports=ports or (HTTP,), **({"cluster_ip": "10.43.0.1"} | spec)),
            status=ServiceStatus(
                load_balancer=LoadBalancerStatus(ingress=tuple(LoadBalancerIngress(ip=ip) for ip in ingress))
            ),
        )
        self._put(kinds.SERVICE, service_defaults.service(written))
        return key(name)

    def slice(self, name: str, *endpoints: Endpoint, of: str = "web", ports: Sequence[EndpointPort] = ()) -> Key:
        """Write an EndpointSlice; its port is 8080, named as the Service's first, where none is given."""
        written = EndpointSlice(
            metadata=ObjectMeta(
                name=name, namespace="default", uid=f"uid-{name}", labels={services.SERVICE_NAME_LABEL: of}
            ),
            address_type=ip_families.of(endpoints[0].addresses[0]) if endpoints else ip_families.IPV4,
            endpoints=endpoints,
            ports=tuple(ports) or (EndpointPort(name="http", port=8080),),
        )
        return self._put(kinds.ENDPOINT_SLICE, written)

    def delete(self, key: Key) -> None:
        self.apply(Delete(key))

    def _put(self, kind: kinds.Kind, value: Service | EndpointSlice) -> Key:
        where = Key(kind.resource, value.metadata.namespace, value.metadata.name)
        bare = msgspec.structs.replace(value, metadata=msgspec.structs.replace(value.metadata, resource_version=""))
        self.apply(Put(where, objects.to_json(bare)))
        return where
