"""This machine's Node object: what it has, where it listens, what it is called."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

import swarmlet
from swarmlet.agent.pressure import gauges
from swarmlet.agent.pressure.pressures import Readings
from swarmlet.agent.volumes import local_volumes
from swarmlet.config import Config
from swarmlet.model import core, events, names, quantity, singletons, thresholds, volumes
from swarmlet.model.base import clock_time
from swarmlet.model.cluster import NODE_ID_LABEL
from swarmlet.model.meta import ObjectMeta
from swarmlet.runtime import runtime

EPHEMERAL_STORAGE = "ephemeral-storage"
PULLED_IMAGES_FILE = "pulled-images.json"
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
    """What the kernel and systemd call this machine, empty where they do not; and what tells how much it has left.

    `pulled_images` is the file that remembers which images this daemon has fetched, None for none.
    """

    machine_id: str = ""
    boot_id: str = ""
    system_uuid: str = ""
    gauges: gauges.Gauges = field(default_factory=gauges.NoGauges)
    pulled_images: Path | None = None


def read_machine(data_dir: Path) -> Machine:
    """Read the machine's own ids. `data_dir` is where this daemon keeps its files."""
    return Machine(
        gauges=gauges.KernelGauges(data_dir),
        pulled_images=data_dir / PULLED_IMAGES_FILE,
        machine_id=_text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid"),
    )


def describe(
    identity: NodeIdentity, info: runtime.RuntimeInfo, machine: Machine, config: Config, readings: Readings
) -> core.Node:
    """Return the Node as this machine is, without what others write: uid, conditions, taints.

    `readings` tell what it has of what the engine does not know: the size of its disk.
    """
    capacity, allocatable = resources(info, config, readings)
    return core.Node(
        metadata=ObjectMeta(
            name=identity.name,
            labels={**config.labels, **_own_labels(identity, info)},
            annotations={
                singletons.FENCE_AFTER: f"{config.node_lifecycle.fence_after_seconds:g}",
                volumes.VOLUMES_DIR: str(config.data_dir / local_volumes.FOLDER),
            },
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


def resources(info: runtime.RuntimeInfo, config: Config, readings: Readings) -> tuple[dict[str, str], dict[str, str]]:
    """Return the machine's capacity, and what Pods may have of it.

    Kept back is what is reserved and what eviction keeps free: Pods that use what they asked for do not bring the node
    under pressure. Source: kubernetes pkg/kubelet/cm/node_container_manager_linux.go (GetNodeAllocatableAbsolute).
    """
    kept_free = {each.signal: each for each in thresholds.read(config.eviction.hard)}
    memory, cpu = info.memory_bytes, info.cpus * 1000
    threshold = kept_free.get(thresholds.MEMORY_AVAILABLE)
    kept = quantity.to_int(config.reserved.memory) + (threshold.of(memory) if threshold else 0)
    capacity = {"cpu": quantity.from_milli(cpu), "memory": _memory(memory), "pods": str(config.max_pods)}
    allocatable = capacity | {
        "cpu": quantity.from_milli(max(0, cpu - quantity.to_milli(config.reserved.cpu))),
        "memory": _memory(max(0, memory - kept)),
    }
    disk = readings.get(thresholds.IMAGEFS_AVAILABLE) or readings.get(thresholds.NODEFS_AVAILABLE)
    if disk is not None:
        threshold = kept_free.get(thresholds.NODEFS_AVAILABLE)
        kept = quantity.to_int(config.reserved.ephemeral_storage) + (threshold.of(disk.capacity) if threshold else 0)
        capacity[EPHEMERAL_STORAGE] = _memory(disk.capacity)
        allocatable[EPHEMERAL_STORAGE] = str(max(0, disk.capacity - kept))
    return capacity, allocatable


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


def reboot_note(stored: core.Node, described: core.Node) -> events.Note | None:
    """Return the event that the machine has been started anew since its Node was written."""
    before, now = stored.status.node_info, described.status.node_info
    if before is None or now is None or not before.boot_id or not now.boot_id or before.boot_id == now.boot_id:
        return None
    message = f"Node {stored.metadata.name} has been rebooted, boot id: {now.boot_id}"
    return events.Note(stored, events.WARNING, "Rebooted", message)


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
