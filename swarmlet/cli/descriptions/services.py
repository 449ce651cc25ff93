"""What `describe` tells of Services beyond what it tells of all. Source: kubectl pkg/describe (describeService)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarmlet.cli.session import Session

Document = Mapping[str, Any]
Lines = list[tuple[str, Any]]

NONE = "<none>"
UNSET = "<unset>"
ADDRESSES_SHOWN_MAX = 10
SERVICE_NAME_LABEL = "kubernetes.io/service-name"

_OPTIONAL = (
    ("External IPs", "externalIPs"),
    ("External Name", "externalName"),
    ("LoadBalancer Source Ranges", "loadBalancerSourceRanges"),
    ("External Traffic Policy", "externalTrafficPolicy"),
    ("Internal Traffic Policy", "internalTrafficPolicy"),
)


def service(document: Document) -> Lines:
    """Return the lines of a Service."""
    spec, status = document["spec"], document.get("status") or {}
    lines: Lines = [
        ("Selector", ",".join(f"{key}={text}" for key, text in sorted((spec.get("selector") or {}).items())) or NONE),
        ("Type", str(spec.get("type", NONE))),
        ("IP Family Policy", str(spec.get("ipFamilyPolicy", NONE))),
        ("IP Families", ",".join(spec.get("ipFamilies") or ()) or NONE),
        ("IP", str(spec.get("clusterIP", NONE))),
        ("IPs", ",".join(spec.get("clusterIPs") or ()) or NONE),
    ]
    for label, key in _OPTIONAL:
        if value := spec.get(key):
            lines.append((label, value if isinstance(value, str) else ",".join(value)))
    if ingress := (status.get("loadBalancer") or {}).get("ingress"):
        lines.append(("LoadBalancer Ingress", ",".join(each.get("ip") or each.get("hostname", "") for each in ingress)))
    for port in spec.get("ports") or ():
        lines += _port(port)
    return [*lines, ("Session Affinity", str(spec.get("sessionAffinity", "None")))]


def endpoint_slice(document: Document) -> Lines:
    """Return the lines of an EndpointSlice."""
    told = document.get("ports") or ()
    ports = [f"{_name(each)}  {each.get('port', '*')}/{each.get('protocol', 'TCP')}" for each in told]
    lines: Lines = [("AddressType", str(document.get("addressType", NONE))), ("Ports", ports or [UNSET])]
    return [*lines, ("Endpoints", [_endpoint(each) for each in document.get("endpoints") or ()] or NONE)]


async def surroundings(session: Session, document: Document) -> Lines:
    """Return where a Service leads now, by its EndpointSlices."""
    from swarmlet.client.client import Scope

    metadata = document["metadata"]
    slices = (await session.catalogue()).find("endpointslices")
    scope = Scope(namespace=metadata["namespace"], labels=f"{SERVICE_NAME_LABEL}={metadata['name']}")
    listed = (await session.api.list(slices, scope)).get("items") or ()
    return [("Endpoints", _shortened(_ready_addresses(listed)) or NONE)]


def _port(port: Document) -> Lines:
    protocol = port.get("protocol", "TCP")
    lines: Lines = [
        ("Port", f"{_name(port)}  {port['port']}/{protocol}"),
        ("TargetPort", f"{port.get('targetPort', port['port'])}/{protocol}"),
    ]
    if port.get("nodePort"):
        lines.append(("NodePort", f"{_name(port)}  {port['nodePort']}/{protocol}"))
    return lines


def _name(port: Document) -> str:
    return port.get("name") or UNSET


def _endpoint(endpoint: Document) -> str:
    conditions = endpoint.get("conditions") or {}
    state = "ready" if conditions.get("ready", True) else "not ready"
    if conditions.get("terminating"):
        state = "terminating"
    of_whom = (endpoint.get("targetRef") or {}).get("name", "")
    where = f" on {endpoint['nodeName']}" if endpoint.get("nodeName") else ""
    return f"{','.join(endpoint['addresses'])} {state}: {of_whom}{where}".rstrip(": ")


def _ready_addresses(slices: Iterable[Document]) -> list[str]:
    found = []
    for each in slices:
        for endpoint in each.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready", True):
                address = endpoint["addresses"][0]
                found += [f"{address}:{port['port']}" for port in each.get("ports") or () if port.get("port")] or [
                    address
                ]
    return found


def _shortened(texts: list[str]) -> str:
    more = len(texts) - ADDRESSES_SHOWN_MAX
    return ",".join(texts[:ADDRESSES_SHOWN_MAX]) + (f" + {more} more..." if more > 0 else "")
