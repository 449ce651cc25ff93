"""The ports of a service: those that its container listens on, and those of the machines that lead there."""

from __future__ import annotations

from swarmlet.manifests.compose.conversion.draft import Document, Draft, ServiceDraft
from swarmlet.manifests.compose.model.networking import Port
from swarmlet.manifests.compose.model.services import Service

PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  what Compose means by all addresses

Inner = tuple[int, str]
"""A port that the container listens on, and its protocol."""


def container_ports(it: ServiceDraft) -> list[Document]:
    """Return the container's ports; those that are published on its machine alone have that port too."""
    held = _held(it)
    found = []
    for number, protocol in inner_ports(it):
        document: Document = {"containerPort": number, "protocol": protocol}
        if port := held.get((number, protocol)):
            document |= _host_port(it, port)
        found.append(document)
    return found


def _held(it: ServiceDraft) -> dict[Inner, Port]:
    """Return the port of the machine that leads to each of the container's: to one there can be one."""
    held: dict[Inner, Port] = {}
    for port in filter(is_of_the_machine, it.service.ports):
        first = held.setdefault((port.target, protocol_of(port)), port)
        if first is not port:
            left = ":".join(filter(None, (port.host_ip, port.published)))
            it.warn("ports", f"{left} is left out: one port of the machine leads to {port.target}, {first.published}")
    return held


def is_of_the_machine(port: Port) -> bool:
    """Whether a port is published on the Pod's own machine only: asked for, or on one address, which no other has."""
    return port.mode == "host" or port.host_ip not in EVERYWHERE


def published_everywhere(service: Service) -> list[Port]:
    """Return the ports that every machine leads to the service."""
    return [port for port in service.ports if not is_of_the_machine(port)]


def check_published(draft: Draft) -> None:
    """Refuse two services at one port of the machines: as on one machine, only one of them can have it.

    Raises:
        ManifestError: the second, by the name of the first.
    """
    holders: dict[Inner, str] = {}
    for key, service in draft.project.services.items():
        for port in published_everywhere(service):
            if not port.published:
                continue
            number = _first(port)
            holder = holders.setdefault((number, protocol_of(port)), key)
            if holder != key:
                what = f"{number}/{protocol_of(port).lower()} is published by {holder} already"
                raise draft.refusal(f"services.{key}.ports", f"{what}; every machine has it once")
    for key, service in draft.project.services.items():
        for port in service.ports:
            if port.mode != "host" or port.host_ip not in EVERYWHERE or not port.published:
                continue
            number = _first(port)
            if holder := holders.get((number, protocol_of(port)), ""):
                what = f"{number}/{protocol_of(port).lower()} is published by {holder} on every machine"
                raise draft.refusal(f"services.{key}.ports", f"{what}, and mode: host wants it on one")


def _first(port: Port) -> int:
    return int(port.published.partition("-")[0])


def inner_ports(it: ServiceDraft) -> list[Inner]:
    """Return the ports that the container listens on, as `ports` and `expose` name them, each once."""
    found = dict.fromkeys((port.target, protocol_of(port)) for port in it.service.ports)
    for text in it.service.expose:
        numbers, _, protocol = text.partition("/")
        first, _, last = numbers.partition("-")
        for number in range(int(first), int(last or first) + 1):
            found[number, PROTOCOLS.get(protocol or "tcp", "TCP")] = None
    return list(found)


def protocol_of(port: Port) -> str:
    """Return a port's protocol, in the words of Kubernetes."""
    return PROTOCOLS.get(port.protocol.lower(), "TCP")


def service_port(port: int, target: int, protocol: str) -> Document:
    """Return a port of a Service."""
    return {"name": f"{protocol.lower()}-{port}", "port": port, "targetPort": target, "protocol": protocol}


def published(it: ServiceDraft, ports: list[Port]) -> Document:
    """Return the spec of the Service that has ports of every machine.

    Raises:
        ManifestError: one port leads to two of the container's.
    """
    found: dict[Inner, Document] = {}
    for port in ports:
        if "-" in port.published:
            it.warn("ports", f"{port.published} is a range: its first port is taken")
        number, protocol = _first(port), protocol_of(port)
        document = service_port(number, port.target, protocol)
        document |= {"appProtocol": port.app_protocol} if port.app_protocol else {}
        other = found.setdefault((number, protocol), document)  # "0.0.0.0:80:80" and "[::]:80:80" say the same
        if other["targetPort"] != port.target:
            raise it.refusal("ports", f"{number} cannot lead to {other['targetPort']} and to {port.target}")
    return {"type": "LoadBalancer", "ports": list(found.values())}


def _host_port(it: ServiceDraft, port: Port) -> Document:
    if not port.published:
        it.warn("ports", f"{port.target} is published on no fixed port of the machine: write one for mode: host")
        return {}
    if port.host_ip not in EVERYWHERE:
        it.warn(
            "ports", f"{port.host_ip}:{port.published} is open on the machine that the Pod runs on, and on no other"
        )
    document: Document = {"hostPort": _first(port)}
    return document | ({"hostIP": port.host_ip} if port.host_ip else {})
