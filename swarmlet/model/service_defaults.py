"""What the API server fills in of Services and EndpointSlices.

Source: kubernetes pkg/apis/core/v1/defaults.go (SetDefaults_Service), pkg/apis/discovery/v1/defaults.go.
"""

from __future__ import annotations

import msgspec

from swarmlet.model import services


def service(value: services.Service) -> services.Service:
    """Return a Service as it is stored, its addresses and their families apart."""
    spec = value.spec
    kind = spec.type or services.CLUSTER_IP
    affinity = spec.session_affinity or services.NO_AFFINITY
    filled = msgspec.structs.replace(
        spec,
        type=kind,
        ports=tuple(map(_port, spec.ports)),
        session_affinity=affinity,
        session_affinity_config=_affinity_config(spec) if affinity == services.CLIENT_IP else None,
    )
    return msgspec.structs.replace(value, spec=_with_policies(_with_addresses(filled)))


def endpoint_slice(value: services.EndpointSlice) -> services.EndpointSlice:
    """Return a slice as it is stored: each of its ports has a protocol."""
    ports = tuple(msgspec.structs.replace(each, protocol=each.protocol or "TCP") for each in value.ports)
    return msgspec.structs.replace(value, ports=ports)


def _port(port: services.ServicePort) -> services.ServicePort:
    target = port.port if port.target_port in (None, 0, "") else port.target_port
    return msgspec.structs.replace(port, protocol=port.protocol or "TCP", target_port=target)


def _affinity_config(spec: services.ServiceSpec) -> services.SessionAffinityConfig:
    given = spec.session_affinity_config
    seconds = given.client_ip.timeout_seconds if given and given.client_ip else None
    told = services.CLIENT_IP_SECONDS if seconds is None else seconds
    return services.SessionAffinityConfig(client_ip=services.ClientIPConfig(timeout_seconds=told))


def _with_addresses(spec: services.ServiceSpec) -> services.ServiceSpec:
    """Return the spec with its address told both ways: alone, and as the first of all."""
    if spec.type == services.EXTERNAL_NAME:
        return spec
    cluster_ips = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    cluster_ip = spec.cluster_ip or (cluster_ips[0] if cluster_ips else "")
    return msgspec.structs.replace(spec, cluster_ip=cluster_ip, cluster_ips=cluster_ips)


def _with_policies(spec: services.ServiceSpec) -> services.ServiceSpec:
    if spec.type == services.EXTERNAL_NAME:
        return spec
    outside = spec.external_traffic_policy or (services.CLUSTER if services.is_external(spec) else "")
    allocates = spec.allocate_load_balancer_node_ports
    if spec.type == services.LOAD_BALANCER and allocates is None:
        allocates = True
    return msgspec.structs.replace(
        spec,
        internal_traffic_policy=spec.internal_traffic_policy or services.CLUSTER,
        external_traffic_policy=outside,
        allocate_load_balancer_node_ports=allocates,
    )
