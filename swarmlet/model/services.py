"""core/v1 Service and discovery.k8s.io/v1 EndpointSlice: the fields that swarmlet honours.

Source: k8s.io/api/core/v1/types.go and k8s.io/api/discovery/v1/types.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model.base import ApiStruct, IntOrString, always, no_items
from swarmlet.model.core import ObjectReference
from swarmlet.model.meta import Condition, Object

CLUSTER_IP = "ClusterIP"
NODE_PORT = "NodePort"
LOAD_BALANCER = "LoadBalancer"
EXTERNAL_NAME = "ExternalName"
HEADLESS = "None"
"""In the place of a cluster IP: the name leads to the Pods themselves."""

CLIENT_IP = "ClientIP"
NO_AFFINITY = "None"
CLIENT_IP_SECONDS = 10_800
CLUSTER = "Cluster"
LOCAL = "Local"
SINGLE_STACK = "SingleStack"
PREFER_DUAL_STACK = "PreferDualStack"
REQUIRE_DUAL_STACK = "RequireDualStack"

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS_LABEL = "service.kubernetes.io/headless"


class ServicePort(ApiStruct, frozen=True, kw_only=True):
    """`target_port` is a number or the name of a container's port; `node_port` 0: none."""

    name: str = ""
    protocol: str = ""
    app_protocol: str | None = None
    port: int = 0
    target_port: IntOrString | None = None
    node_port: int = 0


class ClientIPConfig(ApiStruct, frozen=True, kw_only=True):
    timeout_seconds: int | None = None


class SessionAffinityConfig(ApiStruct, frozen=True, kw_only=True):
    client_ip: ClientIPConfig | None = msgspec.field(name="clientIP", default=None)


class ServiceSpec(ApiStruct, frozen=True, kw_only=True):
    """A `selector` that is empty selects nothing: whoever made the Service writes its EndpointSlices."""

    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = {}
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = msgspec.field(name="clusterIPs", default=())
    type: str = ""
    external_ips: tuple[str, ...] = msgspec.field(name="externalIPs", default=())
    session_affinity: str = ""
    session_affinity_config: SessionAffinityConfig | None = None
    load_balancer_source_ranges: tuple[str, ...] = ()
    external_name: str = ""
    external_traffic_policy: str = ""
    internal_traffic_policy: str | None = None
    publish_not_ready_addresses: bool = False
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    allocate_load_balancer_node_ports: bool | None = None


class LoadBalancerIngress(ApiStruct, frozen=True, kw_only=True):
    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(ApiStruct, frozen=True, kw_only=True):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(ApiStruct, frozen=True, kw_only=True):
    """`load_balancer` is on the wire when it is empty, too: clients look into it."""

    load_balancer: LoadBalancerStatus = msgspec.field(default_factory=LoadBalancerStatus)
    conditions: tuple[Condition, ...] = ()


class Service(Object, frozen=True, kw_only=True):
    api_version: str = always("v1")
    kind: str = always("Service")
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = msgspec.field(default_factory=ServiceStatus)


class EndpointConditions(ApiStruct, frozen=True, kw_only=True):
    """What is None is not known, and taken for true (`terminating`: for false)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(ApiStruct, frozen=True, kw_only=True):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = msgspec.field(default_factory=EndpointConditions)
    hostname: str | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None
    zone: str | None = None


class EndpointPort(ApiStruct, frozen=True, kw_only=True):
    """`name` is on the wire when it is empty, too: kubectl's describe fails without."""

    name: str = always("")
    protocol: str = always("TCP")
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(Object, frozen=True, kw_only=True):
    """Some of the endpoints of the Service that the label `kubernetes.io/service-name` names."""

    api_version: str = always("discovery.k8s.io/v1")
    kind: str = always("EndpointSlice")
    address_type: str = always("")
    endpoints: tuple[Endpoint, ...] = msgspec.field(default_factory=no_items)
    ports: tuple[EndpointPort, ...] = msgspec.field(default_factory=no_items)


class AddressClaim(Object, frozen=True, kw_only=True):
    """That a Service has a cluster IP or a node port, which is the claim's name: only daemons see it.

    It is written in one command with the Service, so that no two ever have the same. `service` is "namespace/name".
    """

    api_version: str = always("internal.swarmlet.io/v1")
    kind: str = always("AddressClaim")
    service: str = ""
    uid: str = ""


def has_cluster_ip(spec: ServiceSpec) -> bool:
    """Whether a Service has an address of its own; after defaults."""
    return spec.type != EXTERNAL_NAME and spec.cluster_ip != HEADLESS


def wants_node_ports(spec: ServiceSpec) -> bool:
    """Whether each port is also to be one of every node."""
    if spec.type == LOAD_BALANCER:
        return spec.allocate_load_balancer_node_ports is not False
    return spec.type == NODE_PORT


def is_external(spec: ServiceSpec) -> bool:
    """Whether others than Pods and nodes may reach it, so that their address may matter."""
    return spec.type in (NODE_PORT, LOAD_BALANCER) or (spec.type == CLUSTER_IP and bool(spec.external_ips))
