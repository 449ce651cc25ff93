"""The Docker API's JSON documents: what creates a container from its specification, and what the Engine tells back.

Source: Docker Engine API v1.41, ContainerCreate, ContainerInspect, ContainerList.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from swarmlet.runtime import docker_isolation, pod_links, runtime, sandbox_image
from swarmlet.runtime.credentials import Credentials

CLUSTER_LABEL = "io.swarmlet/cluster"
NODE_LABEL = "io.swarmlet/node"
POD_UID_LABEL = "io.swarmlet/pod-uid"
POD_NAMESPACE_LABEL = "io.swarmlet/pod-namespace"
POD_NAME_LABEL = "io.swarmlet/pod-name"
CONTAINER_LABEL = "io.swarmlet/container"
ATTEMPT_LABEL = "io.swarmlet/attempt"
SPEC_HASH_LABEL = "io.swarmlet/spec-hash"
STRICT_LABEL = "io.swarmlet/strict"
STRICT = "true"
DEVICES_LABEL = "io.swarmlet/devices"
"""Which units of which resources it was given, as a JSON list of pairs."""

DEFAULT_REPOSITORY = "docker.io/library"
LOG_FILE_SIZE_MAX = "10m"
LOG_FILES_MAX = "3"
CPU_SHARES_MIN = 2
CPU_SHARES_PER_CORE = 1024
NANO_CPUS_PER_MILLI = 1_000_000

_FRACTION = re.compile(r"\.(\d{1,6})\d*")
_RUNNING_STATES = ("running", "paused", "restarting")


def container_name(spec: runtime.ContainerSpec) -> str:
    """Return the name that `docker ps` shows: unique for each attempt of each container of each Pod."""
    pod = spec.pod
    return f"{pod.namespace}_{pod.name}_{spec.name}_{pod.uid[:13]}_{spec.attempt}"


def labels(spec: runtime.ContainerSpec, owner: Mapping[str, str]) -> dict[str, str]:
    """Return the labels by which the container is found again."""
    strict = {STRICT_LABEL: STRICT} if spec.strict else {}
    return {
        **owner,
        **strict,
        DEVICES_LABEL: json.dumps(spec.devices.units),  # always: else a label of the image's would count
        POD_UID_LABEL: spec.pod.uid,
        POD_NAMESPACE_LABEL: spec.pod.namespace,
        POD_NAME_LABEL: spec.pod.name,
        CONTAINER_LABEL: spec.name,
        ATTEMPT_LABEL: str(spec.attempt),
        SPEC_HASH_LABEL: spec.spec_hash,
    }


def sandbox_document(spec: runtime.ContainerSpec, owner: Mapping[str, str], engine_runtime: str) -> dict[str, Any]:
    """Return the body of the request that creates a Pod's sandbox."""
    document: dict[str, Any] = {
        "Image": f"{sandbox_image.REPOSITORY}:{sandbox_image.TAG}",
        "Labels": labels(spec, owner),
        "HostConfig": _host_config(engine_runtime) | {"NetworkMode": "bridge"} | docker_isolation.sandbox_fields(spec),
    }
    _set_network(document, spec.network)
    return document


def container_document(spec: runtime.ContainerSpec, owner: Mapping[str, str], engine_runtime: str) -> dict[str, Any]:
    """Return the body of the request that creates a container."""
    document: dict[str, Any] = {
        "Image": spec.image,
        "Labels": labels(spec, owner),
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin_once,
        "Tty": spec.tty,
        "HostConfig": _host_config(engine_runtime)
        | _mounts(spec)
        | _resources(spec)
        | docker_isolation.container_fields(spec),
    }
    if spec.isolation.stop_signal:
        document["StopSignal"] = spec.isolation.stop_signal
    if spec.isolation.user:
        document["User"] = spec.isolation.user
    if spec.command:
        document["Entrypoint"] = list(spec.command)
    if spec.args or spec.command:  # a command of the Pod's replaces the image's arguments too
        document["Cmd"] = list(spec.args)
    if spec.working_dir:
        document["WorkingDir"] = spec.working_dir
    if spec.sandbox:
        document["HostConfig"]["NetworkMode"] = f"container:{spec.sandbox}"
    else:
        _set_network(document, spec.network)
    return document


def _host_config(engine_runtime: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_FILE_SIZE_MAX, "max-file": LOG_FILES_MAX}},
    }
    return config | {"Runtime": engine_runtime} if engine_runtime else config


def _mounts(spec: runtime.ContainerSpec) -> dict[str, Any]:
    return {
        "Mounts": [
            {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}
            for mount in spec.mounts
        ]
    }


