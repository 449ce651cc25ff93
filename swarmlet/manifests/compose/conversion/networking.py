"""How a service is reached: its name for the others, its ports on the machines, its place on their network.

The Service of a service's own name has the ports that `ports` and `expose` name, as the container listens on them.
Where they name none it is headless: the name leads to the Pods themselves, on whatever port. What `ports` publishes is
a second Service, for the port outside need not be the one inside.
"""

from __future__ import annotations

import ipaddress

from swarmlet.manifests.compose.conversion import unsupported
from swarmlet.manifests.compose.conversion.draft import (
    Document,
    Draft,
    ServiceDraft,
    object_name,
    with_labels,
    without_empty,
)
from swarmlet.manifests.compose.model.deploy import Deploy
from swarmlet.manifests.compose.model.networking import Port
from swarmlet.model import syntax

PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}
HOST_GATEWAY = "host-gateway"
NAME_SERVERS_MAX = 3
PUBLISHED = "published"
RANDOM = "random-port"
DEFAULT_NETWORK = "default"
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  what Compose means by all addresses

Inner = tuple[int, str]
"""A port that the container listens on, and its protocol."""


def services(it: ServiceDraft) -> list[Document]:
    """Return the Services by which a service is reached."""
    inner = _inner_ports(it)
    headless = (it.service.deploy or Deploy()).endpoint_mode == "dnsrr" or not inner
    ports = [_service_port(number, number, protocol) for number, protocol in inner]
    spec: Document = {"clusterIP": "None"} if headless else {}
    found = [_service(it, name, {**spec, "ports": ports}) for name in (it.name, *_aliases(it))]
    outside = [port for port in it.service.ports if not is_of_the_machine(port)]
    if fixed := [port for port in outside if port.published]:
        found.append(_service(it, object_name(f"{it.name}-{PUBLISHED}"), _published(it, fixed)))
    if free := [port for port in outside if not port.published]:
        spec = {
            "type": "NodePort",
            "ports": [_service_port(port.target, port.target, _protocol(port)) for port in free],
        }
        found.append(_service(it, object_name(f"{it.name}-{RANDOM}"), spec))
    return found


def container_ports(it: ServiceDraft) -> list[Document]:
    """Return the container's ports; those that are published on its machine alone have that port too."""
    held = _held(it)
    found = []
    for number, protocol in _inner_ports(it):
        document: Document = {"containerPort": number, "protocol": protocol}
        if port := held.get((number, protocol)):
            document |= _host_port(it, port)
        found.append(document)
    return found


def _held(it: ServiceDraft) -> dict[Inner, Port]:
    """Return the port of the machine that leads to each of the container's: to one there can be one."""
    held: dict[Inner, Port] = {}
    for port in filter(is_of_the_machine, it.service.ports):
        first = held.setdefault((port.target, _protocol(port)), port)
        if first is not port:
            left = ":".join(filter(None, (port.host_ip, port.published)))
            it.warn("ports", f"{left} is left out: one port of the machine leads to {port.target}, {first.published}")
    return held


def is_of_the_machine(port: Port) -> bool:
    """Whether a port is published on the Pod's own machine only: asked for, or on one address, which no other has."""
    return port.mode == "host" or port.host_ip not in EVERYWHERE


def host_fields(it: ServiceDraft) -> Document:
    """Return the fields of a Pod's spec about names, name servers and the machine's namespaces."""
    service = it.service
    spec: Document = {
        **_network_mode(it),
        "hostname": _hostname(it),
        "hostAliases": _host_aliases(it),
        "dnsConfig": _name_servers(it),
        "hostPID": _of_the_host(it, "pid", service.pid),
        "hostIPC": _of_the_host(it, "ipc", service.ipc),
    }
    return without_empty(spec)


# Ports.


def _inner_ports(it: ServiceDraft) -> list[Inner]:
    found = dict.fromkeys((port.target, _protocol(port)) for port in it.service.ports)
    for text in it.service.expose:
        numbers, _, protocol = text.partition("/")
        first, _, last = numbers.partition("-")
        for number in range(int(first), int(last or first) + 1):
            found[number, PROTOCOLS.get(protocol or "tcp", "TCP")] = None
    return list(found)


def _protocol(port: Port) -> str:
    return PROTOCOLS.get(port.protocol.lower(), "TCP")


def _service_port(port: int, target: int, protocol: str) -> Document:
    return {"name": f"{protocol.lower()}-{port}", "port": port, "targetPort": target, "protocol": protocol}


