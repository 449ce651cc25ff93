"""The rows of Services and EndpointSlices.

Source: kubernetes/pkg/printers/internalversion/printers.go (printService, printEndpointSlice).
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.shapes import AGE, NAME, NONE, UNSET, Column, Columns, age, labels, shortened
from swarmlet.model import services
from swarmlet.model.services import EndpointPort, EndpointSlice, Service, ServicePort

PENDING = "<pending>"
SHOWN_MAX = 3


def _service(value: Service, now: datetime) -> list[object]:
    spec = value.spec
    return [
        value.metadata.name,
        spec.type,
        (spec.cluster_ips[0] if spec.cluster_ips else spec.cluster_ip) or NONE,
        _external(value),
        ",".join(map(_service_port, spec.ports)) or NONE,
        age(value, now),
        labels(spec.selector),
    ]


def _endpoint_slice(value: EndpointSlice, now: datetime) -> list[object]:
    addresses = [address for each in value.endpoints for address in each.addresses]
    return [
        value.metadata.name,
        value.address_type,
        shortened(map(_endpoint_port, value.ports), SHOWN_MAX) or UNSET,
        shortened(addresses, SHOWN_MAX) or UNSET,
        age(value, now),
    ]


def _external(value: Service) -> str:
    spec = value.spec
    if spec.type == services.EXTERNAL_NAME:
        return spec.external_name
    given = ",".join(spec.external_ips)
    if spec.type != services.LOAD_BALANCER:
        return given or NONE
    ingress = value.status.load_balancer.ingress
    found = ",".join(sorted({each.ip or each.hostname for each in ingress} - {""}))
    return ",".join(filter(None, (found, given))) or PENDING


def _service_port(port: ServicePort) -> str:
    on_nodes = f":{port.node_port}" if port.node_port else ""
    return f"{port.port}{on_nodes}/{port.protocol}"


def _endpoint_port(port: EndpointPort) -> str:
    return (port.name or "*") if port.port is None else str(port.port)


SERVICE = Columns(
    (
        NAME,
        Column("Type", field="api.core.v1.ServiceSpec.type"),
        Column("Cluster-IP", field="api.core.v1.ServiceSpec.clusterIP"),
        Column("External-IP", field="api.core.v1.ServiceSpec.externalIPs"),
        Column("Port(s)", field="api.core.v1.ServiceSpec.ports"),
        AGE,
        Column("Selector", priority=1, field="api.core.v1.ServiceSpec.selector"),
    ),
    _service,
)
ENDPOINT_SLICE = Columns(
    (
        NAME,
        Column("AddressType", field="api.discovery.v1.EndpointSlice.addressType"),
        Column("Ports", field="api.discovery.v1.EndpointSlice.ports"),
        Column("Endpoints", field="api.discovery.v1.EndpointSlice.endpoints"),
        AGE,
    ),
    _endpoint_slice,
)
