"""What a Service keeps of what it had when it is written anew, and what goes with its former type.

Source: kubernetes pkg/registry/core/service (patchAllocatedValues in alloc.go, dropTypeDependentFields in strategy.go)
and pkg/api/service (NormalizeClusterIPs).
"""

from __future__ import annotations

import msgspec

from swarmlet.model import services
from swarmlet.model.services import Service, ServicePort, ServiceSpec


def carried(old: Service, new: Service) -> Service:
    """Return `new` with the addresses that it has, and without what it only has by the type that it leaves."""
    before, spec = old.spec, new.spec
    kind = spec.type or services.CLUSTER_IP
    spec = _agreeing(before, msgspec.structs.replace(spec, type=kind))
    if services.EXTERNAL_NAME not in (before.type, kind):
        spec = _with_families(before, _with_cluster_ip(before, spec))
    elif kind == services.EXTERNAL_NAME and spec.cluster_ip == before.cluster_ip:
        spec = _without_addresses(before, spec)
    if services.wants_node_ports(before):
        spec = _with_node_ports(before, spec) if services.wants_node_ports(spec) else _without_node_ports(before, spec)
    return msgspec.structs.replace(new, spec=_without_settings(before, spec))


def _agreeing(before: ServiceSpec, spec: ServiceSpec) -> ServiceSpec:
    """Let `clusterIPs` follow `clusterIP`, which says the same, where a writer changed that alone."""
    if spec.cluster_ip == before.cluster_ip or spec.cluster_ips != before.cluster_ips:
        return spec
    return msgspec.structs.replace(spec, cluster_ips=(spec.cluster_ip,) if spec.cluster_ip else ())


def _with_cluster_ip(before: ServiceSpec, spec: ServiceSpec) -> ServiceSpec:
    """Whoever writes a Service whole need not know its address."""
    if spec.cluster_ip or spec.cluster_ips:
        return spec
    return msgspec.structs.replace(spec, cluster_ip=before.cluster_ip, cluster_ips=before.cluster_ips)


def _with_families(before: ServiceSpec, spec: ServiceSpec) -> ServiceSpec:
    """Nor its families, while its addresses are the same; who names another policy says what they are to be."""
    policy = spec.ip_family_policy or before.ip_family_policy
    is_same = (policy, spec.cluster_ips) == (before.ip_family_policy, before.cluster_ips)
    families = before.ip_families if is_same and not spec.ip_families else spec.ip_families
    return msgspec.structs.replace(spec, ip_family_policy=policy, ip_families=families)


def _without_addresses(before: ServiceSpec, spec: ServiceSpec) -> ServiceSpec:
    dropped = {"cluster_ip": "", "cluster_ips": (), "ip_family_policy": None, "ip_families": ()}
    if spec.internal_traffic_policy == before.internal_traffic_policy:
        dropped["internal_traffic_policy"] = None
    return msgspec.structs.replace(spec, **dropped)


def _with_node_ports(before: ServiceSpec, spec: ServiceSpec) -> ServiceSpec:
    had = {(each.port, each.protocol): each.node_port for each in before.ports}
    asked = {(each.node_port, each.protocol or "TCP") for each in spec.ports}

    def numbered(port: ServicePort) -> ServicePort:
        own = had.get((port.port, port.protocol or "TCP"), 0)
        if port.node_port or (own, port.protocol or "TCP") in asked:
            return port
        return msgspec.structs.replace(port, node_port=own)

    return msgspec.structs.replace(spec, ports=tuple(map(numbered, spec.ports)))


def _without_node_ports(before: ServiceSpec, spec: ServiceSpec) -> ServiceSpec:
    """Take the ports of the nodes away, unless the writer asks for others: that is then refused."""
    had = {(each.node_port, each.protocol) for each in before.ports}
    if any(each.node_port and (each.node_port, each.protocol or "TCP") not in had for each in spec.ports):
        return spec
    return msgspec.structs.replace(spec, ports=tuple(msgspec.structs.replace(each, node_port=0) for each in spec.ports))


def _without_settings(before: ServiceSpec, spec: ServiceSpec) -> ServiceSpec:
    dropped: dict[str, object] = {}
    is_same = spec.external_traffic_policy == before.external_traffic_policy
    if is_same and services.is_external(before) and not services.is_external(spec):
        dropped["external_traffic_policy"] = ""
    is_same = spec.allocate_load_balancer_node_ports == before.allocate_load_balancer_node_ports
    if is_same and before.type == services.LOAD_BALANCER != spec.type:
        dropped["allocate_load_balancer_node_ports"] = None
    return msgspec.structs.replace(spec, **dropped)
