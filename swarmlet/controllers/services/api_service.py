"""Makes the Service under which Pods find the API, and leads it to every daemon.

Source: kubernetes pkg/controlplane/controller/kubernetesservice, pkg/controlplane/reconcilers.
"""

from __future__ import annotations

import ipaddress
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.errors import CallerError
from swarmlet.model import api_service, conditions, events, ip_families, kinds, names, objects, service_defaults
from swarmlet.model.base import clock_time
from swarmlet.model.core import Node
from swarmlet.model.meta import ObjectMeta
from swarmlet.model.services import (
    CLUSTER_IP,
    SERVICE_NAME_LABEL,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    Service,
    ServicePort,
    ServiceSpec,
)
from swarmlet.store import addresses
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

SERVICES = kinds.SERVICE.resource
SLICES = kinds.ENDPOINT_SLICE.resource
NODES = kinds.NODE.resource
SERVICE = Key(SERVICES, api_service.NAMESPACE, api_service.NAME)
NAMESPACE = Key(kinds.NAMESPACE.resource, "", api_service.NAMESPACE)
LABELS = {"component": "apiserver", "provider": "kubernetes"}
TARGET_PORT = 7600
"""What the Service says; the slices say each daemon's own."""
FAILED = "FailedCreate"
LOOK_AGAIN_SECONDS = 60.0
"""After the address was found taken: whoever has it may give it back."""


class ApiService:
    """The reconciler; its one key is the Service. It has a slice for each port that daemons listen on."""

    name: ClassVar[str] = "api-service"
    watches: ClassVar[frozenset[str]] = frozenset({SERVICES, SLICES, NODES, NAMESPACE.resource})

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the Service, where it, its namespace, a slice of its own or a node has changed."""
        if change.key.resource == SLICES:
            return (SERVICE,) if any(each and _is_own(each) for each in (change.old, change.new)) else ()
        return (SERVICE,) if change.key in (SERVICE, NAMESPACE) or change.key.resource == NODES else ()

    def all_keys(self, view: View) -> Iterable[Key]:  # noqa: ARG002  the shape of a reconciler
        """Return the Service."""
        return (SERVICE,)

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Return the making of the Service, or the slices that are to be other than they are."""
        namespace, service = view.get(NAMESPACE), view.get(key)
        if namespace is None:
            return NOTHING
        drafts = Drafts(view)
        if service is not None:
            self._settle(view, service, drafts, now)
            return drafts.reconciliation()
        try:
            made, claims = addresses.settled(view, self._service(now), self._rng)
            drafts.create(kinds.SERVICE, made)
        except CallerError as error:  # the address is another's, or the namespace's quota is used up
            note = events.Note(namespace.object, events.WARNING, FAILED, f"cannot make the Service of the API: {error}")
            return Reconciliation((), (note,), LOOK_AGAIN_SECONDS)
        return Reconciliation((*claims, *drafts.reconciliation(atomic=True).operations), atomic=True)

    def _settle(self, view: View, service: Stored, drafts: Drafts, now: datetime) -> None:
        wanted = _endpoints(view)
        for stored in filter(_is_own, view.list(SLICES, api_service.NAMESPACE)):
            slice_ = cast("EndpointSlice", stored.object)
            port = slice_.ports[0].port if slice_.ports else None
            endpoints = wanted.pop(port, None) if port is not None else None
            if endpoints is None:
                drafts.remove(stored, now)
            else:
                drafts.update(stored, msgspec.structs.replace(slice_, endpoints=endpoints))
        for port, endpoints in wanted.items():
            drafts.create(kinds.ENDPOINT_SLICE, self._slice(service, port, endpoints, now))

    def _slice(self, service: Stored, port: int, endpoints: tuple[Endpoint, ...], now: datetime) -> EndpointSlice:
        metadata = ObjectMeta(
            name=f"{api_service.NAME}-{port}",
            namespace=api_service.NAMESPACE,
            uid=names.new_uid(self._rng),
            creation_timestamp=clock_time(now),
            labels={SERVICE_NAME_LABEL: api_service.NAME},
            owner_references=(objects.owner_reference(service.object),),
        )
        ports = (EndpointPort(name=api_service.PORT_NAME, port=port),)
        return EndpointSlice(metadata=metadata, address_type=ip_families.IPV4, endpoints=endpoints, ports=ports)

    def _service(self, now: datetime) -> Service:
        port = ServicePort(name=api_service.PORT_NAME, protocol="TCP", port=api_service.PORT, target_port=TARGET_PORT)
        metadata = ObjectMeta(
            name=api_service.NAME,
            namespace=api_service.NAMESPACE,
            uid=names.new_uid(self._rng),
            creation_timestamp=clock_time(now),
            labels=LABELS,
        )
        spec = ServiceSpec(type=CLUSTER_IP, cluster_ip=api_service.ADDRESS, ports=(port,))
        return service_defaults.service(Service(metadata=metadata, spec=spec))


def _endpoints(view: View) -> dict[int, tuple[Endpoint, ...]]:
    """Return where the daemons listen, by port."""
    found: dict[int, list[Endpoint]] = defaultdict(list)
    for stored in view.list(NODES):
        node = cast("Node", stored.object)
        address, port = _place(node)
        if address and port:
            ready = conditions.is_true(node.status.conditions, "Ready")
            told = EndpointConditions(ready=ready, serving=ready, terminating=False)
            found[port].append(Endpoint(addresses=(address,), conditions=told, node_name=node.metadata.name))
    return {port: tuple(sorted(each, key=lambda one: one.addresses)) for port, each in found.items()}


def _place(node: Node) -> tuple[str, int]:
    """Return a daemon's IPv4 address and port; ("", 0) where it has none, such as one that others know by name."""
    endpoints = node.status.daemon_endpoints
    if endpoints is None or endpoints.kubelet_endpoint is None:
        return "", 0
    for each in node.status.addresses:
        try:
            if each.type == "InternalIP" and ipaddress.ip_address(each.address).version == 4:
                return each.address, endpoints.kubelet_endpoint.port
        except ValueError:
            continue
    return "", 0


def _is_own(stored: Stored) -> bool:
    return (
        stored.key.namespace == api_service.NAMESPACE
        and stored.object.metadata.labels.get(SERVICE_NAME_LABEL) == api_service.NAME
    )
