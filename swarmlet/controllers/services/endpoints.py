"""A Pod as an endpoint of a Service: where it is reached, on which ports, and whether it may be.

Source: kubernetes staging/src/k8s.io/endpointslice/utils.go (podToEndpoint, getEndpointPorts).
"""

from __future__ import annotations

from typing import cast

from swarmlet.model import kinds, objects, pods
from swarmlet.model.core import ObjectReference
from swarmlet.model.pod import Pod
from swarmlet.model.services import Endpoint, EndpointConditions, EndpointPort, Service, ServicePort
from swarmlet.store.commands import Key
from swarmlet.store.replica import Change, Stored, View

NODES = kinds.NODE.resource
ZONE_LABEL = "topology.kubernetes.io/zone"


def has_changed(change: Change) -> bool:
    """Whether a Pod's part in Services may be another after a change than it was before."""
    return _part(change.old) != _part(change.new)


def takes_part(pod: Pod) -> bool:
    """Whether it can be reached: it has an address, and its containers have not all ended."""
    return bool(pod.status.pod_ip) and not pods.is_finished(pod)


def ports(service: Service, pod: Pod) -> tuple[EndpointPort, ...]:
    """Return on which ports of a Pod a Service's are; one that is named and that the Pod does not have is left out."""
    found = ((each, _target(each, pod)) for each in service.spec.ports)
    return tuple(
        EndpointPort(name=each.name, protocol=each.protocol, port=number, app_protocol=each.app_protocol)
        for each, number in found
        if number
    )


def endpoint(view: View, service: Service, pod: Pod, family: str) -> Endpoint:
    """Return a Pod as an endpoint, at its address of a family.

    One that is about to go still serves, but is given nothing new to do.
    """
    ready, terminating = pods.is_ready(pod), objects.is_terminating(pod)
    published = service.spec.publish_not_ready_addresses
    own_name = pod.spec.hostname if pod.spec.subdomain == service.metadata.name else ""
    return Endpoint(
        addresses=(pods.address(pod, family),),
        conditions=EndpointConditions(
            ready=published or (ready and not terminating), serving=ready, terminating=terminating
        ),
        hostname=own_name or None,
        target_ref=ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
        node_name=pod.spec.node_name,
        zone=_zone(view, pod.spec.node_name) or None,
    )


def _part(stored: Stored | None) -> tuple[object, ...]:
    """Return all of a Pod that its endpoints show or depend on."""
    if stored is None or not takes_part(pod := cast("Pod", stored.object)):
        return ()
    state = (pods.is_ready(pod), objects.is_terminating(pod))
    return pod.metadata.uid, pod.metadata.labels, pod.status.pod_ip, pod.status.pod_ips, pod.spec.node_name, *state


def _target(port: ServicePort, pod: Pod) -> int:
    if isinstance(port.target_port, int):
        return port.target_port
    for container in pods.lasting_containers(pod.spec):
        for each in container.ports:
            if each.name == port.target_port and (each.protocol or "TCP") == port.protocol:
                return each.container_port
    return 0


def _zone(view: View, node_name: str) -> str:
    stored = view.get(Key(NODES, "", node_name))
    return stored.object.metadata.labels.get(ZONE_LABEL, "") if stored else ""
