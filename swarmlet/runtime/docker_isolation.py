"""How far a container is kept apart, as fields of the Docker API's documents.

Source: Docker Engine API v1.41, ContainerCreate (HostConfig).
"""

from __future__ import annotations

from typing import Any

from swarmlet.runtime import runtime
from swarmlet.runtime.isolation import Devices, Isolation, NameServers

ROOT_DOMAIN = "."
"""As the only search domain it stands for none; without any the Engine takes the machine's."""
DEFAULT_OPTION = "ndots:1"
"""What resolvers do anyway; without any option the Engine takes the machine's."""


def sandbox_fields(spec: runtime.ContainerSpec) -> dict[str, Any]:
    """Return the HostConfig of a sandbox, which needs no rights for itself."""
    fields: dict[str, Any] = {
        "CapDrop": ["ALL"],
        "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges:true", *_selinux(spec.isolation)],
        "OomScoreAdj": spec.oom_score_adj,
    }
    return fields | _namespaces(spec.isolation, "")


def container_fields(spec: runtime.ContainerSpec) -> dict[str, Any]:
    """Return the HostConfig of a container."""
    isolation = spec.isolation
    fields: dict[str, Any] = {"OomScoreAdj": spec.oom_score_adj}
    if isolation.privileged:
        fields["Privileged"] = True
    if isolation.read_only_root:
        fields["ReadonlyRootfs"] = True
    for name, capabilities in (("CapAdd", isolation.capabilities_added), ("CapDrop", isolation.capabilities_dropped)):
        if capabilities:
            fields[name] = list(capabilities)
    if isolation.groups:
        fields["GroupAdd"] = [str(group) for group in isolation.groups]
    if isolation.init:
        fields["Init"] = True
    if isolation.ulimits:
        fields["Ulimits"] = [{"Name": name, "Soft": soft, "Hard": hard} for name, soft, hard in isolation.ulimits]
    if options := _security_options(isolation):
        fields["SecurityOpt"] = options
    return fields | _namespaces(isolation, spec.sandbox) | _devices(spec.devices)


def _namespaces(isolation: Isolation, sandbox: str) -> dict[str, Any]:
    """Return whose processes and whose shared memory it sees; those of `sandbox` where it joins one."""
    fields: dict[str, Any] = {"IpcMode": f"container:{sandbox}" if sandbox else "shareable"}
    if isolation.host_ipc:
        fields["IpcMode"] = "host"
    if isolation.host_processes:
        fields["PidMode"] = "host"
    elif isolation.shares_processes and sandbox:
        fields["PidMode"] = f"container:{sandbox}"
    return fields


def network_fields(network: runtime.PodNetwork) -> dict[str, Any]:
    """Return the HostConfig of whoever holds the Pod's network: names, name servers, kernel parameters."""
    fields: dict[str, Any] = {}
    if network.hosts:
        fields["ExtraHosts"] = [f"{name}:{address}" for name, address in network.hosts]
    if network.name_servers is not None:
        fields |= _name_servers(network.name_servers)
    if network.sysctls:
        fields["Sysctls"] = dict(network.sysctls)
    return fields


def _name_servers(wanted: NameServers) -> dict[str, Any]:
    return {
        "Dns": list(wanted.addresses),
        "DnsSearch": list(wanted.searches) or [ROOT_DOMAIN],
        "DnsOptions": list(wanted.options) or [DEFAULT_OPTION],
    }


def _security_options(isolation: Isolation) -> list[str]:
    options = ["no-new-privileges:true"] if isolation.no_new_privileges else []
    if isolation.seccomp:
        options.append(f"seccomp={isolation.seccomp}")
    if isolation.apparmor:
        options.append(f"apparmor={isolation.apparmor}")
    return options + _selinux(isolation)


def _selinux(isolation: Isolation) -> list[str]:
    return [f"label={label}" for label in isolation.selinux]


def _devices(devices: Devices) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if devices.files:
        fields["Devices"] = [
            {"PathOnHost": each.path, "PathInContainer": each.path, "CgroupPermissions": each.permissions}
            for each in devices.files
        ]
    if devices.requests:
        fields["DeviceRequests"] = [
            {"Driver": each.driver, "DeviceIDs": list(each.units), "Capabilities": [["gpu"]]}
            for each in devices.requests
        ]
    return fields
