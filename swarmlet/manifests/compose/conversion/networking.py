"""How a service is reached: its name for the others, its ports on the machines, its place on their network.

The Service of a service's own name has the ports that `ports` and `expose` name, as the container listens on them.
Where they name none it is headless: the name leads to the Pods themselves, on whatever port. What `ports` publishes is
a second Service, for the port outside need not be the one inside.
"""

from __future__ import annotations

import ipaddress

from swarmlet.manifests.compose.conversion import isolation, ports, unsupported
from swarmlet.manifests.compose.conversion.draft import (
    Document,
    Draft,
    ServiceDraft,
    object_name,
    with_labels,
    without_empty,
)
from swarmlet.manifests.compose.model.deploy import Deploy
from swarmlet.model import syntax

HOST_GATEWAY = "host-gateway"
NAME_SERVERS_MAX = 3
PUBLISHED = "published"
RANDOM = "random-port"


def services(it: ServiceDraft, *, is_alone: bool) -> list[Document]:
    """Return the Services by which a service is reached.

    `is_alone`: it has one Pod at a time, so no other could serve while that is not ready; then its names lead there
    from the start, as in Compose. Members of a cluster (etcd, Kafka) are not ready before they found each other.
    """
    inner = ports.inner_ports(it)
    headless = (it.service.deploy or Deploy()).endpoint_mode == "dnsrr" or not inner
    listed = [ports.service_port(number, number, protocol) for number, protocol in inner]
    spec: Document = {"clusterIP": "None"} if headless else {}
    spec |= {"publishNotReadyAddresses": True} if is_alone else {}
    found = [_service(it, name, {**spec, "ports": listed}) for name in (it.name, *_aliases(it))]
    outside = ports.published_everywhere(it.service)
    if outside and isolation.is_internal(it):
        it.warn("ports", "not published: nothing outside reaches a service whose networks are all internal")
        return found
    if fixed := [port for port in outside if port.published]:
        found.append(_service(it, object_name(f"{it.name}-{PUBLISHED}"), ports.published(it, fixed)))
    if free := [port for port in outside if not port.published]:
        spec = {
            "type": "NodePort",
            "ports": [ports.service_port(port.target, port.target, ports.protocol_of(port)) for port in free],
        }
        found.append(_service(it, object_name(f"{it.name}-{RANDOM}"), spec))
    return found


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


def _service(it: ServiceDraft, name: str, spec: Document) -> Document:
    whole = without_empty({**spec, "selector": it.draft.selector(it.key)})
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": whole}
    return with_labels(document, it.draft.labels(it.key))


# Names.


def _other_names(it: ServiceDraft) -> dict[str, str]:
    """Return what a service is called beside its name, and the key that says so."""
    wanted: dict[str, str] = {}
    for network, attachment in it.service.networks.items():
        wanted |= dict.fromkeys(attachment.aliases, f"networks.{network}.aliases")
    if it.service.container_name:
        wanted[it.service.container_name] = "container_name"
    if it.service.hostname and _hostname_is_its_own(it):
        wanted.setdefault(it.service.hostname, "hostname")
    for key, other in it.draft.project.services.items():
        for link in other.links:
            name, _, alias = link.partition(":")
            if name == it.key and alias:
                wanted[alias] = "links"
                it.draft.warn(
                    f"services.{key}.links", f"{alias} leads to {it.name} for all services, not for {key} alone"
                )
    return wanted


def _aliases(it: ServiceDraft) -> list[str]:
    """Return the other names by which a service is found: each is a Service too."""
    taken = set(it.draft.names.values())
    found = []
    for alias, key in _other_names(it).items():
        if alias in taken:
            if alias != it.name:
                it.warn(key, f"{alias} is another service's name, and leads there")
            continue
        if syntax.dns_1035_label(alias):
            it.warn(key, f"{alias!r} cannot be a name here: the service is found as {it.name}")
            continue
        found.append(alias)
    return found


def _hostname_is_its_own(it: ServiceDraft) -> bool:
    """Whether a host name may be a name for others: it can be one, and no second service bears it."""
    name = it.service.hostname
    others = [each.hostname for key, each in it.draft.project.services.items() if key != it.key]
    return not syntax.dns_1035_label(name) and name not in others


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
            return {}  # isolation.py: it has an address, and nobody to speak with
    raise it.refusal("network_mode", f"{mode!r}: containers of two services cannot share an address here")


def _of_the_host(it: ServiceDraft, key: str, value: str) -> bool | None:
    if value == "host":
        return True
    if value.startswith(("service:", "container:")):
        raise it.refusal(key, f"{value!r}: containers of two services cannot share it here")
    if value not in {"", "private", "shareable", "none"}:
        it.warn(key, f"{value!r} ignored")
    return None


def networks(draft: Draft) -> list[Document]:
    """Return what keeps services apart that share no network, and say what networks cannot be here."""
    for key, network in draft.project.networks.items():
        unsupported.warn_network(draft, key, network)
    for key, service in draft.project.services.items():
        for name, attachment in service.networks.items():
            unsupported.warn_attachment(draft, f"services.{key}.networks.{name}", attachment)
    return isolation.policies(draft)
