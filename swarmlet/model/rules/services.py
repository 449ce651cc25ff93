"""Rules of Service. Source: kubernetes pkg/apis/core/validation (ValidateService, ValidateServiceUpdate)."""

from __future__ import annotations

from collections.abc import Iterable

from swarmlet.model import ip_families, service_families, services, syntax
from swarmlet.model.problems import Place, Problems
from swarmlet.model.rules import addresses, meta

TYPES = (services.CLUSTER_IP, services.EXTERNAL_NAME, services.LOAD_BALANCER, services.NODE_PORT)
PROTOCOLS = ("TCP", "UDP")
AFFINITIES = (services.CLIENT_IP, services.NO_AFFINITY)
POLICIES = (services.CLUSTER, services.LOCAL)
CLIENT_IP_SECONDS_MAX = 86_400
NOT_FOR_TYPE = "may only be set when `type` is 'LoadBalancer'"


def service(value: services.Service, problems: Problems) -> None:
    """Check a Service."""
    place, spec = problems.at("spec"), value.spec
    problems.at("metadata").field("name").invalid_each(value.metadata.name, syntax.dns_1035_label(value.metadata.name))
    place.field("type").one_of(spec.type, TYPES)
    _name_elsewhere(spec, place)
    _cluster_ips(spec, place)
    _ports(spec, place.field("ports"))
    meta.label_map(spec.selector, place.field("selector"))
    _affinity(spec, place)
    for inner, address in place.field("externalIPs").each(spec.external_ips):
        _external_ip(address, inner)
    _policies(spec, place)
    _load_balancer(spec, place)


def service_update(new: services.Service, old: services.Service, problems: Problems) -> None:
    """Check what of a Service may not change: the addresses and families that it has, while it has them."""
    if services.EXTERNAL_NAME not in (new.spec.type, old.spec.type):
        service_families.check_update(new.spec, old.spec, problems.at("spec"))


def _name_elsewhere(spec: services.ServiceSpec, place: Place) -> None:
    named = place.field("externalName")
    if spec.type != services.EXTERNAL_NAME:
        if spec.external_name:
            named.forbidden("may only be set when `type` is 'ExternalName'")
        return
    if spec.cluster_ip:
        place.field("clusterIPs").forbidden("may not be set for ExternalName services")
    if not spec.external_name:
        named.required()
    else:
        named.invalid_each(spec.external_name, syntax.dns_subdomain(spec.external_name.removesuffix(".")))


def _cluster_ips(spec: services.ServiceSpec, place: Place) -> None:
    if spec.type == services.EXTERNAL_NAME:
        return
    service_families.check(spec, place)
    if spec.cluster_ip == services.HEADLESS and spec.type in (services.NODE_PORT, services.LOAD_BALANCER):
        why = f"may not be set to 'None' for {spec.type} services"
        place.field("clusterIPs").key(0).invalid(list(spec.cluster_ips), why)


def _ports(spec: services.ServiceSpec, place: Place) -> None:
    if not spec.ports and spec.type != services.EXTERNAL_NAME and spec.cluster_ip != services.HEADLESS:
        place.required()
    for inner, port in place.each(spec.ports):
        _port(spec, port, inner)
    _distinct(place, "", ((each.port, each.protocol) for each in spec.ports))
    _distinct(place, "name", (each.name or None for each in spec.ports))
    _distinct(place, "nodePort", ((each.node_port, each.protocol) if each.node_port else None for each in spec.ports))


def _port(spec: services.ServiceSpec, port: services.ServicePort, place: Place) -> None:
    if port.name:
        place.field("name").invalid_each(port.name, syntax.dns_label(port.name))
    elif len(spec.ports) > 1:
        place.field("name").required()
    place.field("port").invalid_each(port.port, syntax.port_number(port.port))
    place.field("protocol").one_of(port.protocol, PROTOCOLS)
    target = port.target_port
    if isinstance(target, int):
        place.field("targetPort").invalid_each(target, syntax.port_number(target))
    elif target is not None:
        place.field("targetPort").invalid_each(target, syntax.port_name(target))
    if port.app_protocol:
        place.field("appProtocol").invalid_each(port.app_protocol, syntax.label_key(port.app_protocol))
    if port.node_port:
        if spec.type not in (services.NODE_PORT, services.LOAD_BALANCER):
            place.field("nodePort").forbidden("may not be used when `type` is 'ClusterIP'")
        else:
            place.field("nodePort").invalid_each(port.node_port, syntax.port_number(port.node_port))


def _distinct(place: Place, name: str, values: Iterable[object]) -> None:
    seen: set[object] = set()
    for inner, value in place.each(values):
        if value is not None and value in seen:
            told = value[0] if isinstance(value, tuple) and name else value
            (inner.field(name) if name else inner).duplicate(told)
        seen.add(value)


def _affinity(spec: services.ServiceSpec, place: Place) -> None:
    place.field("sessionAffinity").one_of(spec.session_affinity, AFFINITIES)
    config = spec.session_affinity_config
    if config is None or config.client_ip is None:
        return
    seconds = config.client_ip.timeout_seconds or 0
    if not 0 < seconds <= CLIENT_IP_SECONDS_MAX:
        where = place.field("sessionAffinityConfig").field("clientIP").field("timeoutSeconds")
        where.invalid(seconds, f"must be greater than 0 and less than {CLIENT_IP_SECONDS_MAX}")


def _policies(spec: services.ServiceSpec, place: Place) -> None:
    outside = place.field("externalTrafficPolicy")
    if spec.external_traffic_policy and not services.is_external(spec):
        outside.invalid(spec.external_traffic_policy, "may only be set for externally-accessible services")
    elif services.is_external(spec):
        outside.one_of(spec.external_traffic_policy, POLICIES)
    if spec.internal_traffic_policy is not None:
        place.field("internalTrafficPolicy").one_of(spec.internal_traffic_policy, POLICIES)


def _load_balancer(spec: services.ServiceSpec, place: Place) -> None:
    if spec.type != services.LOAD_BALANCER:
        if spec.load_balancer_source_ranges:
            place.field("loadBalancerSourceRanges").forbidden(NOT_FOR_TYPE)
        if spec.allocate_load_balancer_node_ports is not None:
            place.field("allocateLoadBalancerNodePorts").forbidden(NOT_FOR_TYPE)
    for inner, text in place.field("loadBalancerSourceRanges").each(spec.load_balancer_source_ranges):
        if not ip_families.is_network(text.strip()):
            inner.invalid(text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")


def _external_ip(text: str, place: Place) -> None:
    if not ip_families.is_address(text):
        place.invalid(text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    else:
        addresses.not_special(text, place)
