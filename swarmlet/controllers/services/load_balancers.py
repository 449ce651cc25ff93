"""Where Services of the type LoadBalancer are published: on every node that is ready, which the status says.

There is no load balancer but the cluster itself: each node takes connections to such a Service's ports on its own
addresses. So of two Services that want the same port, one has it: the one that was there first.

Source: kubernetes staging/src/k8s.io/cloud-provider/controllers/service/controller.go, for nodes, events and words.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from swarmlet.config import Network
from swarmlet.controllers.work.drafts import Drafts
from swarmlet.controllers.work.reconciler import NOTHING, Reconciliation
from swarmlet.model import conditions, events, kinds, nodes, objects, services
from swarmlet.model.core import Node
from swarmlet.model.ip_families import IPV4
from swarmlet.model.meta import Condition
from swarmlet.model.services import EndpointSlice, LoadBalancerIngress, LoadBalancerStatus, Service, ServiceStatus
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

SERVICES = kinds.SERVICE.resource
NODES = kinds.NODE.resource
SLICES = kinds.ENDPOINT_SLICE.resource
EXCLUDED_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
INGRESS_MAX = 32
"""How many nodes a status names: clients need a few, and it is written anew whenever one of them comes or goes."""

PORTS_ERROR = "LoadBalancerPortsError"
IN_USE = "PortsInUse"

Door = tuple[str, int]
"""Protocol and port, of every node at once."""


class LoadBalancers:
    """The reconciler; a key names a Service. Where nodes balance nothing, there is nothing to be told."""

    name: ClassVar[str] = "service-lb"
    watches: ClassVar[frozenset[str]] = frozenset({SERVICES, NODES, SLICES})

    def __init__(self, network: Network) -> None:
        self._is_on = network.services != "off"

    def keys_for(self, change: Change, view: View) -> Iterable[Key]:
        """Return those that want a port that a changed Service has or had, or whose nodes are others than before."""
        if not self._is_on:
            return []
        if change.key.resource == NODES:
            return self.all_keys(view) if _published(change.old) != _published(change.new) else []
        if change.key.resource == SLICES:
            return [each for each in _of_slice(change) if (stored := view.get(each)) and _is_local(_service(stored))]
        before, after = _taken(change.old), _taken(change.new)
        if before == after:
            return [change.key]
        return {change.key, *(each.key for each in view.list(SERVICES) if _doors(each) & (before | after))}

    def all_keys(self, view: View) -> Iterable[Key]:
        """Return every Service that is a load balancer, or whose status still says something of it."""
        everyone = ((each.key, _service(each)) for each in view.list(SERVICES))
        return [key for key, each in everyone if _is_balanced(each) or each.status != ServiceStatus()]

    def reconcile(self, view: View, key: Key, now: datetime) -> Reconciliation:
        """Tell in the status on which nodes a Service is published now, or why it is on none."""
        stored = view.get(key)
        if stored is None or not self._is_on or objects.is_terminating(stored.object):
            return NOTHING
        service = _service(stored)
        rival = _rival(view, stored)
        ingress = _ingress(view, service) if _is_balanced(service) and rival is None else ()
        told = _conditions(service, rival, now)
        drafts = Drafts()
        status = ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ingress), conditions=told)
        drafts.update(stored, msgspec.structs.replace(service, status=status))
        return drafts.reconciliation(_notes(service, status))


def _conditions(service: Service, rival: tuple[Door, Service] | None, now: datetime) -> tuple[Condition, ...]:
    if rival is None:
        return conditions.drop(service.status.conditions, PORTS_ERROR)
    (protocol, port), other = rival
    holder = f"{other.metadata.namespace}/{other.metadata.name}"
    message = f"port {port}/{protocol} of every node is the Service {holder}'s"
    found = Condition(type=PORTS_ERROR, status="True", reason=IN_USE, message=message)
    return conditions.put(service.status.conditions, found, now)


def _notes(service: Service, status: ServiceStatus) -> Iterator[events.Note]:
    """Yield what is new about a Service."""
    if status.load_balancer.ingress and not service.status.load_balancer.ingress:
        yield events.Note(service, events.NORMAL, "EnsuredLoadBalancer", "Ensured load balancer")
    error = conditions.get(status.conditions, PORTS_ERROR)
    if error is not None and error != conditions.get(service.status.conditions, PORTS_ERROR):
        message = f"Error syncing load balancer: failed to ensure load balancer: {error.message}"
        yield events.Note(service, events.WARNING, "SyncLoadBalancerFailed", message)


def _rival(view: View, stored: Stored) -> tuple[Door, Service] | None:
    """Return a port that a Service wants and another has: as a node port, or as a load balancer that is older."""
    doors = _doors(stored)
    for each in view.list(SERVICES) if doors else ():
        other = _service(each)
        if each.key == stored.key or not (wanted := _doors(each) | _node_ports(other)):
            continue
        held = wanted if _age(each) < _age(stored) else _node_ports(other)
        if common := doors & held:
            return min(common), other
    return None


def _ingress(view: View, service: Service) -> tuple[LoadBalancerIngress, ...]:
    """Return the addresses of nodes that are ready; under Local, of those that have an endpoint that is.

    They are of IPv4, so they are nothing to a Service that has none of that family.
    """
    if service.spec.ip_families and IPV4 not in service.spec.ip_families:
        return ()
    found = [cast("Node", each.object) for each in view.list(NODES)]
    if _is_local(service):
        having = _nodes_with_endpoints(view, service)
        found = [each for each in found if each.metadata.name in having]
    addresses = filter(None, (_address(each) for each in found))
    return tuple(LoadBalancerIngress(ip=each) for each in itertools.islice(addresses, INGRESS_MAX))


def _nodes_with_endpoints(view: View, service: Service) -> set[str | None]:
    metadata = service.metadata
    slices = (cast("EndpointSlice", each.object) for each in view.list(SLICES, metadata.namespace))
    own = (each for each in slices if each.metadata.labels.get(services.SERVICE_NAME_LABEL) == metadata.name)
    return {each.node_name for slice_ in own for each in slice_.endpoints if each.conditions.ready is not False}


def _address(node: Node) -> str:
    """Return where a node is reached from outside, "" where it is not to be: it is not ready, or is left out."""
    if EXCLUDED_LABEL in node.metadata.labels or not conditions.is_true(node.status.conditions, nodes.READY):
        return ""
    by_type = {each.type: each.address for each in reversed(node.status.addresses)}
    found = by_type.get("ExternalIP") or by_type.get("InternalIP", "")
    return found if _is_address(found) else ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False  # a machine that is known by a name only
    return True


def _of_slice(change: Change) -> set[Key]:
    """Return the Services that a slice is or was of."""
    found = ((each, each.object.metadata.labels) for each in (change.old, change.new) if each)
    return {
        Key(SERVICES, each.key.namespace, labels[services.SERVICE_NAME_LABEL])
        for each, labels in found
        if services.SERVICE_NAME_LABEL in labels
    }


def _published(stored: Stored | None) -> tuple[str, str]:
    return (stored.key.name, _address(cast("Node", stored.object))) if stored else ("", "")


def _taken(stored: Stored | None) -> set[Door]:
    return _doors(stored) | _node_ports(_service(stored)) if stored else set()


def _is_local(service: Service) -> bool:
    return _is_balanced(service) and service.spec.external_traffic_policy == services.LOCAL


def _is_balanced(service: Service) -> bool:
    return service.spec.type == services.LOAD_BALANCER


def _doors(stored: Stored | None) -> set[Door]:
    """Return what a load balancer takes of every node, nothing for another Service."""
    service = _service(stored) if stored else None
    return {(each.protocol, each.port) for each in service.spec.ports} if service and _is_balanced(service) else set()


def _node_ports(service: Service) -> set[Door]:
    return {(each.protocol, each.node_port) for each in service.spec.ports if each.node_port}


def _age(stored: Stored) -> tuple[str, Key]:
    return str(stored.object.metadata.creation_timestamp or ""), stored.key


def _service(stored: Stored) -> Service:
    return cast("Service", stored.object)
