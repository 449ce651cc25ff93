"""The keys that Kubernetes or a cluster has no word for: what each is told with when it is set.

A key that stands here is only named; the others are read by the modules that honour them (`HONOURED`). A test holds
both against the structs of the model, so a new key cannot be passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from swarmlet.manifests.compose.conversion.draft import Draft, ServiceDraft
from swarmlet.manifests.compose.model.deploy import Deploy, RestartPolicy
from swarmlet.manifests.compose.model.networking import Attachment, Network

SERVICE: Mapping[str, str] = {
    "attach": "ignored: nothing is attached to; `swarmlet logs` shows what a service prints",
    "blkio_config": "ignored: bandwidth of disks is not shared out per container",
    "cgroup": "ignored: containers have cgroups of their own",
    "cgroup_parent": "ignored: the machines' Engines choose it",
    "container_name": "Pods are called after their service, for there may be several; the name leads to the service",
    "cpu_count": "ignored: it is for Windows; use cpus",
    "cpu_percent": "ignored: it is for Windows; use cpus",
    "cpu_rt_period": "ignored: no real-time scheduling per container",
    "cpu_rt_runtime": "ignored: no real-time scheduling per container",
    "cpu_shares": "ignored: a container's share follows what is reserved for it (deploy.resources.reservations.cpus)",
    "cpuset": "ignored: containers are not tied to cores",
    "credential_spec": "ignored: it is for Windows",
    "develop": "ignored: nothing watches the sources; build, push and apply",
    "device_cgroup_rules": "ignored: devices are handed out by name (docs/pods.md)",
    "devices": "ignored: devices are handed out by name (docs/pods.md); ask with deploy.resources.reservations",
    "domainname": "ignored: names end in the cluster's own domain",
    "external_links": "ignored: what is in the same namespace is found by its name",
    "isolation": "ignored: it is for Windows",
    "logging": "ignored: what containers print is kept by their machine, for `swarmlet logs`",
    "mac_address": "ignored: the cluster gives out addresses",
    "mem_swappiness": "ignored: a container with a memory limit gets no swap",
    "oom_kill_disable": "ignored: a container over its memory limit is ended and started again",
    "oom_score_adj": "ignored: it follows what is reserved (docs/pods.md)",
    "pull_refresh_after": "ignored: images are fetched by pull_policy",
    "runtime": "ignored: containers run as their machine's Engine is set up",
    "storage_opt": "ignored: limit the disk with a volume",
    "userns_mode": "ignored: user namespaces are as the machine's Engine is set up",
    "uts": "ignored: each Pod has a name of its own",
}
REFUSED: Mapping[str, str] = {
    "provider": "what provides it is a program of Docker's; run what it needs as a service, or outside",
    "models": "language models are not run by the cluster; run one as a service, or name one outside by environment:",
    "use_api_socket": "the Engine's socket is not given to containers: it would make them masters of their machine",
}
HONOURED = frozenset(
    {
        "extensions",
        "image",
        "build",
        "command",
        "entrypoint",
        "working_dir",
        "environment",
        "user",
        "group_add",
        "labels",
    }
    | {
        "annotations",
        "depends_on",
        "healthcheck",
        "restart",
        "stop_grace_period",
        "stop_signal",
        "post_start",
        "pre_stop",
    }
    | {"profiles", "deploy", "scale", "ports", "expose", "networks", "network_mode", "hostname", "dns", "dns_opt"}
    | {"dns_search", "extra_hosts", "links", "volumes", "tmpfs", "configs", "secrets", "shm_size", "read_only"}
    | {"cpu_period", "cpu_quota", "cpus", "mem_limit", "mem_reservation", "memswap_limit", "pids_limit", "gpus"}
    | {"cap_add", "cap_drop", "privileged", "security_opt", "sysctls", "ipc", "pid", "platform", "pull_policy"}
    | {"stdin_open", "tty", "init", "ulimits", "volumes_from"}
)

ATTACHMENT: Mapping[str, str] = {
    "interface_name": "ignored: a Pod has one interface, eth0",
    "ipv4_address": "ignored: the cluster gives out addresses; use the service's name",
    "ipv6_address": "ignored: the cluster gives out addresses; use the service's name",
    "link_local_ips": "ignored: the cluster gives out addresses",
    "mac_address": "ignored: the cluster gives out addresses",
    "driver_opts": "ignored: all Pods are on the cluster's network",
    "priority": "ignored: all Pods are on one network",
    "gw_priority": "ignored: all Pods are on one network",
}
NETWORK: Mapping[str, str] = {
    "driver": "ignored: all Pods are on the cluster's network",
    "driver_opts": "ignored: all Pods are on the cluster's network",
    "ipam": "ignored: the cluster gives out addresses",
    "external": "who else is in it is not known here: its services are open to all Pods",
    "enable_ipv4": "ignored: as the cluster's network is set up",
    "enable_ipv6": "ignored: as the cluster's network is set up",
    "labels": "ignored: no object is made of a network",
}
RESTART_POLICY: Mapping[str, str] = {
    "delay": "ignored: a container is started again after ever longer, up to five minutes",
    "window": "ignored: a container's restarts are judged by its probes",
}
_DEFAULT_DRIVERS = ("", "bridge", "overlay")


def check_service(it: ServiceDraft) -> None:
    """Refuse or name what a service says that cannot be had."""
    for key, why in REFUSED.items():
        if getattr(it.service, key):
            raise it.refusal(key, f"cannot be had here: {why}")
    for key in _set_keys(it.service, SERVICE):
        it.warn(key, SERVICE[key])
    deploy = it.service.deploy or Deploy()
    if deploy.rollback_config is not None:
        it.warn("deploy.rollback_config", "ignored: going back is done as update_config says")
    for key in _set_keys(deploy.restart_policy or RestartPolicy(), RESTART_POLICY):
        it.warn(f"deploy.restart_policy.{key}", RESTART_POLICY[key])


def warn_attachment(draft: Draft, path: str, attachment: Attachment) -> None:
    """Name what a service says of its place in a network."""
    for key in _set_keys(attachment, ATTACHMENT):
        draft.warn(f"{path}.{key}", ATTACHMENT[key])


def warn_network(draft: Draft, key: str, network: Network) -> None:
    """Name what is said of a network; the drivers that everybody has mean what there is here."""
    for each in _set_keys(network, NETWORK):
        if each != "driver" or network.driver not in _DEFAULT_DRIVERS:
            draft.warn(f"networks.{key}.{each}", NETWORK[each])


def _set_keys(struct: msgspec.Struct, table: Mapping[str, str]) -> list[str]:
    """Return the keys of the table that say something other than their default."""
    defaults: Any = {field.name: _default(field) for field in msgspec.structs.fields(struct)}
    return [
        key for key in table if getattr(struct, key) not in (defaults[key], None, False if key != "attach" else None)
    ]


def _default(field: Any) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