def _resources(spec: runtime.ContainerSpec) -> dict[str, Any]:
    """Memory is without swap on top: a container over its limit is killed, not slowed down.

    Whoever asks for no CPU gets the least share when cores are short, as under kubelet.
    """
    shares = max(CPU_SHARES_MIN, spec.cpu_request_millis * CPU_SHARES_PER_CORE // 1000)
    resources: dict[str, Any] = {"CpuShares": shares}
    if spec.cpu_limit_millis:
        resources["NanoCpus"] = spec.cpu_limit_millis * NANO_CPUS_PER_MILLI
    if spec.memory_limit_bytes:
        resources["Memory"] = resources["MemorySwap"] = spec.memory_limit_bytes
    return resources


def _set_network(document: dict[str, Any], network: runtime.PodNetwork) -> None:
    document["HostConfig"] |= docker_isolation.network_fields(network)
    if network.host_network:
        document["HostConfig"]["NetworkMode"] = "host"
        return
    if network.bridge_network:
        document["HostConfig"]["NetworkMode"] = network.bridge_network
        addresses = {"IPv4Address": network.address}
        if network.address_v6:
            addresses["IPv6Address"] = network.address_v6
        mac = pod_links.mac(network.address)
        endpoint = {"IPAMConfig": addresses, "MacAddress": mac}
        document["MacAddress"] = mac  # for Engines before API 1.44, which know no MAC of an endpoint
        document["NetworkingConfig"] = {"EndpointsConfig": {network.bridge_network: endpoint}}
    if network.hostname:
        document["Hostname"] = network.hostname
    if network.domain:
        document["Domainname"] = network.domain
    ports: dict[str, list[dict[str, str]]] = {}
    for port in network.host_ports:
        where = {"HostIp": port.host_ip, "HostPort": str(port.host_port)}
        ports.setdefault(f"{port.container_port}/{port.protocol.lower() or 'tcp'}", []).append(where)
    if ports:
        document["ExposedPorts"] = {port: {} for port in ports}
        document["HostConfig"]["PortBindings"] = ports


def pull_arguments(image: str, credentials: Credentials | None) -> dict[str, Any]:
    """Return the arguments of aiodocker's `pull`, which knows no registry of an image without a slash."""
    if credentials is None:
        return {"from_image": image}
    named = image if "/" in image else f"{DEFAULT_REPOSITORY}/{image}"
    if credentials.identity_token:
        return {"from_image": named, "auth": {"identitytoken": credentials.identity_token}}
    return {"from_image": named, "auth": {"username": credentials.username, "password": credentials.password}}


def from_inspect(document: Mapping[str, Any]) -> runtime.Container:
    """Read what the Engine tells of one container."""
    state = document["State"]
    running = state["Status"] in _RUNNING_STATES
    return runtime.Container(
        **_identity(document["Id"], document["Config"]["Labels"] or {}),
        state=runtime.State.RUNNING if running else runtime.State.EXITED,
        image_id=document["Image"],
        address=_address(document, "IPAddress") if running else "",
        address_v6=_address(document, "GlobalIPv6Address") if running else "",
        exit_code=state["ExitCode"],
        oom_killed=state["OOMKilled"],
        started_at=parse_time(state["StartedAt"]),
        finished_at=None if running else parse_time(state["FinishedAt"]),
    )


def image(document: Mapping[str, Any]) -> runtime.Image:
    """Read what the Engine tells of an image."""
    names = [*(document.get("RepoTags") or ()), *(document.get("RepoDigests") or ())]
    known = tuple(name for name in names if "<none>" not in name)
    return runtime.Image(document["Id"], known, document["Size"])


def from_event(document: Mapping[str, Any], state: runtime.State) -> runtime.Container:
    """Read what an event tells of a container that is gone already."""
    attributes = document["Actor"]["Attributes"]
    return runtime.Container(
        **_identity(document["Actor"]["ID"], attributes),
        state=state,
        exit_code=int(attributes.get("exitCode", 0)),
        finished_at=datetime.fromtimestamp(document["time"], UTC),
    )


def _identity(container_id: str, found: Mapping[str, str]) -> dict[str, Any]:
    attempt = found.get(ATTEMPT_LABEL, "")
    return {
        "id": container_id,
        "pod": runtime.PodIdentity(
            found.get(POD_UID_LABEL, ""), found.get(POD_NAMESPACE_LABEL, ""), found.get(POD_NAME_LABEL, "")
        ),
        "name": found.get(CONTAINER_LABEL, ""),
        "attempt": int(attempt) if attempt.isdigit() else 0,
        "spec_hash": found.get(SPEC_HASH_LABEL, ""),
        "strict": found.get(STRICT_LABEL) == STRICT,
        "devices": _devices(found.get(DEVICES_LABEL, "")),
    }


def _devices(text: str) -> tuple[tuple[str, str], ...]:
    """Read the units that a label tells; one that nobody of us wrote tells of none."""
    try:
        return msgspec.json.decode(text or "[]", type=tuple[tuple[str, str], ...])
    except msgspec.DecodeError:
        return ()


def _address(document: Mapping[str, Any], name: str) -> str:
    networks = (document.get("NetworkSettings") or {}).get("Networks") or {}
    return next((network[name] for network in networks.values() if network.get(name)), "")


def parse_time(text: str) -> datetime | None:
    """Read Go's RFC 3339 with nanoseconds; the year 1 means never."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(_FRACTION.sub(lambda match: "." + match[1].ljust(6, "0"), text))
