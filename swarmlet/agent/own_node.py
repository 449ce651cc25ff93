"""This machine's Node object: what it has, where it listens, what it is called."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

import swarmlet
from swarmlet.config import Config
from swarmlet.model import core, names, quantity, singletons
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.meta import ObjectMeta
from swarmlet.runtime import runtime

PODS_MAX = 110
OPERATING_SYSTEM = "linux"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """Who this node is: its name among the Nodes, its id in consensus, and where its daemon listens."""

    name: str
    node_id: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the kernel and systemd call this machine; empty where they do not."""

    machine_id: str = ""
    boot_id: str = ""
    system_uuid: str = ""


def read_machine() -> Machine:
    """Read the machine's own ids."""
    return Machine(
        machine_id=_text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid"),
    )


def describe(identity: NodeIdentity, info: runtime.RuntimeInfo, machine: Machine, config: Config) -> core.Node:
    """Return the Node as this machine is, without what others write: uid, conditions, taints."""
    reserved = config.reserved
    capacity = {
        "cpu": quantity.from_milli(info.cpus * 1000),
        "memory": _memory(info.memory_bytes),
        "pods": str(PODS_MAX),
    }
    allocatable = capacity | {
        "cpu": quantity.from_milli(max(0, info.cpus * 1000 - quantity.to_milli(reserved.cpu))),
        "memory": _memory(max(0, info.memory_bytes - quantity.to_int(reserved.memory))),
    }
    return core.Node(
        metadata=ObjectMeta(
            name=identity.name,
            labels={**config.labels, **_own_labels(identity, info)},
            annotations={singletons.FENCE_AFTER: f"{config.node_lifecycle.fence_after_seconds:g}"},
        ),
        status=core.NodeStatus(
            capacity=capacity,
            allocatable=allocatable,
            addresses=(
                core.NodeAddress(type="InternalIP", address=identity.address),
                core.NodeAddress(type="Hostname", address=identity.name),
            ),
            daemon_endpoints=core.NodeDaemonEndpoints(kubelet_endpoint=core.DaemonEndpoint(port=identity.port)),
            node_info=_system_info(info, machine),
        ),
    )


def merged(stored: core.Node | None, described: core.Node, now: datetime, rng: random.Random) -> core.Node:
    """Return what is to be stored: what this machine says of itself, and of the stored Node what others wrote."""
    if stored is None:
        created = {"uid": names.new_uid(rng), "creation_timestamp": clock_time(now)}
        return msgspec.structs.replace(described, metadata=msgspec.structs.replace(described.metadata, **created))
    labels = stored.metadata.labels | described.metadata.labels
    annotations = stored.metadata.annotations | described.metadata.annotations
    metadata = msgspec.structs.replace(stored.metadata, labels=labels, annotations=annotations, resource_version="")
    status = msgspec.structs.replace(described.status, conditions=stored.status.conditions)
    return msgspec.structs.replace(stored, metadata=metadata, status=status)


def _own_labels(identity: NodeIdentity, info: runtime.RuntimeInfo) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": identity.name,
        "kubernetes.io/os": OPERATING_SYSTEM,
        "kubernetes.io/arch": _architecture(info),
        NODE_ID_LABEL: identity.node_id,
    }


def _system_info(info: runtime.RuntimeInfo, machine: Machine) -> core.NodeSystemInfo:
    return core.NodeSystemInfo(
        machine_id=machine.machine_id,
        system_uuid=machine.system_uuid,
        boot_id=machine.boot_id,
        kernel_version=info.kernel_version,
        os_image=info.os_image,
        container_runtime_version=info.version,
        kubelet_version=f"v{swarmlet.__version__}",
        operating_system=OPERATING_SYSTEM,
        architecture=_architecture(info),
    )


def _architecture(info: runtime.RuntimeInfo) -> str:
    return ARCHITECTURES.get(info.architecture, info.architecture)


def _memory(count: int) -> str:
    """Memory is counted in whole KiB, as kubelet does."""
    return f"{count // 1024}Ki"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
