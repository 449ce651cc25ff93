"""The rows of Services and EndpointSlices.

Source: kubernetes/pkg/printers/internalversion/printers.go (printService, printEndpointSlice).
"""

from __future__ import annotations

from datetime import datetime

from swarmlet.api.tables.durations import since
from swarmlet.model import services
from swarmlet.model.services import EndpointPort, EndpointSlice, Service, ServicePort

NONE = "<none>"
UNSET = "<unset>"
PENDING = "<pending>"
SHOWN_MAX = 3


def service(value: Service, now: datetime) -> list[object]:
    """Return the cells of `kubectl get services`."""
    spec = value.spec
    return [
        value.metadata.name,
        spec.type,
        (spec.cluster_ips[0] if spec.cluster_ips else spec.cluster_ip) or NONE,
        _external(value),
        ",".join(map(_service_port, spec.ports)) or NONE,
        since(value.metadata.creation_timestamp, now),
        ",".join(f"{key}={text}" for key, text in sorted(spec.selector.items())) or NONE,
    ]


def endpoint_slice(value: EndpointSlice, now: datetime) -> list[object]:
    """Return the cells of `kubectl get endpointslices`."""
    addresses = [address for each in value.endpoints for address in each.addresses]
    return [
        value.metadata.name,
        value.address_type,
        _shortened([_endpoint_port(each) for each in value.ports]) or UNSET,
        _shortened(addresses) or UNSET,
        since(value.metadata.creation_timestamp, now),
    ]


def _external(value: Service) -> str:
    spec = value.spec
    if spec.type == services.EXTERNAL_NAME:
        return spec.external_name
    given = ",".join(spec.external_ips)
    if spec.type != services.LOAD_BALANCER:
        return given or NONE
    ingress = value.status.load_balancer.ingress
    found = ",".join(dict.fromkeys(each.ip or each.hostname for each in ingress))
    return ",".join(filter(None, (found, given))) or PENDING


def _service_port(port: ServicePort) -> str:
    on_nodes = f":{port.node_port}" if port.node_port else ""
    return f"{port.port}{on_nodes}/{port.protocol}"


def _endpoint_port(port: EndpointPort) -> str:
    return "*" if port.port is None else str(port.port)


def _shortened(texts: list[str]) -> str:
    more = len(texts) - SHOWN_MAX
    return ",".join(texts[:SHOWN_MAX]) + (f" + {more} more..." if more > 0 else "")