def _published(it: ServiceDraft, ports: list[Port]) -> Document:
    found: dict[Inner, Document] = {}
    for port in ports:
        if "-" in port.published:
            it.warn("ports", f"{port.published} is a range: its first port is taken")
        number, protocol = int(port.published.partition("-")[0]), _protocol(port)
        document = _service_port(number, port.target, protocol)
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
    document: Document = {"hostPort": int(port.published.partition("-")[0])}
    return document | ({"hostIP": port.host_ip} if port.host_ip else {})


def _service(it: ServiceDraft, name: str, spec: Document) -> Document:
    whole = without_empty({**spec, "selector": it.draft.selector(it.key)})
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": whole}
    return with_labels(document, it.draft.labels(it.key))


# Names.


def _aliases(it: ServiceDraft) -> list[str]:
    """Return the other names by which a service is found: each is a Service too."""
    wanted: dict[str, str] = {}
    for network, attachment in it.service.networks.items():
        wanted |= dict.fromkeys(attachment.aliases, f"networks.{network}.aliases")
    if it.service.container_name:
        wanted[it.service.container_name] = "container_name"
    for key, other in it.draft.project.services.items():
        for link in other.links:
            name, _, alias = link.partition(":")
            if name == it.key and alias:
                wanted[alias] = "links"
                it.draft.warn(
                    f"services.{key}.links", f"{alias} leads to {it.name} for all services, not for {key} alone"
                )
    taken = set(it.draft.names.values())
    found = []
    for alias, key in wanted.items():
        if alias in taken:
            if alias != it.name:
                it.warn(key, f"{alias} is another service's name, and leads there")
            continue
        if syntax.dns_1035_label(alias):
            it.warn(key, f"{alias!r} cannot be a name here: the service is found as {it.name}")
            continue
        found.append(alias)
    return found


def _hostname(it: ServiceDraft) -> str:
    name = it.service.hostname
    if name and syntax.dns_label(name):
        it.warn("hostname", f"{name!r} ignored: a host's name is lower case letters, digits and '-'")
        return ""
    return name


def _host_aliases(it: ServiceDraft) -> list[Document]:
    by_address: dict[str, list[str]] = {}
    for name, addresses in it.service.extra_hosts.items():
        if wrong := syntax.dns_subdomain(name):
            it.warn("extra_hosts", f"{name!r} is left out: {wrong[0]}")
            continue
        for address in addresses:
            if address == HOST_GATEWAY:
                it.warn("extra_hosts", f"{name} is left out: which machine it will be is not known before")
            elif _is_address(address):
                by_address.setdefault(address, []).append(name)
            else:
                it.warn("extra_hosts", f"{name} is left out: {address!r} is no address")
    return [{"ip": address, "hostnames": names} for address, names in by_address.items()]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _name_servers(it: ServiceDraft) -> Document:
    service = it.service
    if len(service.dns) > NAME_SERVERS_MAX:
        it.warn("dns", f"only the first {NAME_SERVERS_MAX} are asked")
    options = [dict(zip(("name", "value"), text.split(":", 1), strict=False)) for text in service.dns_opt]
    searches = [domain for domain in service.dns_search if domain != "."]
    return without_empty(
        {"nameservers": list(service.dns[:NAME_SERVERS_MAX]), "searches": searches, "options": options}
    )


# Namespaces and networks.


def _network_mode(it: ServiceDraft) -> Document:
    mode = it.service.network_mode
    match mode.partition(":")[0]:
        case "" | "bridge" | "default":
            return {}
        case "host":
            return {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
        case "none":
            it.warn("network_mode", "none is not enforced: the Pod has an address, and can reach others")
            return {}
    raise it.refusal("network_mode", f"{mode!r}: containers of two services cannot share an address here")


def _of_the_host(it: ServiceDraft, key: str, value: str) -> bool | None:
    if value == "host":
        return True
    if value.startswith(("service:", "container:")):
        raise it.refusal(key, f"{value!r}: containers of two services cannot share it here")
    if value not in {"", "private", "shareable", "none"}:
        it.warn(key, f"{value!r} ignored")
    return None


def networks(draft: Draft) -> None:
    """Say what becomes of networks: all Pods of the cluster can reach each other."""
    used = {name for service in draft.project.services.values() for name in service.networks}
    if len(used) > 1 or (used and used != {DEFAULT_NETWORK} and len(draft.project.services) > 1):
        told = ", ".join(sorted(used))
        draft.warn("networks", f"{told}: not kept apart; all Pods reach each other until network policies come")
    for key, network in draft.project.networks.items():
        if network.internal:
            draft.warn(f"networks.{key}.internal", "not enforced: the Pods can reach what is outside")
        unsupported.warn_network(draft, key, network)
    for key, service in draft.project.services.items():
        for name, attachment in service.networks.items():
            unsupported.warn_attachment(draft, f"services.{key}.networks.{name}", attachment)
