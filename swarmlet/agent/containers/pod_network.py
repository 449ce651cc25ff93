"""What a Pod asks of its network: its names, its ports, its name servers. Pure.

Source: kubernetes pkg/kubelet/network/dns/dns.go, pkg/kubelet/kubelet_pods.go (GeneratePodHostNameAndDomain).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from swarmlet.errors import SwarmletError
from swarmlet.model import pod_network as model
from swarmlet.model import pods, security, sysctls
from swarmlet.model.pod import Pod
from swarmlet.model.rules.pod_network import NAMESERVERS_MAX, SEARCHES_MAX
from swarmlet.runtime import runtime
from swarmlet.runtime.isolation import NameServers

HOSTNAME_CHARACTERS_MAX = 63
KERNEL_HOSTNAME_CHARACTERS_MAX = 64
CLUSTER_NDOTS = "ndots:5"
"""A name of fewer dots is looked for in the cluster first: so many has the longest that it knows."""


class HostnameError(SwarmletError):
    """The kernel takes no name as long as this."""


def network(pod: Pod, name_servers: NameServers | None = None) -> runtime.PodNetwork:
    """Return what whoever holds the Pod's network is told. Raises `HostnameError`."""
    spec = pod.spec
    hostname = (spec.hostname or pod.metadata.name)[:HOSTNAME_CHARACTERS_MAX].rstrip("-.")
    domain = _domain(pod)
    if spec.set_hostname_as_fqdn and domain:
        hostname, domain = _qualified(f"{hostname}.{domain}"), ""
    context = spec.security_context or security.NOTHING
    return runtime.PodNetwork(
        hostname=hostname,
        domain=domain,
        host_network=spec.host_network,
        host_ports=() if spec.host_network else _host_ports(pod),
        hosts=tuple((name, alias.ip) for alias in spec.host_aliases for name in alias.hostnames),
        name_servers=name_servers,
        sysctls=tuple((sysctls.normal(each.name), each.value) for each in context.sysctls),
    )


def asks_cluster(pod: Pod) -> bool:
    """Whether it is to ask the cluster's DNS, where there is one; on its machine's network only if it says so."""
    policy = pod.spec.dns_policy or model.CLUSTER_FIRST
    if pod.spec.host_network:
        return policy == model.CLUSTER_FIRST_WITH_HOST_NET
    return policy in (model.CLUSTER_FIRST, model.CLUSTER_FIRST_WITH_HOST_NET)


def needs_name_servers(pod: Pod, cluster_dns: str = "") -> bool:
    """Whether it asks for others than those of its machine. `cluster_dns`: the address of the cluster's; "": none."""
    return pod.spec.dns_config is not None or bool(cluster_dns and asks_cluster(pod))


def name_servers(pod: Pod, machines: NameServers, cluster_dns: str = "") -> NameServers:
    """Return the Pod's own resolv.conf, made from its machine's.

    Without name servers of the cluster's own, ClusterFirst begins with the machine's as Default does.
    """
    config = pod.spec.dns_config or model.PodDNSConfig()
    if pod.spec.dns_policy == model.NONE:
        base = NameServers()
    elif cluster_dns and asks_cluster(pod):
        base = _of_cluster(pod.metadata.namespace, machines, cluster_dns)
    else:
        base = _reachable(machines, pod.spec.host_network)
    options = dict(_split(option) for option in base.options) | {each.name: each.value for each in config.options}
    return NameServers(
        addresses=_distinct((*base.addresses, *config.nameservers))[:NAMESERVERS_MAX],
        searches=_distinct((*base.searches, *config.searches))[:SEARCHES_MAX],
        options=tuple(name if value is None else f"{name}:{value}" for name, value in options.items()),
    )


def _of_cluster(namespace: str, machines: NameServers, address: str) -> NameServers:
    """Return what lets a Pod find a Service by its name alone, or with its namespace, and its machine's names too."""
    services = f"svc.{model.CLUSTER_DOMAIN}"
    searches = (f"{namespace}.{services}", services, model.CLUSTER_DOMAIN)
    return NameServers(addresses=(address,), searches=(*searches, *machines.searches), options=(CLUSTER_NDOTS,))


def read_resolv_conf(text: str) -> NameServers:
    """Read resolv.conf(5); the last `search` or `domain` line counts."""
    addresses: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        word, *values = line.split("#")[0].split(";")[0].split() or [""]
        if word == "nameserver":
            addresses += values[:1]
        elif word in ("search", "domain"):
            searches = tuple(values)
        elif word == "options":
            options += values
    return NameServers(addresses=tuple(addresses), searches=searches, options=tuple(options))


def is_reachable(servers: NameServers) -> bool:
    """Whether a Pod on a network of its own can ask one of them."""
    return not all(map(_is_loopback, servers.addresses))


def _reachable(machines: NameServers, host_network: bool) -> NameServers:
    """Leave out those that listen on the machine's own loopback, where the Pod has a network of its own."""
    if host_network:
        return machines
    addresses = tuple(each for each in machines.addresses if not _is_loopback(each))
    return NameServers(addresses=addresses, searches=machines.searches, options=machines.options)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True


def _domain(pod: Pod) -> str:
    if not pod.spec.subdomain or pod.spec.host_network:
        return ""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{model.CLUSTER_DOMAIN}"


def _qualified(name: str) -> str:
    if len(name) > KERNEL_HOSTNAME_CHARACTERS_MAX:
        raise HostnameError(
            f"Failed to construct FQDN from Pod hostname and cluster domain, FQDN {name} is too long "
            f"({KERNEL_HOSTNAME_CHARACTERS_MAX} characters is the max, {len(name)} characters requested)"
        )
    return name


def _host_ports(pod: Pod) -> tuple[runtime.HostPort, ...]:
    return tuple(
        runtime.HostPort(port.host_port, port.container_port, port.protocol or "TCP", port.host_ip)
        for container in pods.lasting_containers(pod.spec)
        for port in container.ports
        if port.host_port
    )


def _split(option: str) -> tuple[str, str | None]:
    name, colon, value = option.partition(":")
    return name, value if colon else None


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
