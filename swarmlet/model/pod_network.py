"""How a Pod meets the network: names it knows, servers it asks. Source: k8s.io/api/core/v1/types.go."""

from __future__ import annotations

from swarmlet.model.base import ApiStruct

CLUSTER_FIRST = "ClusterFirst"
CLUSTER_FIRST_WITH_HOST_NET = "ClusterFirstWithHostNet"
DEFAULT = "Default"
NONE = "None"
CLUSTER_DOMAIN = "cluster.local"


class HostAlias(ApiStruct, frozen=True, kw_only=True):
    """A line of the Pod's /etc/hosts."""

    ip: str
    hostnames: tuple[str, ...] = ()


class PodDNSConfigOption(ApiStruct, frozen=True, kw_only=True):
    name: str = ""
    value: str | None = None


class PodDNSConfig(ApiStruct, frozen=True, kw_only=True):
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()
